# SPDX-License-Identifier: Apache-2.0
"""Each part is made once, again if its recipe changes or it was not finished, and apt-get only if needed."""

import io
import os
import subprocess
import tempfile
import unittest
from pathlib import Path
from unittest import mock

from rich.console import Console

from lab import install
from lab.errors import LabError
from lab.home import CHECKOUT, Home
from lab.phases import Timeline


class PartTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.home = Home(Path(folder.name))
        self.home.install_logs.mkdir()
        self.made = []

    def make(self, recipe, error=None):
        def maker(_home, target, recipe, _log):
            self.made.append(recipe)
            target.mkdir(exist_ok=True)
            if error:
                raise error

        timeline = Timeline(Console(file=io.StringIO()))
        install._make(self.home, timeline, "gerrit jars", self.home.root / "gerrit/jars", recipe, maker)

    def test_once(self):
        self.make("1")
        self.make("1")
        self.assertEqual(["1"], self.made)

    def test_again_from_another_recipe(self):
        self.make("1")
        self.make("2")
        self.assertEqual(["1", "2"], self.made)

    def test_again_after_a_failure(self):
        with self.assertRaises(LabError) as caught:
            self.make("1", LabError("no network"))
        self.assertEqual("gerrit jars", caught.exception.phase)
        self.make("1")
        self.assertEqual(["1", "1"], self.made)

    def test_a_full_disk(self):
        with (
            mock.patch.object(install.shutil, "disk_usage", return_value=mock.Mock(free=2**30)),
            self.assertRaisesRegex(LabError, "has 1.0 GiB free: a first installation and a run need 9 GiB"),
        ):
            install.install(self.home, mock.Mock())


class PackagesTest(unittest.TestCase):
    """install-packages.sh as an ordinary user, with a PATH of our own."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.path = Path(folder.name)
        self.program("id", "echo 1000")

    def program(self, name, text):
        (self.path / name).write_text(f"#!/bin/sh\n{text}\n")
        (self.path / name).chmod(0o755)

    def run_script(self):
        return subprocess.run(
            ["/bin/sh", CHECKOUT / "lab/install-packages.sh", "bubblewrap", "git"],
            env={"PATH": str(self.path)},
            capture_output=True,
            text=True,
        )

    def test_without_root_and_sudo(self):
        ended = self.run_script()
        self.assertEqual(1, ended.returncode)
        self.assertEqual(1, len(ended.stderr.splitlines()))
        self.assertIn(
            "missing Debian packages: bubblewrap git; you are not root and there is no sudo", ended.stderr
        )

    def test_with_sudo(self):
        self.program("sudo", 'echo "sudo $*"')
        self.assertRegex(self.run_script().stdout, r"^sudo sh \S+/install-packages.sh bubblewrap git$")

    def test_bindep_reads_the_list(self):
        lines = (CHECKOUT / "bindep.txt").read_text().splitlines()
        packages = [line for line in lines if line and not line.startswith("#")]
        self.assertEqual(sorted(packages), packages)


class EntryTest(unittest.TestCase):
    """The executable at the repository's root."""

    def test_is_executable_and_posix_sh(self):
        self.assertTrue(os.access(CHECKOUT / "hyperv-ci", os.X_OK))
        for script in ("hyperv-ci", "lab/install-packages.sh"):
            self.assertEqual(0, subprocess.run(["/bin/dash", "-n", CHECKOUT / script]).returncode, script)
