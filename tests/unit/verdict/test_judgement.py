# SPDX-License-Identifier: Apache-2.0
"""Whom a run that failed is blamed on."""

import unittest

from verdict.judgement import LONGEST, Build, faults, plain

LOST = {"headline": "hyperv could not be reached in “Tempest”: timed out"}


def job(result, **more):
    return Build("hyperv-tempest", result, **more)


class BlameTest(unittest.TestCase):
    def test_the_infrastructure_is_blamed_for_what_zuul_gave_up(self):
        for build, words in (
            (
                job("NODE_FAILURE", detail="Node(set) request 100-1 failed"),
                "hyperv-tempest, 1 attempt: phase nodes: Nodepool could not make them "
                "(Node(set) request 100-1 failed)",
            ),
            (
                job("RETRY_LIMIT", detail="Host unreachable", attempts=3, said=LOST),
                "hyperv-tempest, 3 attempts on fresh nodes: "
                "phase hyperv could not be reached in “Tempest”: timed out",
            ),
            (
                job("RETRY_LIMIT", attempts=3, said={"fault": "package index: no answer", **LOST}),
                "hyperv-tempest, 3 attempts on fresh nodes: phase package index: no answer",
            ),
            (
                job("RETRY_LIMIT", detail="Host unreachable", attempts=3),
                "hyperv-tempest, 3 attempts on fresh nodes: phase first contact: Host unreachable",
            ),
            (
                job("MERGER_FAILURE", attempts=3),
                "hyperv-tempest, 3 attempts on fresh nodes: "
                "phase sources: the executor could not prepare them (MERGER_FAILURE)",
            ),
        ):
            with self.subTest(build.result, detail=build.detail):
                self.assertEqual([words], [str(fault) for fault in faults([build])])

    def test_the_change_is_blamed_for_what_the_job_says_of_it(self):
        """nova-compute that exits, a driver that fills the disk: nodes that answer, and a run that failed."""
        for result in ("FAILURE", "TIMED_OUT", "POST_FAILURE", "ERROR", "DISK_FULL", "ABORTED", None):
            with self.subTest(result):
                self.assertEqual([], faults([job(result, said={"fault": "package index", **LOST})]))

    def test_one_job_that_failed_by_itself_outweighs_one_that_was_interrupted(self):
        builds = [job("RETRY_LIMIT", detail="Host unreachable"), Build("tests", "FAILURE")]
        self.assertEqual([], faults(builds))

    def test_jobs_that_do_not_vote_are_not_asked(self):
        builds = [job("RETRY_LIMIT", detail="Host unreachable"), Build("extra", "FAILURE", voting=False)]
        self.assertEqual(1, len(faults(builds)))
        self.assertEqual([], faults([job("SUCCESS"), Build("extra", "RETRY_LIMIT", voting=False)]))

    def test_skipped_jobs_are_nobody_s_fault(self):
        self.assertEqual(1, len(faults([job("NODE_FAILURE"), Build("child", "SKIPPED")])))

    def test_nothing_ran(self):
        self.assertEqual([], faults([]))

    def test_a_change_to_the_playbooks_can_break_them_before_the_run(self):
        self.assertEqual([], faults([job("RETRY_LIMIT", own=True, attempts=3)]))
        lost = job("RETRY_LIMIT", own=True, detail="Host unreachable", attempts=3)
        self.assertEqual(1, len(faults([lost])))


class PlainTest(unittest.TestCase):
    """What a build says ends in a comment: one line, of no great length."""

    def test_one_line_of_text(self):
        self.assertEqual("a b c", plain("a\n- b\x1b[31m\tc".replace("- ", "").replace("[31m", "")))
        self.assertEqual("“x” y", plain("“x”\u202ey"))

    def test_what_is_no_text(self):
        for value in (None, 3, ["x"], {"x": 1}):
            self.assertEqual("", plain(value))
            self.assertIn("first contact", str(faults([job("RETRY_LIMIT", said={"fault": value})])[0]))
        self.assertIn("first contact", str(faults([job("RETRY_LIMIT", said="x")])[0]))

    def test_length(self):
        self.assertEqual(LONGEST, len(plain("x" * 10_000)))
