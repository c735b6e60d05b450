# SPDX-License-Identifier: Apache-2.0
"""The main job: a change that is well gets +1, one that is not gets -1 and a page that says why."""

from tests.lab.command import CHANGES, LabTest


class VotesTest(LabTest):
    def test_harmless_change(self):
        outcome = self.push("--patch", CHANGES / "harmless.patch")
        self.assertEqual(1, outcome.vote)
        self.assertIn("Build succeeded (check pipeline).", outcome.text)
        self.assertIn("hyperv-tempest", outcome.text)
        self.assertNotIn("must not hang on", outcome.page)

    def test_change_that_breaks_the_driver_interface(self):
        outcome = self.push("--patch", CHANGES / "breaks-the-driver-interface.patch")
        self.assertEqual(-1, outcome.vote)
        self.assertIn("Build failed (check pipeline).", outcome.text)
        self.assertIn("unexpected keyword argument &#39;share_info&#39;", outcome.page)
