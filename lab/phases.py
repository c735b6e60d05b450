# SPDX-License-Identifier: Apache-2.0
"""The one list of phases: what `lab` prints while it works, times, and lists at the end."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from lab.errors import LabError


@dataclass(frozen=True)
class Phase:
    """One phase of the main job."""

    stage: str
    name: str
    says: str


PHASES = tuple(
    Phase(stage, name, says)
    for stage, name, says in (
        ("install", "packages", "Debian packages of bindep.txt"),
        ("install", "zuul environment", "Zuul 14.3.0"),
        ("install", "nodepool environment", "Nodepool 11.0.0"),
        ("install", "ansible environment", "Ansible 11, as Zuul's executor wants it"),
        ("install", "gerrit jars", "Gerrit 3.10.2 from Maven Central"),
        ("install", "gerrit site", "an initialised site to copy"),
        ("install", "nova sources", "the source distribution of nova 34.0.0"),
        ("install", "controller image", "the control plane, but for nova, with its saved database"),
        ("install", "windows image", "what a Windows node holds before a run"),
        ("up", "keys", "keys, certificates and passwords, new each time"),
        ("up", "database", "MariaDB answers"),
        ("up", "zookeeper", "ZooKeeper answers over TLS"),
        ("up", "gerrit", "Gerrit answers"),
        ("up", "accounts", "accounts, labels and permissions in Gerrit"),
        ("up", "projects", "openstack/nova, hyperv-ci and hyperv-ci-config in Gerrit"),
        ("up", "zuul", "Zuul has loaded the projects, the executor takes builds"),
        ("up", "nodepool", "Nodepool's launcher answers"),
        ("run", "push", "the change is in Gerrit"),
        ("run", "event", "Zuul has taken the event"),
        ("run", "nodes", "Nodepool has made both nodes, the executor has the sources"),
        ("run", "build", "the playbooks"),
        ("run", "report", "the comment and the vote are in Gerrit"),
    )
)


@dataclass
class Timeline:
    """Shows phases as they go by, and remembers what each took.

    :param console: where it shows them
    """

    console: Console
    taken: dict[str, float] = field(default_factory=dict)

    def __post_init__(self):
        self._progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}", markup=False),
            TimeElapsedColumn(),
            console=self.console,
            transient=True,
            disable=not self.console.is_terminal,
        )
        self._started: dict[str, tuple[float, int]] = {}
        self._spans: dict[str, tuple[float, float]] = {}

    def __enter__(self) -> "Timeline":
        self._progress.start()
        return self

    def __exit__(self, *_) -> None:
        self._progress.stop()

    def begin(self, *names: str) -> None:
        """Begin phases that go on side by side."""
        for name in names:
            phase = _phase(name)
            self._started[name] = time.monotonic(), self._progress.add_task(f"{phase.stage}: {phase.says} …")
            self._step(phase, f"{phase.says} …")

    def say(self, name: str, what: str, *, step: bool = False) -> None:
        """Show where a phase that goes on stands.

        :param step: also where there is no terminal, and so nothing that moves
        """
        phase = _phase(name)
        description = f"{phase.stage}: {phase.says} … {what}"
        self._progress.update(self._started[name][1], description=description)
        if step:
            self._step(phase, what)

    def _step(self, phase: Phase, what: str) -> None:
        """Show in a line what a terminal shows by something that moves."""
        if not self.console.is_terminal:
            self.console.print(f"  {phase.stage:8}{what}", highlight=False, soft_wrap=True)

    @contextmanager
    def still(self) -> Iterator[None]:
        """Move nothing meanwhile: a program may ask for a password at the terminal."""
        self._progress.stop()
        try:
            yield
        finally:
            self._progress.start()

    def finish(self, name: str) -> None:
        """Finish a phase that was begun: remember and show what it took."""
        phase = _phase(name)
        start, task = self._started.pop(name)
        end = time.monotonic()
        self._progress.remove_task(task)
        self.taken[name] = end - start
        since, _ = self._spans.get(phase.stage, (start, end))
        self._spans[phase.stage] = min(since, start), end
        line = Text.assemble(("✓", "green"), f" {phase.stage:8}{phase.says:62}{end - start:7.1f} s")
        self.console.print(line, highlight=False, soft_wrap=True)

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Time what happens inside; an error that leaves it says which phase it was."""
        self.begin(name)
        try:
            yield
        except LabError as error:
            error.phase = error.phase or name
            raise
        self.finish(name)

    def table(self, parts: list[tuple[str, float]] = ()) -> Table:
        """Return the times of all phases and stages; phases of a stage may have gone on side by side.

        :param parts: what the phase `build` consisted of: names and seconds
        """
        table = Table("phase", "", "seconds", box=None, pad_edge=False, header_style="bold")
        table.columns[2].justify = "right"
        for stage, (start, end) in self._spans.items():
            for phase in PHASES:
                if phase.stage == stage and phase.name in self.taken:
                    table.add_row(stage, phase.says, f"{self.taken[phase.name]:.1f}")
                if phase.stage == stage and phase.name == "build":
                    for name, seconds in parts:
                        table.add_row("", f"  {name}", f"{seconds:.1f}", style="dim")
            table.add_row(stage, "all of it", f"{end - start:.1f}", style="bold")
        return table


def _phase(name: str) -> Phase:
    return next(phase for phase in PHASES if phase.name == name)
