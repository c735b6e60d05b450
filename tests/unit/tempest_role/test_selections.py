# SPDX-License-Identifier: Apache-2.0
"""The lists of tests that run, must pass, are skipped and are left out."""

import re
import unittest

from tests import selections


class SelectionsTest(unittest.TestCase):
    def test_the_page_in_the_docs_is_todays(self):
        written = (selections.ROOT / "doc" / "source" / "tests.rst").read_text()
        self.assertEqual(selections.page(), written, "python -m tests.selections > doc/source/tests.rst")

    def test_each_that_is_left_out_is_of_a_test_and_has_its_reason(self):
        for line in selections.listed(selections.EXCLUSIONS):
            with self.subTest(line):
                expression, why = line.split("  # ", 1)
                self.assertTrue(re.compile(expression).pattern.startswith(r"^tempest\."))
                self.assertRegex(why, r"^\S.*\.$")

    def test_what_must_pass_is_selected(self):
        """stestr runs what a line of the selection matches and none of the exclusions."""
        out = [expression for expression, _ in selections.reasons(selections.EXCLUSIONS)]
        for selection, expected in (
            ("selection.txt", "expected-to-pass.txt"),
            ("long-selection.txt", selections.EXPECTED),
        ):
            lines = selections.listed(selection)
            for test in selections.listed(expected):
                with self.subTest(test):
                    self.assertTrue(any(re.search(line, test) for line in lines))
                    self.assertFalse(any(re.search(line, test) for line in out))

    def test_what_changes_must_pass_the_night_must_pass(self):
        every = set(selections.listed(selections.EXPECTED))
        self.assertEqual(set(), set(selections.listed("expected-to-pass.txt")) - every)
