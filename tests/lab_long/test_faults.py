# SPDX-License-Identifier: Apache-2.0
"""Infrastructure is not the author's fault: faults made on purpose, and changes that look like one."""

import contextlib
import subprocess
import tempfile
import threading
import time
from pathlib import Path

from lab import changes, node_faults
from lab.services import zuul
from tests.lab.command import CHANGES, CHECKOUT
from tests.lab_long.review import ReviewTest, put

# Longer than the attendant's probe and the repeated run.
PATIENCE = 3600
INFRASTRUCTURE = "Infrastructure: it was this CI that failed, and not the change, so there is no vote."


class FaultsTest(ReviewTest):
    @contextlib.contextmanager
    def faults(self, *rules):
        """Make faults meanwhile; yield what was made."""
        # Not in the nodes of a build before, which Nodepool still deletes.
        self.wait_for(lambda: not list(self.home.nodes.glob("*/node.json")))
        made, ended = [], threading.Event()
        injector = node_faults.Faults(self.home.nodes, [node_faults.Rule.parse(rule) for rule in rules])

        def go_on():
            while not ended.wait(0.2):
                made.extend(injector.look())

        thread = threading.Thread(target=go_on)
        thread.start()
        try:
            yield made
        finally:
            ended.set()
            thread.join()

    def assertInfrastructure(self, outcome, phase):
        self.assertEqual(0, outcome.vote, outcome.text)
        self.assertIn("Build failed (check pipeline).", outcome.text)
        self.assertIn(INFRASTRUCTURE, outcome.text)
        self.assertRegex(outcome.text, phase)
        mails = sorted(self.home.mails.glob("*.eml"))
        self.assertIn(f"openstack/nova {outcome.change},1", mails[-1].read_text())

    def test_nodes_that_never_come_up_and_the_run_that_follows_by_itself(self):
        with self.faults("hyperv:die"):
            outcome = self.push("--patch", CHANGES / "harmless.patch")
            self.assertInfrastructure(outcome, "phase nodes: Nodepool could not make them")
        change = changes.find(self.home, int(outcome.change))
        deadline = time.monotonic() + PATIENCE
        while not (vote := self.vote(change)):
            self.assertLess(time.monotonic(), deadline)
            time.sleep(5)
        self.assertEqual((1, 2), (vote, len(self.said(change))))

    def test_a_node_that_dies_once_is_replaced(self):
        with self.faults("hyperv:die@C/OpenStack/src*1") as made:
            outcome = self.push("--patch", CHANGES / "harmless.patch")
        self.assertEqual((1, 1), (len(made), outcome.vote))
        self.assertEqual(["SUCCESS", "RETRY"], self.results(outcome.change))

    def results(self, number):
        """Return the results of a change's builds of hyperv-tempest, the newest first."""
        builds = zuul.get(f"tenant/{zuul.TENANT}/builds?change={number}&job_name=hyperv-tempest")
        return [build["result"] for build in builds]

    def test_nodes_that_die_in_a_phase(self):
        for path, phase in (
            ("C/Windows", "phase"),
            ("C/OpenStack/src", "phase hyperv could not be reached in “Sources and wheels”"),
            ("C/OpenStack/venv", "phase hyperv could not be reached in “Control plane and nova-compute”"),
        ):
            with self.subTest(path), self.faults(f"hyperv:die@{path}"):
                outcome = self.push("--patch", CHANGES / "harmless.patch")
                self.assertInfrastructure(outcome, phase)
                self.assertEqual(["RETRY_LIMIT", "RETRY", "RETRY"], self.results(outcome.change))

    def test_winrm_that_hangs(self):
        with self.faults("hyperv:hang@C/OpenStack/src"):
            outcome = self.push("--patch", CHANGES / "harmless.patch")
            self.assertInfrastructure(outcome, "phase hyperv could not be reached in “Sources and wheels”")

    def test_a_controller_that_does_not_come_up(self):
        with self.faults("controller:no-database"):
            outcome = self.push("--patch", CHANGES / "harmless.patch")
            self.assertInfrastructure(outcome, "phase control plane: Wait for MariaDB")

    def test_a_package_index_that_is_down(self):
        with self.faults("controller:no-index"):
            outcome = self.push("--patch", CHANGES / "does-not-install.patch")
            self.assertInfrastructure(outcome, "phase package index: wheelhouse: the index does not answer")

    def test_changes_that_look_like_a_fault(self):
        for name, file, old, new in (
            ("nova-compute that exits", "hyperv_driver/driver.py", "def init_host(", EXIT),
            ("a driver for which the disk is full", "hyperv_driver/vmops.py", "def spawn(", FULL),
        ):
            with self.subTest(name):
                outcome = self.push("--project", "hyperv-ci", "--patch", self.patch(file, old, new))
                self.assertEqual(-1, outcome.vote)
                self.assertNotIn("Infrastructure", outcome.text)
                self.assertEqual(["FAILURE"], self.results(outcome.change))

    def patch(self, file, before, lines):
        """Return a change that puts lines at the beginning of a function of the driver."""
        folder = Path(self.enterContext(tempfile.TemporaryDirectory()))
        tree = folder / "tree"
        subprocess.run(["git", "clone", "--quiet", "--shared", CHECKOUT, tree], check=True)
        (tree / file).write_text(put((tree / file).read_text(), before, lines))
        (folder / "x.patch").write_text(subprocess.check_output(["git", "-C", tree, "diff"], text=True))
        return folder / "x.patch"


EXIT = "        import os\n\n        os._exit(3)\n"
FULL = '        raise OSError(28, "No space left on device")\n'
