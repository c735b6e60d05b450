# SPDX-License-Identifier: Apache-2.0
"""Runs the driver as nova-compute does: in the lab's python.exe, on os-win and PyMI, both unmodified.

The Hyper-V below them is the model. One process (``driver_process``) serves all tests of a class.
"""

import json
import os
import pathlib
import subprocess
import sysconfig
import tempfile
import textwrap
import time

import testtools

from lab.hyperv_model import Model
from lab.hyperv_model.server import serve
from lab.windows_shims import PYTHON_EXE, SHIMS, pymi
from tests.unit.driver.base import image_file

ROOT = pathlib.Path(__file__).parents[3]
WINDOWS_SHIMS = ROOT / "lab" / "windows_shims"
CACHE = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache")
PYMI = pathlib.Path(os.environ.get("HYPERV_CI_HOME") or CACHE / "hyperv-ci") / "cache" / "pymi"


class HyperVHostTest(testtools.TestCase):
    """self.model is the host; self.python() starts its python.exe, which has this environment's packages.

    :cvar guesses: the guesses of the simulated host that the tests may come to; no vote should
    :cvar job_seconds: how long Hyper-V's jobs take; 0: everything is answered at once, as it may be
    """

    facts = None
    guesses = ()
    job_seconds = 0.05

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.c_drive, cls.run_folder = pathlib.Path(folder.name, "c"), pathlib.Path(folder.name, "run")
        for directory in (cls.run_folder, cls.c_drive / "Python311", cls.c_drive / "Windows" / "Temp"):
            directory.mkdir(parents=True)
        cls.model = Model(
            "HV1",
            lambda path: cls.c_drive.joinpath(*path.split("\\")[1:]),
            cls.run_folder,
            cls.facts,
            cls.job_seconds,
        )
        cls.addClassCleanup(cls.model.close)
        cls._serve()
        cls.addClassCleanup(lambda: cls.wmi.close())
        python = cls.c_drive / "Python311" / "python.exe"
        python.write_text(PYTHON_EXE.replace(SHIMS, str(WINDOWS_SHIMS)))
        python.chmod(0o755)

    @classmethod
    def _serve(cls):
        cls.wmi = serve(cls.model, cls.run_folder / "wmi.sock")

    @classmethod
    def restart_wmi(cls, seconds):
        """Have no WMI for so long, and lose every connection to it."""
        cls.wmi.close()
        time.sleep(seconds)
        cls._serve()

    def tearDown(self):
        super().tearDown()
        self.assertLessEqual(self.model.guesses.met, set(self.guesses))

    @classmethod
    def packages(cls):
        """The folders that python.exe imports from, beside its standard library."""
        return [pymi.fetch(PYMI).parent, ROOT, sysconfig.get_path("purelib")]

    @classmethod
    def python(cls, *arguments, **options):
        """Start python.exe; all its streams are text, standard input and output are pipes."""
        environment = {
            "WINDOWS_C": str(cls.c_drive),
            "WINDOWS_HOST_RUN": str(cls.run_folder),
            "WINDOWS_SHIMS": str(WINDOWS_SHIMS),
            "TEMP": r"C:\Windows\Temp",
            "PYTHONPATH": os.pathsep.join(map(str, cls.packages())),
        }
        return subprocess.Popen(
            [cls.c_drive / "Python311" / "python.exe", *arguments],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment, **options,
        )  # fmt: skip


class OnHyperVTest(HyperVHostTest):
    """self.nova(code) runs code with a driver on the host and returns what it put into `said`."""

    program = "tests.contract.driver.driver_process"

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.glance = cls.c_drive / "glance"
        cls.glance.mkdir()
        cls.prepare()
        cls.errors = cls.enterClassContext(tempfile.TemporaryFile("w+"))
        cls._start_process()
        cls.addClassCleanup(cls._end_process)

    @classmethod
    def restart(cls):
        """Have the driver in another process, on the same host."""
        cls._end_process()
        cls._start_process()

    @classmethod
    def _start_process(cls):
        cls.process = cls.python("-m", cls.program, stderr=cls.errors)
        cls._answer()

    @classmethod
    def prepare(cls):
        """Put files on C: before the process starts."""

    @classmethod
    def _end_process(cls):
        cls.process.communicate("end\n")

    @classmethod
    def _answer(cls):
        line = cls.process.stdout.readline()
        if not line:
            cls.errors.seek(0)
            raise RuntimeError(cls.errors.read()[-5000:])
        return line

    def add_image(self, disk_format, name="11111111"):
        """Put an image into Glance; return its id."""
        image_id = f"{name}-0000-4000-8000-{len(disk_format):012}"
        (self.glance / image_id).write_bytes(image_file(disk_format))
        return image_id

    def nova(self, code):
        self.process.stdin.write(json.dumps(textwrap.dedent(code)) + "\n")
        self.process.stdin.flush()
        return json.loads(self._answer())
