# SPDX-License-Identifier: Apache-2.0
"""Wrong changes of other kinds than the one that every run of the tests pushes."""

import subprocess
import tempfile
from pathlib import Path

from tests.lab.command import CHANGES, CHECKOUT, LabTest

# Lines of hyperv_driver/: one attaches the root disk, one removes what a machine had on disk.
ATTACH = "driveops.py", "self.attach_root(name, generation, disks.root)"
REMOVE = "vmops.py", "self._diskops.remove_folder(instance)"


class WrongChangesTest(LabTest):
    def test_change_that_does_not_install(self):
        outcome = self.push("--patch", CHANGES / "does-not-install.patch")
        self.assertEqual(-1, outcome.vote)
        self.assertIn("oslo-config&gt;=9999.0.0", outcome.page)

    def test_driver_that_attaches_no_disk(self):
        """Hyper-V starts such a machine and nova is content: the host itself has to be asked."""
        outcome = self.push_driver_without(*ATTACH)
        self.assertEqual(-1, outcome.vote)
        self.assertIn("the host has no disk", outcome.page)

    def test_driver_that_leaves_disks_behind(self):
        """Every test passes, and the host fills up."""
        outcome = self.push_driver_without(*REMOVE)
        self.assertEqual(-1, outcome.vote)
        self.assertRegex(outcome.page, r"left on the host: C:\\OpenStack\\instances\\instance-")

    def push_driver_without(self, file: str, words: str):
        """Push a change to the driver, as it is, that takes a line out of it."""
        folder = Path(self.enterContext(tempfile.TemporaryDirectory()))
        subprocess.run(["git", "clone", "--quiet", "--shared", CHECKOUT, folder / "tree"], check=True)
        path = folder / "tree/hyperv_driver" / file
        lines = path.read_text().splitlines(keepends=True)
        (number,) = (number for number, line in enumerate(lines) if words in line)
        indentation = lines[number][: -len(lines[number].lstrip())]
        lines[number] = f"{indentation}pass\n"
        path.write_text("".join(lines))
        diff = subprocess.check_output(["git", "-C", folder / "tree", "diff"], text=True)
        (folder / "driver.patch").write_text(diff)
        return self.push("--project", "hyperv-ci", "--patch", folder / "driver.patch")
