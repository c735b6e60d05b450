# SPDX-License-Identifier: Apache-2.0
"""What people do in Gerrit to have something run, what runs then, and with which other changes."""

import time

from lab import hold
from lab.services import accounts, zuul
from tests.lab_long.review import ReviewTest

SETTLED = 20
# A requirement that nothing meets: the run is over soon, and says so.
IMPOSSIBLE = "oslo.config>=9999\n"
HARMLESS = {"nova/a_file_of_no_use.py": "# nothing\n"}


class TriggersTest(ReviewTest):
    def does_not_install(self, project, **options):
        """Propose a change after which a project's requirements cannot be met."""
        requirements = self.show(project, "requirements.txt")
        return self.propose(project, {"requirements.txt": requirements + IMPOSSIBLE}, **options)

    def test_words_that_have_it_run_again(self):
        change = self.does_not_install(accounts.NOVA)
        self.assertIn("Build failed (check pipeline).", self.answer(change))
        for words in ("recheck", "run-hyper-v ci", "RECHECK: the network was down"):
            with self.subTest(words):
                self.assertIn("Build failed (check pipeline).", self.answer(change, words))
        said = len(self.said(change))
        for words in ("please recheck", "rechecked this at home", "run-hyper-v"):
            self.comment(change, words)
        time.sleep(SETTLED)
        self.assertEqual(([], said, -1), (self.items(change), len(self.said(change)), self.vote(change)))

    def test_experimental_says_what_came_out_and_leaves_the_vote(self):
        change = self.does_not_install(accounts.NOVA)
        self.answer(change)
        said = self.answer(change, "check experimental")
        self.assertIn("Build failed (experimental pipeline).", said)
        self.assertIn("hyperv-tempest-long", said)
        self.assertEqual(-1, self.vote(change))

    def test_nova_with_a_change_to_the_driver_that_it_depends_on(self):
        driver = self.does_not_install(accounts.DRIVER)
        nova = self.propose(accounts.NOVA, HARMLESS, message=f"For the test\n\nDepends-On: {driver.url}")
        self.assertIn("Build failed (check pipeline).", self.answer(nova))
        self.assertIn("oslo-config&gt;=9999", self.page(nova))

    def test_the_driver_with_a_change_to_nova_that_it_depends_on(self):
        nova = self.does_not_install(accounts.NOVA)
        text = self.show(accounts.DRIVER, "hyperv_driver/__init__.py") + "# nothing\n"
        message = f"For the test\n\nDepends-On: {nova.url}"
        driver = self.propose(accounts.DRIVER, {"hyperv_driver/__init__.py": text}, message=message)
        self.assertIn("Build failed (check pipeline).", self.answer(driver))
        self.assertIn("oslo-config&gt;=9999", self.page(driver))

    def test_nodes_of_a_failed_build_are_kept_on_request(self):
        change = self.does_not_install(accounts.NOVA)
        self.answer(change)
        hold.request(self.home, change, "hyperv-tempest")
        self.addCleanup(hold.release, self.home)
        self.answer(change, "recheck")
        self.wait_for(lambda: len(hold.held()) == 2, 60)
        nodes = hold.held()
        hold.inventory(self.home, nodes)
        self.assertIn("controller-", self.run_command(f"{hold.login(self.home, nodes[0])} hostname"))
        self.assertIn("Directory of", self.run_command(hold.login(self.home, nodes[1])))
        hold.release(self.home)
        self.wait_for(lambda: not hold.held(), 60)

    def test_the_nightly_goes_to_the_maintainer_and_not_to_gerrit(self):
        before = set(self.mails())
        body = {"pipeline": "periodic", "ref": "refs/heads/master", "oldrev": None, "newrev": None}
        zuul.administer(self.home, "post", f"project/{accounts.NOVA}/enqueue", json=body)
        (mail,) = self.wait_for(lambda: set(self.mails()) - before, 3600)
        text = mail.read_text()
        self.assertIn("Subject: The periodic pipeline on openstack/nova master", text)
        self.assertIn("Build succeeded (periodic pipeline).", text)
