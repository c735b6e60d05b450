# SPDX-License-Identifier: Apache-2.0
"""Ctrl-C in the middle, and `down` while a build runs: one line, nothing left running, nothing lost."""

import signal
import subprocess
import unittest

from lab import lifecycle
from lab.home import Home
from tests.lab.command import CHECKOUT, lab


class InterruptionTest(unittest.TestCase):
    def setUp(self):
        self.home = Home.from_environment()
        if lab("status").code == 0:
            self.skipTest("the lab is up, and belongs to whoever brought it up: this test takes it down")
        self.addCleanup(lab, "down")

    def run_until(self, words, *arguments):
        """Start a command, return it once it has printed a line with these words."""
        process = subprocess.Popen(
            # Whoever runs the tests in the background has them ignore the signal.
            ["env", "--default-signal=INT", CHECKOUT / "hyperv-ci", "lab", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.stderr.close)
        for line in process.stdout:
            print(line, end="", flush=True)
            if words in line:
                return process
        self.fail(
            f"{arguments} ended with {process.wait()} before it printed {words!r}: {process.stderr.read()}"
        )

    def assertNothingIsLeft(self):
        self.assertEqual([], [daemon.name for daemon in lifecycle.daemons(self.home) if daemon.process])
        self.assertFalse(self.home.nodes.exists())
        self.assertFalse(self.home.keys.exists())
        lifecycle.check_ports()
        self.assertNotIn(str(self.home.state), subprocess.check_output(["mount"], text=True))

    def test_while_it_comes_up(self):
        process = self.run_until("MariaDB answers", "up")
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)
        self.assertEqual((130, "hyperv-ci: interrupted"), (process.returncode, errors.strip()))
        self.assertNothingIsLeft()

    def test_while_a_build_runs_and_again_with_down(self):
        process = self.run_until("Nodepool has made both nodes")
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)
        self.assertEqual((130, "hyperv-ci: interrupted"), (process.returncode, errors.strip()))
        self.assertNothingIsLeft()

        self.assertEqual(0, lab("up").code)
        process = self.run_until("Nodepool has made both nodes", "recheck")
        down = lab("down")
        self.assertEqual(1, down.code)
        self.assertRegex(
            down.text, r"hyperv-ci: cut off without a vote: hyperv-tempest of change \d+,1; `lab up`, then"
        )
        self.assertNothingIsLeft()
        _, errors = process.communicate(timeout=60)
        self.assertEqual(1, process.returncode)
        self.assertRegex(errors, r"\Ahyperv-ci: the lab went down before change \d+,1 got its vote: .*\n\Z")
