# SPDX-License-Identifier: Apache-2.0
import testtools

from lab import evidence, guesses
from lab.hyperv_model import states


class TestEvidence(testtools.TestCase):
    def test_every_area_says_how_it_is_known(self):
        self.assertEqual(set(evidence.AREAS), {mark.area for mark in evidence.marks()})

    def test_a_guess_is_one_that_a_host_tells_of(self):
        table = {(each.evidence, each.guess is not None) for each in states.TRANSITIONS.values()}
        self.assertTrue(table <= {(kind, kind == "guessed") for kind in evidence.KINDS})
        elsewhere = [mark for mark in evidence.marks() if mark.kind == "guessed"]
        self.assertEqual({"lab/hyperv_model/states.py"}, {mark.path for mark in elsewhere})

    def test_every_guess_can_be_come_to(self):
        code = "".join(
            file.read_text() for area in evidence.AREAS for file in (evidence.HERE / area).rglob("*.py")
        )
        names = [name for name, value in vars(guesses).items() if isinstance(value, guesses.Guess)]
        self.assertEqual([], [name for name in names if f"guesses.{name}" not in code])

    def test_what_only_names_the_kinds_is_no_evidence(self):
        self.assertNotIn("lab/hyperv_model/__init__.py", {mark.path for mark in evidence.marks()})

    def test_page(self):
        page = evidence.page()
        self.assertIn("What is guessed, and would have to be recorded", page)
        for guess in guesses.GUESSES:
            self.assertIn(f"* Guessed: {guess.behaviour}. To be recorded: {guess.record}.\n", page)
