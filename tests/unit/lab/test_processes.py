# SPDX-License-Identifier: Apache-2.0
"""Daemons are found again by their pid files, and end with everything that they started."""

import os
import signal
import subprocess
import sys
import tempfile
import time
import unittest
from pathlib import Path
from unittest import mock

from lab.errors import LabError
from lab.home import Home
from lab.services import processes
from lab.services.daemon import Daemon, last_words

# Starts a child in a session of its own whose parent ends at once, as ssh-agent does; says the child's pid.
LEAVES_AN_ORPHAN = """
import os, sys, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        print(os.getpid(), flush=True)
        time.sleep(60)
    os._exit(0)
os.wait()
time.sleep(60)
"""
IGNORES_SIGTERM = (
    "import signal, time; signal.signal(15, signal.SIG_IGN); print('deaf', flush=True); time.sleep(60)"
)


class DaemonTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.home = Home(Path(folder.name))
        for path in (self.home.pids, self.home.logs):
            path.mkdir(parents=True)

    def start(self, code, grace=5.0):
        daemon = Daemon(self.home, "one", grace)
        daemon.start([sys.executable, "-c", code])
        self.addCleanup(daemon.stop)
        return daemon

    def printed(self, daemon):
        deadline = time.monotonic() + 10
        while not (text := daemon.log.read_text()):
            self.assertLess(time.monotonic(), deadline, "the daemon printed nothing")
            time.sleep(0.02)
        return text

    def test_is_found_by_its_pid_file_and_leads_a_session(self):
        process = self.start("import time; time.sleep(60)").process
        self.assertEqual(process.pid, os.getsid(process.pid))

    def test_stop_ends_an_orphan_in_another_session(self):
        daemon = self.start(LEAVES_AN_ORPHAN)
        orphan = int(self.printed(daemon))
        daemon.stop()
        self.assertIsNone(daemon.process)
        self.assertFalse(Path(f"/proc/{orphan}").exists() and "Z" not in state(orphan))

    def test_an_orphan_that_ends_is_waited_for(self):
        daemon = self.start(LEAVES_AN_ORPHAN)
        orphan = Path("/proc", self.printed(daemon).strip())
        os.kill(int(orphan.name), signal.SIGTERM)
        deadline = time.monotonic() + 10
        while orphan.exists():
            self.assertLess(time.monotonic(), deadline, "it is a zombie")
            time.sleep(0.02)
        self.assertIsNotNone(daemon.process)

    def test_ends_when_its_server_is_killed(self):
        daemon = self.start("import os; print(os.getpid(), flush=True); import time; time.sleep(60)")
        os.kill(int(self.printed(daemon)), signal.SIGKILL)
        deadline = time.monotonic() + 10
        while daemon.process:
            self.assertLess(time.monotonic(), deadline, "it outlives its server")
            time.sleep(0.02)

    def test_a_signal_is_handed_on(self):
        code = "import signal, sys, time; signal.signal(15, lambda *_: sys.exit('asked to end'))\n"
        daemon = self.start(code + "print('ready', flush=True); time.sleep(60)")
        self.printed(daemon)
        daemon.stop()
        self.assertIn("asked to end", daemon.log.read_text())

    def test_stop_kills_what_ignores_sigterm(self):
        daemon = self.start(IGNORES_SIGTERM, grace=0.1)
        self.printed(daemon)
        process = daemon.process
        with mock.patch.object(processes, "STRAGGLERS", 0.2):
            daemon.stop()
        self.assertFalse(process.alive())

    def test_stop_of_one_that_does_not_run(self):
        Daemon(self.home, "never").stop()

    def test_start_of_one_that_runs(self):
        daemon = self.start("import time; time.sleep(60)")
        with self.assertRaisesRegex(LabError, r"one runs already, with pid \d+: expected it to be down"):
            daemon.start(["true"])

    def test_wait_for_one_that_ends_says_its_last_words(self):
        daemon = self.start("raise SystemExit('no such database')")
        with self.assertRaisesRegex(LabError, "one ended before it answered: no such database") as caught:
            daemon.wait(lambda: False, 10)
        self.assertEqual(daemon.log, caught.exception.log)

    def test_wait_for_one_that_never_answers(self):
        daemon = self.start("import time; time.sleep(60)")
        with self.assertRaisesRegex(LabError, "one does not answer after 0 s"):
            daemon.wait(lambda: False, 0)

    def test_gets_no_more_of_the_environment_than_it_needs(self):
        os.environ["A_SECRET_OF_THE_CALLER"] = "x"
        self.addCleanup(os.environ.pop, "A_SECRET_OF_THE_CALLER")
        daemon = self.start("import os; print(sorted(os.environ))")
        self.assertNotIn("A_SECRET_OF_THE_CALLER", self.printed(daemon))

    def test_last_words(self):
        log = self.home.logs / "x.log"
        self.assertIn("does not exist", last_words(log))
        log.write_text("one\ntwo\n\x1b[0m\x1b[0m\n")
        self.assertEqual("two", last_words(log))
        log.write_text("one\nE: Unable to locate package\nE: broken\nhint: x\n")
        self.assertEqual("E: Unable to locate package", last_words(log))
        log.write_text("")
        self.assertEqual("no output", last_words(log))


class ProcessTest(unittest.TestCase):
    def test_a_pid_that_was_used_again_is_another_process(self):
        with tempfile.NamedTemporaryFile("w") as file:
            file.write(f"{os.getpid()} 1\n")
            file.flush()
            self.assertIsNone(processes.read_pid_file(Path(file.name)))

    def test_a_zombie_has_ended(self):
        child = subprocess.Popen(["sleep", "60"])
        start = int(Path(f"/proc/{child.pid}/stat").read_text().rpartition(")")[2].split()[processes.START])
        process = processes.Process(child.pid, start)
        self.assertTrue(process.alive())
        child.kill()
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        self.assertFalse(process.alive())
        child.wait()


def state(pid):
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
