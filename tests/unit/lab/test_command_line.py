# SPDX-License-Identifier: Apache-2.0
"""The command line: a user's mistake is one line on standard error, no traceback, and a non-zero exit."""

import fcntl
import os
import subprocess
import sys
import tempfile
import unittest

from lab.home import CHECKOUT


class CommandLineTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.home = folder.name

    def run_command(self, *arguments, **environment):
        return subprocess.run(
            [sys.executable, "-m", "lab", *arguments],
            cwd=CHECKOUT,
            env=os.environ | {"HYPERV_CI_HOME": self.home} | environment,
            capture_output=True,
            text=True,
        )

    def test_mistakes(self):
        mistakes = [
            (("lab", "push"), 1, f"the lab in {self.home} is not up: bring it up with `./hyperv-ci lab up`"),
            (("lab", "recheck", "3"), 1, "is not up"),
            (("lab", "import", "x"), 1, "is not up"),
            (("lab", "push-series", "x"), 1, "is not up"),
            (("lab", "publish"), 1, "is not up"),
            (("lab", "log", "gerit"), 1, "gerit has no log in"),
            (("lab", "recheck", "three"), 2, "'three' is not a valid integer"),
            (("lab", "psuh"), 2, "No such command 'psuh'"),
            (("lab", "push", "--path", "x"), 2, "No such option"),
        ]
        for arguments, code, words in mistakes:
            with self.subTest(arguments):
                ended = self.run_command(*arguments)
                self.assertEqual(code, ended.returncode)
                self.assertRegex(ended.stderr, r"\Ahyperv-ci: .*\n\Z")
                self.assertIn(words, ended.stderr)

    def test_a_home_that_cannot_be(self):
        ended = self.run_command("lab", "up", HYPERV_CI_HOME="relative")
        self.assertEqual(
            (1, "hyperv-ci: HYPERV_CI_HOME is relative: expected an absolute path\n"),
            (ended.returncode, ended.stderr),
        )

    def test_status_of_a_lab_that_is_down(self):
        ended = self.run_command("lab", "status")
        self.assertEqual(1, ended.returncode)
        self.assertIn("is not up", ended.stdout)

    def test_down_of_a_lab_that_is_down(self):
        ended = self.run_command("lab", "down")
        self.assertEqual(0, ended.returncode, ended.stderr)
        self.assertIn("was not up", ended.stdout)

    def test_down_twice_at_once(self):
        # The other one is this test.
        with open(f"{self.home}/lock", "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            ended = self.run_command("lab", "down")
        self.assertEqual(1, ended.returncode)
        self.assertIn("busy", ended.stderr)
