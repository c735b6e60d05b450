# SPDX-License-Identifier: Apache-2.0
"""What a change is told: Zuul's own words around ours, as Gerrit's results table and people read them."""

import re
import unittest
from unittest import mock

from zuul.reporter import BaseReporter

from lab import config_project
from tests.unit.ci.pipelines import pipelines

# The expressions of Gerrit's plugin zuul-results-summary (its file .js at 077d994), in Python's spelling.
AUTHOR = re.compile(r"^(?P<author>.* CI|Zuul)")
STATUS = re.compile(r"^Build (?P<status>\w+) \((?P<pipeline>[\w]+) pipeline\)\.", re.MULTILINE)
RESULT = re.compile(
    r"^- (?P<job>[^ ]+) (?:(?P<link>https?://[^ ]+)|(?P<implicit_link>build/[0-9a-f]+)) : "
    r"((ERROR (?P<errormsg>.*?) in (?P<errtime>.*))|(?P<result>[^ ]+)( in (?P<time>.*))?)"
)
URL = "http://ci.invalid/build/" + "0f" * 16
GERRIT = [pipeline for pipeline in pipelines().values() if "gerrit" in pipeline.get("success", {})]


class Reporter(BaseReporter):
    """Zuul's formatting without a place to send it to."""

    def report(self, item, phase1=True, phase2=True):
        raise NotImplementedError


def report(pipeline, result="SUCCESS", seconds=303, error=None):
    """Return what Zuul says of an item with one build."""
    item = mock.Mock(dequeued_needing_change=None, dequeued_missing_requirements=False, changes=["one"])
    item.getConfigErrors.return_value = []
    item.didMergerFail.return_value = False
    item.formatItemUrl.return_value = "http://ci.invalid/buildset/" + "f0" * 16
    item.formatJobResult.return_value = (result, URL)
    job = mock.Mock(voting=True, success_message=None)
    job.name = "hyperv-tempest"
    item.getJobs.return_value = [job]
    builds = item.current_build_set
    builds.warning_messages = builds.debug_messages = []
    builds.has_blocking_errors = False
    builds.getBuild.return_value = mock.Mock(error_detail=error, start_time=1, end_time=1 + seconds)
    item.manager.pipeline = mock.Mock(
        success_message=pipeline["success-message"],
        failure_message=pipeline["failure-message"],
        footer_message=pipeline["footer-message"],
    )
    connection = mock.Mock()
    connection.sched.config = None
    reporter = Reporter(None, connection)
    reporter.setAction("success" if result == "SUCCESS" else "failure")
    return reporter._formatItemReport(item)


class ResultsTableTest(unittest.TestCase):
    def test_author(self):
        self.assertTrue(AUTHOR.match(config_project.settings()["ci_name"]))

    def test_pipelines_that_report_to_gerrit(self):
        self.assertEqual({"check", "gate", "experimental"}, {pipeline["name"] for pipeline in GERRIT})

    def test_status_and_pipeline(self):
        for pipeline in GERRIT:
            for result, status in (("SUCCESS", "succeeded"), ("FAILURE", "failed")):
                with self.subTest(pipeline=pipeline["name"], result=result):
                    (found,) = STATUS.finditer(report(pipeline, result))
                    self.assertEqual((status, pipeline["name"]), found.groups())

    def test_rows(self):
        for pipeline in GERRIT:
            for result in ("SUCCESS", "FAILURE", "TIMED_OUT", "POST_FAILURE"):
                with self.subTest(pipeline=pipeline["name"], result=result):
                    rows = filter(None, map(RESULT.match, report(pipeline, result).splitlines()))
                    (row,) = rows
                    expected = ("hyperv-tempest", URL, result, "5m 03s")
                    self.assertEqual(expected, row.group("job", "link", "result", "time"))


class PeopleTest(unittest.TestCase):
    """Who runs it, how to recheck, how to reproduce, and where to read more, whatever came out."""

    def test_every_comment_says_so(self):
        settings = config_project.settings()
        for pipeline in GERRIT:
            for result in ("SUCCESS", "FAILURE"):
                text = report(pipeline, result)
                for name in ("ci_name", "ci_operator", "ci_wiki", "ci_contact"):
                    self.assertIn(settings[name], text)
                self.assertIn('comment "recheck" or "run-hyper-v ci"', text)
                self.assertIn("how to run the same at home", text)

    def test_settings_that_are_expressions_are_plain_words(self):
        settings = config_project.settings()
        for word in (*settings["ci_recheck"], settings["ci_experimental"]):
            self.assertRegex(word, r"^[a-z -]+$")
        for branch in settings["ci_nova_branches"]:
            self.assertRegex(branch, r"^[\w/-]+$")

    def test_check_neither_submits_nor_votes_two(self):
        check = pipelines()["check"]
        self.assertEqual({"Verified": 1}, check["success"]["gerrit"])
        self.assertEqual({"Verified": -1}, check["failure"]["gerrit"])

    def test_experimental_votes_nothing(self):
        for action in ("success", "failure"):
            self.assertEqual({}, pipelines()["experimental"][action]["gerrit"])

    def test_conflicts_and_configuration_errors_are_for_the_maintainer(self):
        """Without a reporter of its own Zuul reports either as a failure, with its vote."""
        settings = config_project.settings()
        for name in ("check", "experimental"):
            pipeline = pipelines()[name]
            self.assertEqual({"smtp"}, set(pipeline["merge-conflict"]))
            self.assertEqual({"comment": False}, pipeline["config-error"]["gerrit"])
            for action in ("merge-conflict", "config-error"):
                self.assertEqual(settings["ci_contact"], pipeline[action]["smtp"]["to"])

    def test_branches_are_the_maintainer_s(self):
        for name in ("post", "periodic"):
            for action in ("success", "failure", "merge-conflict", "config-error"):
                self.assertLessEqual(set(pipelines()[name].get(action, {})), {"smtp"})
        self.assertIn("smtp", pipelines()["periodic"]["success"])
