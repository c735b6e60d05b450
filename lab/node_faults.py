# SPDX-License-Identifier: Apache-2.0
"""Faults made on purpose, in the lab's nodes and from outside of them: nothing in a node knows of it.

What a simulated Windows host does wrong by itself, lab/faults.py has.

A rule is ``NODE:ACTION[@PATH][*TIMES]``, e.g. ``hyperv:die@C/OpenStack/src*1``: as soon as a Windows node's
folder has that path, the node dies; of all nodes, one. Without a path it happens as soon as there is a node,
without a number to every node.

=============== ==========================================================================================
``die``         the node's processes are killed
``hang``        they are stopped: connections are accepted, and nothing ever answers
``no-index``    the user's pip and uv ask a package index that nobody answers
``no-database`` a file is where the control plane's database belongs
=============== ==========================================================================================
"""

import contextlib
import re
import shutil
import signal
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from lab.errors import LabError
from lab.nodes import Node, Nodes
from lab.services.processes import Process, family

# By the port that they answer at.
PORTS = {"controller": 2222, "hyperv": 5986}
RULE = re.compile(r"(?P<node>[a-z]+):(?P<action>[a-z-]+)(@(?P<path>[^*]+))?(\*(?P<times>\d+))?")
# Nobody listens at port 9, discard, of loopback.
NO_INDEX = "http://127.0.0.1:9/simple"


@dataclass(frozen=True)
class Rule:
    """What happens to which nodes, and when."""

    node: str
    action: str
    path: str = ""
    times: int | None = None

    @classmethod
    def parse(cls, text: str) -> "Rule":
        """Return the rule that a text describes.

        :raises LabError: if it describes none
        """
        found = RULE.fullmatch(text)
        if not found or found["node"] not in PORTS or found["action"] not in ACTIONS:
            raise LabError(
                f"{text} is no fault: expected {' or '.join(PORTS)}, a colon, {', '.join(ACTIONS)}, "
                "then @PATH and *TIMES if wanted"
            )
        return cls(found["node"], found["action"], found["path"] or "", int(found["times"] or 0) or None)

    def is_due(self, node: Node) -> bool:
        """Say whether a node is one of those that the rule is for, and has come as far."""
        return node.port == PORTS[self.node] and (node.folder / self.path).exists()


class Faults:
    """Makes what its rules say happen, to each node once.

    :param nodes: the folder of the nodes
    """

    def __init__(self, nodes: Path, rules: list[Rule]):
        self._folder = nodes
        self._nodes = Nodes(nodes)
        self._rules = rules
        self._met: set[tuple[Rule, int]] = set()
        self.made: Counter[Rule] = Counter()

    def look(self) -> Iterator[str]:
        """Look at every node once; yield a line for each fault that was made."""
        for node in self._there_are():
            for rule in self._rules:
                # Nodepool gives the next attempt at a node that does not come up the same name.
                if self.made[rule] != rule.times and (rule, node.pid) not in self._met and rule.is_due(node):
                    self._met.add((rule, node.pid))
                    self.made[rule] += 1
                    ACTIONS[rule.action](node)
                    yield f"{rule.action}: {rule.node} {node.name}" + (
                        f", which has {rule.path}" if rule.path else ""
                    )

    def _there_are(self) -> Iterator[Node]:
        for path in sorted(self._folder.glob("*/node.json")):
            with contextlib.suppress(KeyError):  # deleted since
                yield self._nodes.get(path.parent.name)

    def go_on(self, seconds: float = 0.2) -> Iterator[str]:
        """Look again and again."""
        while True:
            yield from self.look()
            time.sleep(seconds)


def _signal(node: Node, number: int) -> None:
    for process in family([Process(node.pid, node.started)]):
        process.signal(number)


def _die(node: Node) -> None:
    _signal(node, signal.SIGKILL)


def _hang(node: Node) -> None:
    _signal(node, signal.SIGSTOP)


def _no_index(node: Node) -> None:
    for path, text in (
        ("pip/pip.conf", f"[global]\nindex-url = {NO_INDEX}\nretries = 0\n"),
        ("uv/uv.toml", f'index-url = "{NO_INDEX}"\n'),
    ):
        file = node.folder / "home/.config" / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")


def _no_database(node: Node) -> None:
    place = node.folder / "home/openstack/database"
    shutil.rmtree(place, ignore_errors=True)
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text("in the way\n", encoding="utf-8")


ACTIONS = {"die": _die, "hang": _hang, "no-index": _no_index, "no-database": _no_database}
