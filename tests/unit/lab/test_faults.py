# SPDX-License-Identifier: Apache-2.0
import errno
import json
import tempfile
import time
from pathlib import Path

import testtools

from lab import faults
from lab.winrm_server.faults import Fault


class TestFaults(testtools.TestCase):
    def setUp(self):
        super().setUp()
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.path = Path(folder.name) / "faults.json"
        self.jobs = []
        self.faults = faults.Faults(self.path, self.jobs)

    def load(self, *rules):
        self.path.write_text(json.dumps(rules))
        self.faults.load()

    def test_no_file_no_fault(self):
        self.faults.load()
        self.faults.disturb("x/Command")
        self.faults.check_space()
        self.assertEqual([], self.jobs)

    def test_refused_after_so_many_and_so_often(self):
        self.load({"fault": "winrm", "action": "Command", "do": "refuse", "code": 5, "after": 1, "times": 2})
        answers = []
        for action in ("x/Create", "x/Command", "x/Command", "x/Receive", "x/Command", "x/Command"):
            try:
                answers.append(self.faults.disturb(action))
            except Fault as fault:
                answers.append(fault.kind.code)
        self.assertEqual([None, None, 5, None, 5, None], answers)

    def test_dropped_and_late(self):
        self.load(
            {"fault": "winrm", "do": "hang", "seconds": 0.2},
            {"fault": "winrm", "do": "drop", "action": "Send"},
        )
        started = time.monotonic()
        self.faults.disturb("x/Create")
        self.assertGreaterEqual(time.monotonic() - started, 0.2)
        self.assertRaises(ConnectionAbortedError, self.faults.disturb, "x/Send")

    def test_jobs_and_disk(self):
        self.load({"fault": "job", "method": "A.B", "message": "no", "times": 3}, {"fault": "disk-full"})
        self.assertEqual(("A.B", "no", 32768, None, 3), tuple(vars(self.jobs[0]).values()))
        error = self.assertRaises(OSError, self.faults.check_space)
        self.assertEqual(errno.ENOSPC, error.errno)
        self.load()
        self.assertEqual([], self.jobs)
        self.faults.check_space()

    def test_what_is_no_rule(self):
        for text, words in (
            ("{", "is not JSON"),
            ("{}", "expected a list"),
            ('[{"fault": "rain"}]', "expected a fault out of winrm, job, disk-full, death"),
            ('[{"fault": "death", "second": 1}]', "death has no second; expected seconds"),
            ('[{"fault": "job"}]', "job needs method"),
            ('[{"fault": "winrm", "do": "dance"}]', "expected one of refuse, drop, hang"),
        ):
            self.path.write_text(text)
            error = self.assertRaises(faults.RuleError, self.faults.load)
            self.assertIn(words, str(error))
