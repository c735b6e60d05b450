# SPDX-License-Identifier: Apache-2.0
"""Programs that fail say so in one line, and end when the lab is interrupted."""

import signal
import subprocess
import sys
import tempfile
import time
import unittest
from pathlib import Path

from lab.commands import run
from lab.errors import LabError
from lab.home import CHECKOUT

INTERRUPTED = """
from lab.commands import run
print("started", flush=True)
run(["sh", "-c", "echo $$ > {pid}; sleep 60; true"])
"""


class RunTest(unittest.TestCase):
    def test_returns_what_is_printed(self):
        self.assertEqual("in\n", run(["cat"], stdin="in\n"))

    def test_a_failure_names_the_program_and_its_last_words(self):
        with self.assertRaisesRegex(LabError, "sh ended with 3: two"):
            run(["sh", "-c", "echo one; echo two >&2; exit 3"])

    def test_a_failure_with_a_log_leads_to_it(self):
        with tempfile.TemporaryDirectory() as folder:
            log = Path(folder, "log")
            with self.assertRaisesRegex(LabError, "ended with 1: last") as caught:
                run(["sh", "-c", "echo first; echo last; exit 1"], log=log)
            self.assertEqual(log, caught.exception.log)
            self.assertEqual("first\nlast\n", log.read_text())

    def test_of_git_s_words_the_telling_ones(self):
        with self.assertRaisesRegex(LabError, "git clone ended with 128: fatal: repository"):
            run(["git", "clone", "/nowhere", "/nowhere-either"])

    def test_a_missing_program(self):
        with self.assertRaisesRegex(LabError, "no-such-program is missing"):
            run(["no-such-program"])

    def test_an_interruption_ends_the_program_with_its_children(self):
        with tempfile.TemporaryDirectory() as folder:
            pid = Path(folder, "pid")
            # Whoever runs the tests in the background has them ignore the signal.
            command = ["env", "--default-signal=INT", sys.executable, "-c", INTERRUPTED.format(pid=pid)]
            process = subprocess.Popen(command, cwd=CHECKOUT, stderr=subprocess.DEVNULL)
            deadline = time.monotonic() + 10
            while not pid.exists() or not pid.read_text():
                self.assertLess(time.monotonic(), deadline)
                time.sleep(0.02)
            process.send_signal(signal.SIGINT)
            process.wait(10)
            # Killed with its group; who inherits it may take a moment to wait for it.
            deadline = time.monotonic() + 10
            while Path("/proc", pid.read_text().strip()).exists():
                self.assertLess(time.monotonic(), deadline, "the child goes on")
                time.sleep(0.02)
