# SPDX-License-Identifier: Apache-2.0
"""compute-hyperv 16.0.0, unmodified, with nova 28 and what else there was at its time."""

import os
import pathlib
import subprocess
import sys

from lab.windows_shims import pymi
from tests.contract.driver import on_hyperv

# What its code needs of other packages, some of which have since removed it, was there at this date.
AT_ITS_TIME = "2024-12-01"
REQUIREMENTS = ("compute-hyperv==16.0.0", "nova==28.3.0", "os-win==5.9.0", "setuptools<82")


def packages():
    """Install compute-hyperv, unless it is there already.

    :returns: the folder of its packages, for PYTHONPATH
    :raises RuntimeError: it could not be installed
    """
    folder = on_hyperv.PYMI.parent / "compute-hyperv-16.0.0"
    if not folder.is_dir():
        folder.parent.mkdir(parents=True, exist_ok=True)
        unfinished = folder.with_name(f"{folder.name}.{os.getpid()}")
        uv = pathlib.Path(sys.executable).with_name("uv")
        command = [uv, "pip", "install", "--quiet", "--python", sys.executable, "--target", unfinished]
        done = subprocess.run(
            [*command, "--exclude-newer", AT_ITS_TIME, *REQUIREMENTS], capture_output=True, text=True
        )
        if done.returncode:
            raise RuntimeError(f"cannot install compute-hyperv: {done.stderr.strip()}")
        unfinished.rename(folder)
    return folder


class OnComputeHyperVTest(on_hyperv.OnHyperVTest):
    """An OnHyperVTest whose self.nova() runs code with compute-hyperv's driver."""

    program = "tests.contract.driver.compute_hyperv_process"

    @classmethod
    def packages(cls):
        return [pymi.fetch(on_hyperv.PYMI).parent, on_hyperv.ROOT, packages()]
