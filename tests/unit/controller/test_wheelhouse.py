# SPDX-License-Identifier: Apache-2.0
"""What a wheelhouse collects. The index and pip are replaced: tests/contract asks real ones."""

import argparse
import tempfile
import unittest
from pathlib import Path
from unittest import mock

from tests.unit.controller.role_files import load

wheelhouse = load("wheelhouse", "wheelhouse.py")

BASE = """\
os-traits==3.8.0
oslo-service[threading]==4.8.0
setuptools==81.0.0
"""


class WheelhouseTest(unittest.TestCase):
    def setUp(self):
        self.folder = Path(self.enterContext(tempfile.TemporaryDirectory()))
        self.commands = []
        self.resolved = BASE
        self.enterContext(mock.patch.object(wheelhouse, "run", self.run_command))

    def run_command(self, command):
        """Stand in for uv and pip: note the command, and write what uv would."""
        self.commands.append(command)
        if command[0] == "uv":
            lock = Path(command[command.index("--output-file") + 1])
            self.preferred = lock.read_text()
            lock.write_text(self.resolved)

    def file(self, name, text):
        path = self.folder / name
        path.write_text(text)
        return path

    def collect(self, requirements, base=BASE, constraints="", platform="linux_x86_64"):
        """Collect; return what it says and the resulting requirements.txt."""
        arguments = argparse.Namespace(
            requirements=[self.file("requirements.in", requirements)],
            base=self.file("base.txt", base) if base else None,
            constraint=[self.file("constraints.txt", constraints)],
            platform=platform,
            output=self.folder / "out",
        )
        said = wheelhouse.collect(arguments)
        return said, (self.folder / "out" / "requirements.txt").read_text()

    def test_a_base_that_meets_everything_asks_nobody(self):
        said, collected = self.collect("os-traits>=3.6.0 # Apache-2.0\noslo.service[threading]>=4.5.0\n")
        self.assertEqual(["the base meets all 2 requirements"], said)
        self.assertEqual(("", []), (collected, self.commands))

    def test_a_raised_requirement_is_collected_and_nothing_else(self):
        self.resolved = BASE.replace("3.8.0", "3.9.0")
        said, collected = self.collect("os-traits>=3.9.0\n")
        self.assertEqual(["the base does not meet os-traits>=3.9.0", "collected os-traits==3.9.0"], said)
        self.assertEqual("os-traits==3.9.0\n", collected)
        self.assertIn("os-traits==3.9.0", self.commands[1])

    def test_the_resolver_prefers_the_base(self):
        self.collect("os-traits>=3.9.0\n")
        self.assertIn("setuptools==81.0.0\n", self.preferred)

    def test_a_new_requirement_is_unmet(self):
        said, _ = self.collect("brand-new\n")
        self.assertIn("the base does not meet brand-new", said)

    def test_a_new_extra_is_unmet(self):
        said, _ = self.collect("oslo.service[threading,eventlet]\n")
        self.assertEqual(1, len([line for line in said if "does not meet" in line]))

    def test_a_constraint_holds_for_the_base(self):
        said, _ = self.collect("os-traits\n", constraints="# why\nsetuptools<81\nnot-in-base==1\n")
        self.assertEqual(["the base does not meet setuptools<81"], said[:1])

    def test_markers_are_the_platform_s(self):
        requirements = "PyMI>=1.0.8;sys_platform=='win32'\n"
        self.assertEqual(["the base meets all 0 requirements"], self.collect(requirements)[0])
        said, _ = self.collect(requirements, platform="win_amd64")
        self.assertIn("the base does not meet PyMI", said[0])
        self.assertIn("x86_64-pc-windows-msvc", self.commands[0])
        self.assertIn("win_amd64", self.commands[1])

    def test_without_a_base_everything_is_collected(self):
        _, collected = self.collect("os-traits\n", base=None)
        self.assertEqual(3, len(collected.splitlines()))

    def test_a_base_that_pins_nothing_is_refused(self):
        with self.assertRaisesRegex(wheelhouse.WheelhouseError, "expected name==version"):
            self.collect("os-traits\n", base="os-traits>=3\n")


class IndexTest(unittest.TestCase):
    """Whether it is the index that failed, or what was asked of it: uv's and pip's answers are replaced."""

    def end(self, index, asked):
        """Return the exit code and the words of a collection whose uv ends so."""
        folder = Path(self.enterContext(tempfile.TemporaryDirectory()))
        (folder / "requirements.txt").write_text("brand-new\n")
        said = []

        def run(command, **options):
            code = index if command[-1] == "-" else asked
            return mock.Mock(returncode=code, stderr="connection refused\n" if code else "", stdout="")

        arguments = ["wheelhouse.py", "--platform", "linux_x86_64", "--output", str(folder / "out")]
        with (
            mock.patch.object(wheelhouse.subprocess, "run", run),
            mock.patch.object(wheelhouse.sys, "argv", [*arguments, str(folder / "requirements.txt")]),
            mock.patch.object(wheelhouse.sys, "stderr", mock.Mock(write=said.append)),
            self.assertRaises(SystemExit) as raised,
        ):
            wheelhouse.main()
        return raised.exception.code, "".join(said)

    def test_an_index_that_is_down(self):
        code, words = self.end(index=2, asked=2)
        self.assertEqual(75, code)
        expected = "wheelhouse: the index does not answer: uv ended with 2: connection refused\n"
        self.assertEqual(expected, words)

    def test_an_index_that_lacks_what_was_asked(self):
        code, _ = self.end(index=0, asked=1)
        self.assertEqual("wheelhouse: uv ended with 1: connection refused", code)
