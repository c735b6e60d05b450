# SPDX-License-Identifier: Apache-2.0
"""A simulated C:\\ in a temporary directory, and its python.exe."""

import os
import subprocess
import textwrap
from pathlib import Path

import testtools
from fixtures import TempDir

SHIMS = Path(__file__).resolve().parents[3] / "lab" / "windows_shims"


class WindowsPythonTest(testtools.TestCase):
    """Gives each test a C:\\ of its own (`self.c_drive`, on Linux) with C:\\Python311\\python.exe."""

    def setUp(self):
        super().setUp()
        self.c_drive = Path(self.useFixture(TempDir()).path, "c")
        self.add_stand_in("Python311/python.exe", "launch")
        (self.c_drive / "Windows" / "Temp").mkdir(parents=True)
        self.run_folder = self.c_drive.parent / "run"
        self.run_folder.mkdir()
        self.environment = {
            "WINDOWS_C": str(self.c_drive),
            "WINDOWS_HOST_RUN": str(self.run_folder),
            "WINDOWS_SHIMS": str(SHIMS),
            "Path": r"C:\Windows\system32;C:\Windows",
            "TEMP": r"C:\Windows\Temp",
            "USERPROFILE": r"C:\Users\Administrator",
            "PYTHONDONTWRITEBYTECODE": "1",
        }

    def add_stand_in(self, name: str, interpreter: str) -> Path:
        path = self.c_drive / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"#!{SHIMS}/{interpreter}\n")
        path.chmod(0o755)
        return path

    def run_program(self, program, *arguments, **named) -> subprocess.CompletedProcess:
        environment = {**self.environment, **named.pop("environment", {})}
        return subprocess.run(
            [self.c_drive / program, *arguments],
            env=environment,
            capture_output=True,
            text=True,
            timeout=120,
            **named,
        )

    def python(self, code: str, *arguments, program="Python311/python.exe", **named) -> str:
        """Run `code` in python.exe and return what it printed; anything on stderr fails the test."""
        done = self.run_program(program, "-c", textwrap.dedent(code), *arguments, **named)
        self.assertEqual((0, ""), (done.returncode, done.stderr))
        return done.stdout.rstrip("\n")

    def on_linux(self, windows_path: str) -> Path:
        return Path(os.path.join(self.c_drive, *windows_path[3:].split("\\")))
