# SPDX-License-Identifier: Apache-2.0
"""The command of the repository's root, as a user calls it, and what it prints."""

import re
import subprocess
import unittest
import urllib.request
from dataclasses import dataclass
from pathlib import Path

CHECKOUT = Path(__file__).parents[2]
CHANGES = CHECKOUT / "tests" / "changes"
# Seconds for the longest command, the first installation included.
PATIENCE = 1800


@dataclass(frozen=True)
class Outcome:
    """What `./hyperv-ci lab …` printed."""

    code: int
    text: str

    @property
    def vote(self) -> int | None:
        """The vote, or None if none was printed."""
        found = re.search(r"^Vote: Verified ([+-][12]|0)$", self.text, re.M)
        return int(found[1]) if found else None

    @property
    def change(self) -> str:
        """The number of the change that was pushed."""
        return re.search(r"^Change (\d+),\d+ of ", self.text, re.M)[1]

    @property
    def page(self) -> str:
        """The text of the log page of the build that ran Tempest."""
        address = re.search(r"^build .* hyperv-tempest: \w+\nlog page (\S+)$", self.text, re.M)[1]
        with urllib.request.urlopen(address) as answer:
            return answer.read().decode()


def lab(*arguments: str | Path) -> Outcome:
    """Run `./hyperv-ci lab` with arguments, showing what it prints as well."""
    command = [CHECKOUT / "hyperv-ci", "lab", *arguments]
    with subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        lines = []
        for line in process.stdout:
            print(line, end="", flush=True)
            lines.append(line)
        return Outcome(process.wait(PATIENCE), "".join(lines))


class LabTest(unittest.TestCase):
    """A test that needs the lab up; it goes down again afterwards unless it was up before."""

    @classmethod
    def setUpClass(cls):
        if lab("status").code == 0:
            return
        brought_up = lab("up")
        cls.addClassCleanup(lab, "down")
        if brought_up.code:
            raise AssertionError(f"`lab up` ended with {brought_up.code}")

    def push(self, *arguments: str | Path) -> Outcome:
        outcome = lab("push", *arguments)
        self.assertIsNotNone(outcome.vote, f"no vote; the command ended with {outcome.code}")
        return outcome
