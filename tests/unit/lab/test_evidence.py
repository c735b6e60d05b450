# SPDX-License-Identifier: Apache-2.0
import testtools

from lab import evidence
from lab.hyperv_model import jobs, states


class TestEvidence(testtools.TestCase):
    def test_every_area_says_how_it_is_known(self):
        self.assertEqual(set(evidence.AREAS), {mark.area for mark in evidence.marks()})

    def test_tables_are_counted(self):
        guessed = [each for each in states.TRANSITIONS.values() if each.evidence == "guessed"]
        in_states = [
            mark
            for mark in evidence.marks()
            if mark.kind == "guessed" and mark.path == "lab/hyperv_model/states.py"
        ]
        self.assertEqual(len(guessed), len(in_states))
        for table in (jobs.ASYNCHRONOUS.values(), (each.evidence for each in states.TRANSITIONS.values())):
            self.assertTrue(set(table) <= set(evidence.KINDS))

    def test_what_only_names_the_kinds_is_no_evidence(self):
        self.assertNotIn("lab/hyperv_model/__init__.py", {mark.path for mark in evidence.marks()})

    def test_page(self):
        page = evidence.page()
        self.assertIn("What is guessed, and would have to be recorded", page)
        self.assertIn("* ``lab/hyperv_model/states.py:", page)
