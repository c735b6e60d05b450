# SPDX-License-Identifier: Apache-2.0
"""The tests that no run has, and why."""

import re
import unittest

from tests.unit.controller.role_files import ROLES

LINE = re.compile(r"(?P<expression>\S+)  # (?P<reason>\S.*\.)")


class ExclusionsTest(unittest.TestCase):
    def test_each_is_of_a_test_and_has_its_reason(self):
        lines = (ROLES / "tempest" / "files" / "exclusions.txt").read_text().splitlines()
        for line in (line for line in lines if line and not line.startswith("#")):
            with self.subTest(line):
                found = LINE.fullmatch(line)
                self.assertIsNotNone(found, "expected: EXPRESSION  # Reason.")
                self.assertTrue(re.compile(found["expression"]).pattern.startswith(r"^tempest\.api\."))
