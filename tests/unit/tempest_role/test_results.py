# SPDX-License-Identifier: Apache-2.0
"""What roles/tempest makes of a stream of results."""

import datetime
import io
import json
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

import subunit

SCRIPT = Path(__file__).parents[3] / "roles" / "tempest" / "files" / "results.py"
START = datetime.datetime(2026, 11, 23, tzinfo=datetime.UTC)


def stream(**outcomes):
    """Return a subunit v2 stream in which each named test took two seconds and ended as said."""
    out = io.BytesIO()
    result = subunit.StreamResultToBytes(out)
    for name, (status, text) in outcomes.items():
        test_id = f"tempest.{name}[id-1,smoke]"
        result.status(test_id=test_id, test_status="inprogress", timestamp=START)
        if status == "died":
            continue
        if text:
            name = "reason" if status == "skip" else "traceback"
            kind = "text/plain; charset=utf8"
            result.status(test_id=test_id, file_name=name, file_bytes=text.encode(), mime_type=kind)
        result.status(test_id=test_id, test_status=status, timestamp=START + datetime.timedelta(seconds=2))
    return out.getvalue()


class TestResults(unittest.TestCase):
    def judge(self, expected, **outcomes):
        directory = Path(self.enterContext(tempfile.TemporaryDirectory()))
        names = "".join(f"tempest.{name}\n" for name in expected)
        (directory / "expected").write_text("# with reasons\n" + names)
        (directory / "results.subunit").write_bytes(stream(**outcomes))
        ended = subprocess.run(
            [sys.executable, SCRIPT, directory / "expected", directory], capture_output=True, text=True
        )
        self.assertNotIn('Traceback (most recent call last):\n  File "' + str(SCRIPT), ended.stderr)
        return ended, json.loads((directory / "results.json").read_text())

    def test_all_is_well(self):
        ended, results = self.judge(["a"], a=("success", ""), b=("skip", "no cinder"))
        self.assertEqual(0, ended.returncode, ended.stdout)
        self.assertEqual("1 passed, 0 failed, 1 skipped", ended.stdout.strip())
        begun = "2026-11-23T00:00:00+00:00"
        self.assertEqual(
            [
                {"id": "tempest.a", "status": "success", "start": begun, "seconds": 2.0, "details": ""},
                {"id": "tempest.b", "status": "skip", "start": begun, "seconds": 2.0, "details": "no cinder"},
            ],
            results,
        )

    def test_failure_shows_its_exception(self):
        ended, _ = self.judge([], a=("success", ""), b=("fail", "x\n" * 30 + "ValueError: no disk"))
        self.assertEqual(1, ended.returncode)
        self.assertIn("tempest.b failed", ended.stdout)
        self.assertIn("ValueError: no disk", ended.stdout)

    def test_dead_worker_is_a_failure(self):
        ended, results = self.judge([], a=("success", ""), b=("died", ""))
        self.assertEqual(1, ended.returncode)
        self.assertEqual("fail", results[1]["status"])

    def test_expected_test_may_not_skip(self):
        ended, _ = self.judge(["b"], a=("success", ""), b=("skip", "no cinder"))
        self.assertEqual(1, ended.returncode)
        self.assertIn("tempest.b was skipped; it is expected to pass", ended.stdout)

    def test_expected_test_may_not_be_missing(self):
        ended, _ = self.judge(["c"], a=("success", ""))
        self.assertEqual(1, ended.returncode)
        self.assertIn("tempest.c did not run", ended.stdout)

    def test_nothing_passed_is_no_success(self):
        ended, _ = self.judge([], b=("skip", "no cinder"))
        self.assertEqual(1, ended.returncode)
        self.assertIn("No test passed", ended.stderr)
