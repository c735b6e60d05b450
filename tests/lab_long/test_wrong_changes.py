# SPDX-License-Identifier: Apache-2.0
"""Wrong changes of other kinds than the one that every run of the tests pushes."""

import subprocess
import tempfile
from pathlib import Path

from tests.lab.command import CHANGES, CHECKOUT, LabTest

# The call that attaches the root disk of a generation 1 machine, as Tempest's are, in hyperv_driver/vmops.py.
ATTACH = "attach_ide_drive(name, root_disk"


class WrongChangesTest(LabTest):
    def test_change_that_does_not_install(self):
        outcome = self.push("--patch", CHANGES / "does-not-install.patch")
        self.assertEqual(-1, outcome.vote)
        self.assertIn("oslo-config&gt;=9999.0.0", outcome.page)

    def test_driver_that_attaches_no_disk(self):
        """Hyper-V starts such a machine and nova is content: the host itself has to be asked."""
        patch = Path(self.enterContext(tempfile.TemporaryDirectory())) / "no-disk.patch"
        patch.write_text(no_disk())
        outcome = self.push("--project", "hyperv-ci", "--patch", patch)
        self.assertEqual(-1, outcome.vote)
        self.assertIn("the host has no disk", outcome.page)


def no_disk() -> str:
    """Return a change to the driver, as it is, that leaves the disks out of spawn."""
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(["git", "clone", "--quiet", "--shared", CHECKOUT, folder], check=True)
        path = Path(folder, "hyperv_driver", "vmops.py")
        lines = path.read_text().splitlines(keepends=True)
        (number,) = (number for number, line in enumerate(lines) if ATTACH in line)
        indentation = lines[number][: -len(lines[number].lstrip())]
        lines[number] = f"{indentation}pass\n"
        path.write_text("".join(lines))
        return subprocess.check_output(["git", "-C", folder, "diff"], text=True)
