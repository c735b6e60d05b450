# SPDX-License-Identifier: Apache-2.0
"""A series of nova changes from a git bundle, pushed one by one, each with its vote."""

import os
import subprocess
import tempfile
from pathlib import Path

from tests.lab.command import LabTest, lab

BUNDLE = os.environ.get("HYPERV_CI_BUNDLE")


class NovaChangesTest(LabTest):
    def setUp(self):
        if not BUNDLE:
            self.skipTest("HYPERV_CI_BUNDLE names no bundle with the branches base and seen")

    def test_each_change_gets_its_vote(self):
        folder = Path(self.enterContext(tempfile.TemporaryDirectory()))
        subprocess.run(["git", "clone", "--quiet", "--branch", "seen", BUNDLE, folder / "nova"], check=True)
        git = ["git", "-C", folder / "nova"]
        commits = subprocess.check_output(
            [*git, "rev-list", "--reverse", "origin/base..seen"], text=True
        ).split()
        self.assertTrue(commits, f"{BUNDLE} has nothing on its branch seen that base has not")
        self.assertEqual(0, lab("import", BUNDLE, "--branch", "base").code)
        expected, votes = {}, {}
        parent = []
        for commit in commits:
            patch = folder / f"{commit}.patch"
            patch.write_bytes(subprocess.check_output([*git, "format-patch", "-1", "--stdout", commit]))
            files = subprocess.check_output([*git, "show", "--format=", "--name-only", commit], text=True)
            expected[commit] = 1 if any(map(runs, files.split())) else None
            outcome = lab("push", "--patch", patch, *parent)
            parent = ["--parent", outcome.change]
            votes[commit] = outcome.vote
        self.assertEqual(expected, votes)


def runs(path: str) -> bool:
    """Return whether a file of nova's is part of what runs: a document, a test or a check is not."""
    if path.startswith(("nova/tests/", "nova/hacking/")):
        return False
    return path.startswith("nova/") or path in ("requirements.txt", "setup.cfg", "setup.py", "pyproject.toml")
