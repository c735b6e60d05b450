# SPDX-License-Identifier: Apache-2.0
"""Runs unmodified os-win in the lab's python.exe."""

import sysconfig
import textwrap

from tests.unit.windows_shims import windows_python

ROOT = windows_python.SHIMS.parents[1]

# os-win imports PyMI's wmi; nothing here asks it anything (tests/contract/hyperv_model does).
WMI = """
import threading
class x_wmi(Exception): pass
class x_wmi_timed_out(x_wmi): pass
class WMI:
    def __init__(self, *args, **kwargs): pass
"""

PRELUDE = """
import os, warnings
warnings.simplefilter("ignore")
from hyperv_driver.without_eventlet import without_eventlet
with without_eventlet():
    import os_win
    from os_win import constants, exceptions
    from os_win.utils import pathutils, processutils
    from os_win.utils.io import namedpipe
    from os_win.utils.storage import diskutils
    from os_win.utils.storage.virtdisk import vhdutils
"""


class OsWinTest(windows_python.WindowsPythonTest):
    """A test whose `os_win(code)` runs code with os-win, in a venv that sees this environment's packages."""

    def setUp(self):
        super().setUp()
        done = self.run_program("Python311/python.exe", "-m", "venv", "--without-pip", r"C:\venv")
        self.assertEqual((0, ""), (done.returncode, done.stderr))
        packages = self.c_drive / "venv" / "Lib" / "site-packages"
        (packages / "wmi.py").write_text(WMI)
        (packages / "base.pth").write_text(f"{ROOT}\n{sysconfig.get_path('purelib')}\n")

    def os_win(self, code, **named):
        return self.python(PRELUDE + textwrap.dedent(code), program="venv/Scripts/python.exe", **named)
