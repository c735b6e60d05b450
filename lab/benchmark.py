# SPDX-License-Identifier: Apache-2.0
"""What a run costs: seconds by phase and memory, over several runs, each held against its aim."""

import statistics
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from rich.table import Table

from lab import lifecycle
from lab.home import Home
from lab.nodes import Nodes
from lab.services import processes

# What push to vote may consist of: phases and plays by how they begin, and the aim in seconds.
AIMS = (
    ("outside the nodes' own work", ("push", "event", "nodes", "report", "pre-run: "), 20),
    ("both nodes ready", ("run: Bundles", "run: Sources", "run: Control plane", "run: The Windows host"), 60),
    ("tests", ("run: Tempest",), 150),
    ("logs", ("post-run: ",), 10),
)
PUSH_TO_VOTE = 240
MEMORY = 8 * 1024  # MiB
# Seconds between two looks at the memory.
INTERVAL = 2


def parts(taken: dict[str, float], plays: Iterable[tuple[str, float]]) -> dict[str, float]:
    """Return the seconds of each of AIMS, and of the whole, for one run.

    :param taken: the phases of the run, as lab.phases.Timeline has them
    :param plays: what the phase `build` consisted of
    """
    run = {name: taken[name] for name in ("push", "event", "nodes", "build", "report")}
    pieces = [(name, seconds) for name, seconds in run.items() if name != "build"] + list(plays)
    sums = {
        what: sum(seconds for name, seconds in pieces if name.startswith(begins))
        for what, begins, _aim in AIMS
    }
    return sums | {"push to vote": sum(run.values())}


def table(runs: list[dict[str, float]], idle: float, peak: float) -> Table:
    """Return the figures of several runs, each beside its aim and as a ratio to it.

    :param runs: what `parts` returned of each
    :param idle: MiB that the lab takes while no build runs
    :param peak: MiB that it took at most while one ran
    """
    headings = ("", "min", "median", "max", "aim", "median/aim")
    result = Table(*headings, box=None, pad_edge=False, header_style="bold")
    for column in result.columns[1:]:
        column.justify = "right"
    for what, aim in (*((what, aim) for what, _begins, aim in AIMS), ("push to vote", PUSH_TO_VOTE)):
        seconds = [run[what] for run in runs]
        median = statistics.median(seconds)
        low, middle, high = (f"{value:.1f} s" for value in (min(seconds), median, max(seconds)))
        result.add_row(what, low, middle, high, f"{aim} s", f"{median / aim:.2f}")
    result.add_row("memory, idle", "", f"{idle:.0f} MiB", "", f"{MEMORY} MiB", f"{idle / MEMORY:.2f}")
    result.add_row("memory, at most", "", f"{peak:.0f} MiB", "", f"{MEMORY} MiB", f"{peak / MEMORY:.2f}")
    return result


def memory(home: Home) -> float:
    """Return the MiB that the lab's processes take, pages divided among those that share them (PSS)."""
    leaders = [daemon.process for daemon in lifecycle.daemons(home) if daemon.process]
    leaders += [processes.Process(node.pid, node.started) for node in Nodes(home.nodes).list()]
    return sum(processes.proportional_memory(process.pid) for process in processes.family(leaders)) / 1024


@dataclass
class Watch:
    """Looks at a figure every now and then, in a thread of its own, and keeps the largest.

    :param look: returns the figure
    """

    look: Callable[[], float]
    interval: float = INTERVAL
    peak: float = 0
    _over: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> "Watch":
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_) -> None:
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        while True:
            self.peak = max(self.peak, self.look())
            if self._over.wait(self.interval):
                return
