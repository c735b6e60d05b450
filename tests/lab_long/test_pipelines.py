# SPDX-License-Identifier: Apache-2.0
"""Which changes get a run, which get a word, and what becomes of a merge."""

import base64
import time

from lab import changes, config_project, projects
from lab.commands import git
from lab.home import Home
from lab.services import accounts, zuul
from tests.lab.command import LabTest

# Seconds in which Zuul has taken an event, or has let it pass.
SETTLED = 20


class PipelinesTest(LabTest):
    def setUp(self):
        self.home = Home.from_environment()
        self.rest = changes.client(self.home)

    def push(self, project, files, branch="master", base=None):
        """Have Gerrit make a change that writes files, as the developer; return it, ready for review."""
        new = {"project": project, "branch": branch, "subject": "For the test", "work_in_progress": True}
        number = self.rest.post("changes/", new | ({"base_commit": base} if base else {}))["_number"]
        for name, text in files.items():
            content = f"data:text/plain;base64,{base64.b64encode(text.encode()).decode()}"
            self.rest.put(f"changes/{number}/edit/{accounts.quote(name)}", {"binary_content": content})
        self.rest.post(f"changes/{number}/edit:publish", {})
        self.rest.post(f"changes/{number}/ready", {})
        return changes.find(self.home, number)

    def said(self, change):
        """Return what Zuul's account said of a change."""
        messages = self.rest.get(f"changes/{change.number}/detail")["messages"]
        return [one["message"] for one in messages if one["author"].get("username") == accounts.CI.name]

    def items(self, change):
        return zuul.get(f"tenant/{zuul.TENANT}/status/change/{change.name}") or []

    def wait_for(self, what, seconds=600):
        """Wait until a function returns something, and return that."""
        deadline = time.monotonic() + seconds
        while not (found := what()):
            self.assertLess(time.monotonic(), deadline, f"nothing after {seconds} s")
            time.sleep(1)
        return found

    def show(self, project, path):
        """Return a file of a project's master."""
        return git(self.home.gerrit_site / f"git/{project}.git", "show", f"master:{path}")

    def mails(self):
        return sorted(self.home.mails.glob("*.eml"))

    def test_documents_and_tests_get_no_run(self):
        for files in (
            {"doc/source/index.rst": "x\n", "releasenotes/notes/x.yaml": "x\n"},
            {"nova/tests/unit/test_x.py": "x\n"},
        ):
            change = self.push(accounts.NOVA, files)
            time.sleep(SETTLED)
            self.assertEqual(([], []), (self.items(change), self.said(change)), files)

    def test_another_branch_gets_neither_a_run_nor_a_word(self):
        rest = changes.client(self.home, accounts.ADMIN)
        branch = "stable/2025.1"
        path = f"projects/{accounts.quote(accounts.NOVA)}/branches/{accounts.quote(branch)}"
        if not rest.exists(path):
            rest.put(path, {"revision": "master"})
        change = self.push(accounts.NOVA, {"nova/virt/driver.py": "x\n"}, branch)
        time.sleep(SETTLED)
        self.assertEqual(([], []), (self.items(change), self.said(change)))

    def test_a_merge_conflict_is_told_to_the_maintainer_alone(self):
        before = self.mails()
        base = projects.head(self.home, accounts.NOVA)
        one = self.push(accounts.NOVA, {"nova/conflict.rst": f"one {time.time()}\n"})
        rest = changes.client(self.home, accounts.MAINTAINER)
        votes = {"Code-Review": 2, "Workflow": 1}
        rest.post(f"changes/{one.number}/revisions/current/review", {"labels": votes})
        rest.post(f"changes/{one.number}/submit", {})
        two = self.push(accounts.NOVA, {"nova/conflict.rst": "two\n", "nova/x.py": "x\n"}, base=base)
        (mail,) = self.wait_for(lambda: set(self.mails()) - set(before))
        subject = f"Subject: Merge conflict (check pipeline): openstack/nova {two.name}"
        self.assertIn(subject, mail.read_text())
        self.assertEqual([], self.said(two))

    def test_a_mistake_in_our_own_configuration_is_said_at_its_line(self):
        mistake = "- job:\n    name: x\n    timeout: 60m\n"
        change = self.push(accounts.DRIVER, {"zuul.d/mistake.yaml": mistake})
        comments = self.wait_for(lambda: self.rest.get(f"changes/{change.number}/robotcomments"), 120)
        self.assertIn("expected int", comments["zuul.d/mistake.yaml"][0]["message"])

    def test_a_merge_publishes_the_config_project_and_the_driver(self):
        """A change to trusted/ becomes a commit of hyperv-ci-config once it is merged."""
        before = projects.head(self.home, accounts.CONFIG)
        text = self.show(accounts.DRIVER, "trusted/settings.yaml")
        name = f"Hyper-V {time.time_ns()} CI"
        old = config_project.settings()["ci_name"]
        change = self.push(accounts.DRIVER, {"trusted/settings.yaml": text.replace(old, name)})
        rest = changes.client(self.home, accounts.MAINTAINER)
        votes = {"Code-Review": 2, "Workflow": 1}
        rest.post(f"changes/{change.number}/revisions/current/review", {"labels": votes})
        self.wait_for(lambda: self.rest.get(f"changes/{change.number}")["status"] == "MERGED", 1800)
        self.wait_for(lambda: projects.head(self.home, accounts.CONFIG) != before)
        self.assertIn(f"{name} is run by", self.show(accounts.CONFIG, "zuul.d/pipelines.yaml"))
        wheels = self.wait_for(lambda: list(self.home.site.glob("published/hyperv_driver-*.whl")))
        self.assertTrue(wheels)
        self.assertTrue((self.home.site / "published/README.html").exists())
