# SPDX-License-Identifier: Apache-2.0
"""Faults made on purpose: which rules there are, and that each happens where and as often as it says."""

import signal
import sys
import tempfile
import time
import unittest
from pathlib import Path

from lab.errors import LabError
from lab.node_faults import PORTS, Faults, Rule
from lab.nodes import Nodes
from lab.services.processes import Process, family


class RulesTest(unittest.TestCase):
    def test_rules(self):
        for text, expected in (
            ("hyperv:die", Rule("hyperv", "die")),
            ("controller:no-index*2", Rule("controller", "no-index", times=2)),
            ("hyperv:hang@C/OpenStack/src*1", Rule("hyperv", "hang", "C/OpenStack/src", 1)),
        ):
            self.assertEqual(expected, Rule.parse(text))

    def test_no_rules(self):
        for text in ("", "hyperv", "windows:die", "hyperv:dies", "hyperv:die@", "hyperv:die*x"):
            expected = "is no fault: expected controller or hyperv"
            with self.subTest(text), self.assertRaisesRegex(LabError, expected):
                Rule.parse(text)


class FaultsTest(unittest.TestCase):
    def setUp(self):
        self.folder = Path(self.enterContext(tempfile.TemporaryDirectory()))
        self.nodes = Nodes(self.folder / "nodes")
        self.addCleanup(self.nodes.delete_all)

    def node(self, kind):
        name = f"np{len(self.nodes.list())}"
        command = [sys.executable, "-c", "import subprocess; subprocess.run(['sleep', '60'])"]
        log = self.folder / "log"
        return self.nodes.create(name, "127.0.9.0/24", PORTS[kind], lambda *_: command, log, {}, "/")

    def make(self, *rules):
        return Faults(self.folder / "nodes", [Rule.parse(rule) for rule in rules])

    def test_a_node_dies_with_what_it_started(self):
        controller, hyperv = self.node("controller"), self.node("hyperv")
        leader = Process(hyperv.pid, hyperv.started)
        started = self.until(lambda: family([leader]) - {leader})
        self.assertEqual([f"die: hyperv {hyperv.name}"], list(self.make("hyperv:die").look()))
        self.until(lambda: not hyperv.is_alive())
        self.until(lambda: not any(process.alive() for process in started))
        self.assertTrue(controller.is_alive())

    def until(self, what):
        """Wait until a function returns something, and return that."""
        deadline = time.monotonic() + 60
        while not (found := what()):
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.01)
        return found

    def test_a_node_hangs(self):
        node = self.node("hyperv")
        list(self.make("hyperv:hang").look())
        self.until(lambda: "T (stopped)" in Path(f"/proc/{node.pid}/status").read_text())
        # As when Nodepool deletes it: the request to end is not heard.
        node.signal(signal.SIGKILL)

    def test_not_before_the_node_has_come_as_far(self):
        node = self.node("hyperv")
        faults = self.make("hyperv:die@C/OpenStack")
        self.assertEqual([], list(faults.look()))
        (node.folder / "C/OpenStack").mkdir(parents=True)
        self.assertEqual([f"die: hyperv {node.name}, which has C/OpenStack"], list(faults.look()))

    def test_as_often_as_the_rule_says_and_once_to_a_node(self):
        faults = self.make("controller:no-index*2")
        for made in (1, 1, 0):
            self.node("controller")
            self.assertEqual(made, len(list(faults.look())))
            self.assertEqual([], list(faults.look()))

    def test_what_a_controller_without_index_asks(self):
        node = self.node("controller")
        list(self.make("controller:no-index").look())
        config = node.folder / "home/.config"
        self.assertIn("http://127.0.0.1:9/", (config / "uv/uv.toml").read_text())
        self.assertIn("http://127.0.0.1:9/", (config / "pip/pip.conf").read_text())
