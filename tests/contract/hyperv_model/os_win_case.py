# SPDX-License-Identifier: Apache-2.0
"""A test with unmodified os-win 5.9 and PyMI's own ``wmi``, in a process of their own, against the model."""

import atexit
import functools
import json
import os
import pathlib
import shutil
import subprocess
import sysconfig
import tempfile
import textwrap

from lab import windows_shims
from lab.hyperv_model.server import serve
from lab.windows_shims import pymi
from tests.contract.hyperv_model import windows_client
from tests.unit.hyperv_model.case import ModelCase

SHIMS = pathlib.Path(windows_shims.__file__).parent
ROOT = SHIMS.parents[1]
HOME = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache")
PYMI = pathlib.Path(os.environ.get("HYPERV_CI_HOME") or HOME / "hyperv-ci") / "cache" / "pymi"
ENABLED, DISABLED, REBOOT, PAUSED, SUSPENDED = 2, 3, 10, 32768, 32769  # os_win.constants.HYPERV_VM_STATE_*


class OsWinError(Exception):
    pass


class OsWin:
    """os-win in another process; ``os_win.vmutils.list_instances()`` calls it there."""

    def __init__(self, folder):
        python = folder / "c" / "Python311" / "python.exe"
        python.parent.mkdir(parents=True)
        python.write_text(f"#!{SHIMS}/launch\n")
        python.chmod(0o755)
        packages = [pymi.fetch(PYMI).parent, ROOT, sysconfig.get_path("purelib")]
        (folder / "c" / "Windows" / "Temp").mkdir(parents=True)
        environment = {
            "TEMP": r"C:\Windows\Temp",
            "WINDOWS_C": str(folder / "c"),
            "WINDOWS_HOST_RUN": str(folder / "run"),
            "WINDOWS_SHIMS": str(SHIMS),
            "PYTHONPATH": os.pathsep.join(map(str, packages)),
            "PYTHONWARNINGS": "ignore",
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        self._process = subprocess.Popen(
            [python, "-m", windows_client.__name__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environment,
            text=True,
        )

    def close(self):
        self._process.communicate()

    def ask(self, **request):
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        answer = json.loads(self._process.stdout.readline())
        if "error" in answer:
            raise OsWinError(f"{answer['error']}: {answer['message']}")
        return answer["result"]

    def wmi(self, code):
        """Run code there that has ``wmi`` and ``utilsfactory``; returns what it calls ``result``."""
        return self.ask(wmi=textwrap.dedent(code))

    def __getattr__(self, utils):
        return _Utils(self, utils)


class _Utils:
    def __init__(self, os_win, name):
        self._os_win, self._name = os_win, name

    def __getattr__(self, method):
        return lambda *arguments, **keywords: self._os_win.ask(
            utils=self._name, method=method, arguments=arguments, keywords=keywords
        )


@functools.cache
def started():
    """The folder and the os-win process that all tests of this process share: its start takes seconds."""
    folder = tempfile.TemporaryDirectory()
    atexit.register(folder.cleanup)
    pathlib.Path(folder.name, "run").mkdir()
    os_win = OsWin(pathlib.Path(folder.name))
    atexit.register(os_win.close)
    return pathlib.Path(folder.name), os_win


class OsWinCase(ModelCase):
    """A host of its own for each test: os-win, which stays, must find it again.

    Host and os-win share C:\\ (``c_drive``); what a test puts there is gone after it.
    """

    @classmethod
    def setUpClass(cls):
        folder, cls.os_win = started()
        cls.run_folder, cls.c_drive = folder / "run", folder / "c"

    def setUp(self):
        super().setUp()
        self.addCleanup(self._empty_drive, set(self.c_drive.iterdir()))
        self.server = serve(self.model, self.run_folder / "wmi.sock")
        self.addCleanup(self.server.close)
        self.vmutils = self.os_win.vmutils

    def create(self, name="vm-1", generation=1):
        self.vmutils.create_vm(
            name, False, generation, rf"C:\Instances\{name}", ["0d6b4f3e-0000-4000-8000-000000000001"]
        )
        self.vmutils.update_vm(name, 512, None, 2, None, False, 1.0, chassis_asset_tag="OpenStack Nova")
        return self.machine(name)

    def local(self, path):
        super().local(path)
        return self.c_drive / path[3:].replace("\\", "/")

    def _empty_drive(self, kept):
        for path in set(self.c_drive.iterdir()) - kept:
            shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
