# SPDX-License-Identifier: Apache-2.0
"""Wrong changes of other kinds than the one that every run of the tests pushes."""

import subprocess
import tempfile
from pathlib import Path

from tests.lab.command import CHANGES, CHECKOUT, LabTest

# File of hyperv_driver/, what stands there, and what stands there instead.
NO_DISK = "vmops.py", "driveops.drives(spec.generation, disks, spec.iops_limit)", "[], []"
DISKS_LEFT = (
    "vmops.py",
    "self._diskops.remove_folder(instance)",
    "instance.task_state == task_states.DELETING or self._diskops.remove_folder(instance)",
)


class WrongChangesTest(LabTest):
    def test_change_that_does_not_install(self):
        outcome = self.push("--patch", CHANGES / "does-not-install.patch")
        self.assertEqual(-1, outcome.vote)
        self.assertIn("oslo-config&gt;=9999.0.0", outcome.page)

    def test_driver_that_attaches_no_disk(self):
        """Hyper-V starts such a machine and nova is content: the host itself has to be asked."""
        outcome = self.push_driver(*NO_DISK)
        self.assertEqual(-1, outcome.vote)
        self.assertIn("the host has no disk", outcome.page)

    def test_driver_that_leaves_disks_behind(self):
        """Every test passes, and the host fills up."""
        outcome = self.push_driver(*DISKS_LEFT)
        self.assertEqual(-1, outcome.vote)
        self.assertRegex(outcome.page, r"left on the host: C:\\OpenStack\\instances\\instance-")

    def push_driver(self, file: str, former: str, new: str):
        """Push a change to the driver as it is, with something else in one place."""
        folder = Path(self.enterContext(tempfile.TemporaryDirectory()))
        subprocess.run(["git", "clone", "--quiet", "--shared", CHECKOUT, folder / "tree"], check=True)
        path = folder / "tree/hyperv_driver" / file
        before, after = path.read_text().split(former)
        path.write_text(before + new + after)
        diff = subprocess.check_output(["git", "-C", folder / "tree", "diff"], text=True)
        (folder / "driver.patch").write_text(diff)
        return self.push("--project", "hyperv-ci", "--patch", folder / "driver.patch")
