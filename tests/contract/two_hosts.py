# SPDX-License-Identifier: Apache-2.0
"""Two simulated Hyper-V hosts that reach each other, each a process of its own, and clients on either."""

import json
import os
import pathlib
import subprocess
import sys
import sysconfig
import tempfile
import textwrap

import testtools

from lab.windows_shims import PYTHON_EXE, SHIMS, pymi

ROOT = pathlib.Path(__file__).parents[2]
WINDOWS_SHIMS = ROOT / "lab" / "windows_shims"
CACHE = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache")
PYMI = pathlib.Path(os.environ.get("HYPERV_CI_HOME") or CACHE / "hyperv-ci") / "cache" / "pymi"


class Program:
    """A process that takes code, a JSON string a line, and answers with JSON."""

    def __init__(self, arguments, **options):
        self._errors = tempfile.TemporaryFile("w+")
        self.process = subprocess.Popen(
            arguments, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._errors,
            text=True, **options,
        )  # fmt: skip
        self._answer()

    def run(self, code):
        """Run the code; return what it left in `said`."""
        self.begin(code)
        return self.end()

    def begin(self, code):
        self.process.stdin.write(json.dumps(textwrap.dedent(code)) + "\n")
        self.process.stdin.flush()

    def end(self):
        return json.loads(self._answer())

    def close(self):
        if self.process.poll() is None:
            self.process.stdin.close()
            self.process.wait()
        self.process.stdout.close()
        self._errors.close()

    def kill(self):
        self.process.kill()
        self.process.wait()

    def _answer(self):
        line = self.process.stdout.readline()
        if not line:
            self._errors.seek(0)
            raise RuntimeError(self._errors.read()[-5000:])
        return line


class Host(Program):
    """A simulated host.

    :param folder: what the hosts of a test share
    """

    def __init__(self, folder, name, address, **facts):
        self.name, self.address = name, address
        self.c_drive = folder / "network" / "hosts" / name
        self._folder = folder
        command = [sys.executable, "-m", "tests.contract.host_process", folder, name, address]
        super().__init__([*command, json.dumps(facts)])

    def python(self, module, **more):
        """A Program in python.exe of this host, with this environment's packages and `more` in its own."""
        python = self.c_drive / "Python311" / "python.exe"
        if not python.exists():
            (self.c_drive / "Windows" / "Temp").mkdir(parents=True)
            python.parent.mkdir()
            python.write_text(PYTHON_EXE.replace(SHIMS, str(WINDOWS_SHIMS)))
            python.chmod(0o755)
        packages = [pymi.fetch(PYMI).parent, ROOT, sysconfig.get_path("purelib")]
        environment = {
            "WINDOWS_C": str(self.c_drive),
            "WINDOWS_NETWORK": str(self.c_drive.parent),
            "WINDOWS_HOST_RUN": str(self._folder / f"run-{self.name}"),
            "WINDOWS_SHIMS": str(WINDOWS_SHIMS),
            "TEMP": r"C:\Windows\Temp",
            "COMPUTERNAME": self.name,
            "HOST_ADDRESS": self.address,
            "PYTHONPATH": os.pathsep.join(map(str, packages)),
            "PYTHONWARNINGS": "ignore",
            "PYTHONDONTWRITEBYTECODE": "1",
            **more,
        }
        return Program([python, "-m", module], env=environment)


class TwoHostsTest(testtools.TestCase):
    """self.hosts is HV1 and HV2, new for every test; self.programs runs `program` on each, or on the first.

    :cvar facts: of each host
    :cvar driven: how many hosts run `program`; None: all
    """

    facts = ({}, {})
    driven = None
    program = "tests.contract.hyperv_model.os_win_process"
    environment = {}

    def setUp(self):
        super().setUp()
        folder = tempfile.TemporaryDirectory(prefix="hosts-")
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.prepare()
        self.hosts = [self.start(number, facts) for number, facts in enumerate(self.facts, 1)]
        self.programs = [host.python(self.program, **self.environment) for host in self.hosts[: self.driven]]
        for program in self.programs:
            self.addCleanup(program.close)

    def prepare(self):
        """Start what the hosts need."""

    def start(self, number, facts):
        host = Host(self.folder, f"HV{number}", f"127.40.0.{number}", **facts)
        self.addCleanup(host.close)
        return host
