# SPDX-License-Identifier: Apache-2.0
"""What Gerrit and the maintainer get, through Zuul's own reporter and connection."""

import unittest
from unittest import mock

from verdict.reporter import Driver, Reporter


def item(result, **build):
    """Return what the reporter sees of an item with one job that came out so."""
    change = mock.Mock(number=7, patchset=2)
    change.project.name = "openstack/nova"
    one = mock.Mock(changes=[change], item_ahead=None, dequeued_needing_change=None)
    one.dequeued_missing_requirements = False
    one.didMergerFail.return_value = False
    one.getConfigErrors.return_value = []
    one.formatItemUrl.return_value = "http://ci.invalid/"
    one.formatJobResult.return_value = (result, "http://ci.invalid/build/1")
    job = mock.Mock(voting=True)
    job.name = "hyperv-tempest"
    one.getJobs.return_value = [job]
    build = {"error_detail": None, "result_data": {}, "start_time": 1, "end_time": 61, **build}
    one.current_build_set.getBuild.return_value = mock.Mock(result=result, **build)
    one.current_build_set.getTries.return_value = 3
    one.current_build_set.warning_messages = one.current_build_set.debug_messages = []
    one.current_build_set.has_blocking_errors = False
    one.manager.pipeline.name = "check"
    one.manager.pipeline.failure_message = "Build failed (check pipeline)."
    one.manager.pipeline.success_message = "Build succeeded (check pipeline)."
    one.manager.pipeline.footer_message = "Run by us."
    return one


class ReporterTest(unittest.TestCase):
    def setUp(self):
        self.mail = mock.Mock()
        self.connection = mock.Mock(canonical_hostname="gerrit")
        self.connection.sched.connections.connections = {"smtp": self.mail}
        self.connection.sched.config = None
        self.builds = self.connection.sched.sql.connection.getBuilds
        self.builds.return_value = []
        for name in ("GerritSource", "Change"):
            self.enterContext(mock.patch(f"zuul.driver.gerrit.gerritreporter.{name}", mock.Mock))
        self.enterContext(mock.patch.object(Reporter, "getFileComments", return_value={}))

    def report(self, one, action="failure", **config):
        """Report an item; return the message, submit, labels of the one review."""
        one.changes[0].project.source.connection.canonical_hostname = "gerrit"
        reporter = Driver().getReporter(self.connection, None, config or {"Verified": -1})
        reporter.setAction(action)
        reporter.report(one)
        (call,) = self.connection.review.call_args_list
        _item, _change, message, submit, labels, *_rest = call.args
        return message, submit, labels

    def test_a_failure_of_the_change(self):
        message, submit, labels = self.report(item("FAILURE"))
        self.assertEqual(({"Verified": -1}, False), (labels, submit))
        self.assertNotIn("nfrastructure", message)
        self.mail.sendMail.assert_not_called()

    def test_a_success(self):
        message, _, labels = self.report(item("SUCCESS"), "success", Verified=1)
        self.assertEqual({"Verified": 1}, labels)
        self.assertNotIn("nfrastructure", message)

    def test_a_fault_of_the_infrastructure(self):
        said = {"verdict": {"headline": "hyperv could not be reached in “Tempest”: timed out"}}
        one = item("RETRY_LIMIT", error_detail="Host unreachable", result_data=said)
        message, submit, labels = self.report(one, Verified=-2, submit=True)
        self.assertEqual(({"Verified": 0}, False), (labels, submit))
        expected = (
            "Build failed (check pipeline).\nhttp://ci.invalid/\n\n"
            "- hyperv-tempest http://ci.invalid/build/1 : RETRY_LIMIT Host unreachable in 1m 00s\n\n"
            "Infrastructure: it was this CI that failed, and not the change, so there is no vote.\n"
            "  hyperv-tempest, 3 attempts on fresh nodes: "
            "phase hyperv could not be reached in “Tempest”: timed out\n"
        )
        self.assertTrue(message.startswith(expected), message)
        self.assertTrue(message.endswith("\nRun by us."), message)

    def test_a_second_fault_of_the_infrastructure(self):
        one = item("RETRY_LIMIT", error_detail="Host unreachable")
        one.current_build_set.uuid = "now"
        self.builds.return_value = [mock.Mock(buildset=mock.Mock(uuid="now"))]
        self.assertIn("is repeated without your doing", self.report(one)[0])
        self.connection.review.reset_mock()
        self.builds.return_value.append(mock.Mock(buildset=mock.Mock(uuid="before")))
        self.assertIn("it is not repeated again", self.report(one)[0])
        asked = self.builds.call_args.kwargs
        query = {key: asked[key] for key in ("change", "patchset", "pipeline", "project")}
        self.assertEqual(
            {"change": 7, "patchset": 2, "pipeline": "check", "project": "openstack/nova"}, query
        )

    def test_the_maintainer_gets_a_mail_of_it(self):
        self.report(item("NODE_FAILURE"))
        (call,) = self.mail.sendMail.call_args_list
        self.assertEqual("Infrastructure (check pipeline): openstack/nova 7,2", call.args[0])
        self.assertIn("phase nodes: Nodepool could not make them", call.args[1])

    def test_the_next_item_of_the_pipeline_gets_its_vote(self):
        reporter = Driver().getReporter(self.connection, None, {"Verified": -1})
        reporter.setAction("failure")
        for result in ("RETRY_LIMIT", "FAILURE"):
            one = item(result, error_detail="Host unreachable")
            one.changes[0].project.source.connection.canonical_hostname = "gerrit"
            reporter.report(one)
        labels = [call.args[4] for call in self.connection.review.call_args_list]
        self.assertEqual([{"Verified": 0}, {"Verified": -1}], labels)
