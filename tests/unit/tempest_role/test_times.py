# SPDX-License-Identifier: Apache-2.0
"""What stestr knows of tests before it has run any."""

import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

from stestr.repository import file

from tests import selections


class TimesTest(unittest.TestCase):
    def test_stestr_has_them(self):
        directory = self.enterContext(tempfile.TemporaryDirectory())
        seconds = Path(directory) / "seconds.txt"
        seconds.write_text("# with fixtures\n12.5 a.B.test_c\n0.0 a.B.test_d\n")
        subprocess.run([sys.executable, selections.FILES / "times.py", seconds, directory], check=True)
        repository = file.RepositoryFactory().open(directory)
        tests = ["a.B.test_c[id-1,smoke]", "a.B.test_d", "a.B.test_e"]
        self.assertEqual(
            {"known": {tests[0]: 12.5, tests[1]: 0.0}, "unknown": {tests[2]}},
            repository.get_test_times(tests),
        )

    def test_ours_are_of_tests_that_must_pass(self):
        timed = {line.split()[1] for line in selections.listed("seconds.txt")}
        self.assertEqual(set(selections.listed(selections.EXPECTED)), timed)
