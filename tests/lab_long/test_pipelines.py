# SPDX-License-Identifier: Apache-2.0
"""Which changes get a run, which get a word, and what becomes of a merge."""

import time

from lab import changes, config_project, projects
from lab.services import accounts
from tests.lab.command import lab
from tests.lab_long.review import ReviewTest

# Seconds in which Zuul has taken an event, or has let it pass.
SETTLED = 20


class PipelinesTest(ReviewTest):
    def test_documents_and_tests_get_no_run(self):
        for files in (
            {"doc/source/index.rst": "x\n", "releasenotes/notes/x.yaml": "x\n"},
            {"nova/tests/unit/test_x.py": "x\n"},
        ):
            change = self.propose(accounts.NOVA, files)
            time.sleep(SETTLED)
            self.assertEqual(([], []), (self.items(change), self.said(change)), files)

    def test_another_branch_gets_neither_a_run_nor_a_word(self):
        rest = changes.client(self.home, accounts.ADMIN)
        branch = "stable/2025.1"
        path = f"projects/{accounts.quote(accounts.NOVA)}/branches/{accounts.quote(branch)}"
        if not rest.exists(path):
            rest.put(path, {"revision": "master"})
        change = self.propose(accounts.NOVA, {"nova/virt/driver.py": "x\n"}, branch)
        time.sleep(SETTLED)
        self.assertEqual(([], []), (self.items(change), self.said(change)))

    def test_a_merge_conflict_is_told_to_the_maintainer_alone(self):
        before = self.mails()
        base = projects.head(self.home, accounts.NOVA)
        one = self.propose(accounts.NOVA, {"nova/conflict.rst": f"one {time.time()}\n"})
        rest = changes.client(self.home, accounts.MAINTAINER)
        votes = {"Code-Review": 2, "Workflow": 1}
        rest.post(f"changes/{one.number}/revisions/current/review", {"labels": votes})
        rest.post(f"changes/{one.number}/submit", {})
        two = self.propose(accounts.NOVA, {"nova/conflict.rst": "two\n", "nova/x.py": "x\n"}, base=base)
        (mail,) = self.wait_for(lambda: set(self.mails()) - set(before))
        subject = f"Subject: Merge conflict (check pipeline): openstack/nova {two.name}"
        self.assertIn(subject, mail.read_text())
        self.assertEqual([], self.said(two))

    def test_a_mistake_in_our_own_configuration_is_said_at_its_line(self):
        mistake = "- job:\n    name: x\n    timeout: 60m\n"
        change = self.propose(accounts.DRIVER, {"zuul.d/mistake.yaml": mistake})
        comments = self.wait_for(lambda: self.rest.get(f"changes/{change.number}/robotcomments"), 120)
        self.assertIn("expected int", comments["zuul.d/mistake.yaml"][0]["message"])

    def test_a_merge_publishes_the_config_project_and_the_driver(self):
        """A change to trusted/ becomes a commit of hyperv-ci-config once it is merged."""
        before = projects.head(self.home, accounts.CONFIG)
        self.addCleanup(lab, "publish", "--force")
        text = self.show(accounts.DRIVER, "trusted/settings.yaml")
        name = f"Hyper-V {time.time_ns()} CI"
        old = config_project.settings()["ci_name"]
        change = self.propose(accounts.DRIVER, {"trusted/settings.yaml": text.replace(old, name)})
        rest = changes.client(self.home, accounts.MAINTAINER)
        votes = {"Code-Review": 2, "Workflow": 1}
        rest.post(f"changes/{change.number}/revisions/current/review", {"labels": votes})
        self.wait_for(lambda: self.rest.get(f"changes/{change.number}")["status"] == "MERGED", 1800)
        self.wait_for(lambda: projects.head(self.home, accounts.CONFIG) != before)
        self.assertIn(f"{name} is run by", self.show(accounts.CONFIG, "zuul.d/pipelines.yaml"))
        wheels = self.wait_for(lambda: list(self.home.site.glob("published/hyperv_driver-*.whl")))
        self.assertTrue(wheels)
        self.assertTrue((self.home.site / "published/README.html").exists())
