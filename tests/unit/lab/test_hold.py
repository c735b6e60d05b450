# SPDX-License-Identifier: Apache-2.0
"""How one logs in to nodes that are kept for inspection."""

import shlex
import tempfile
import unittest
from pathlib import Path
from unittest import mock

import yaml

from lab import hold
from lab.home import Home

# What Nodepool's launcher says of its nodes, as far as it matters.
LIST = [
    {
        "id": "0000000012",
        "label": ["hyperv-2022"],
        "public_ipv4": "127.0.3.1",
        "state": "hold",
        "comment": "x",
    },
    {
        "id": "0000000011",
        "label": ["controller"],
        "public_ipv4": "127.0.2.1",
        "state": "hold",
        "comment": "x",
    },
    {
        "id": "0000000013",
        "label": ["controller"],
        "public_ipv4": "127.0.2.2",
        "state": "in-use",
        "comment": None,
    },
]


class HoldTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.home = Home(Path(folder.name))
        self.home.state.mkdir()
        answer = mock.Mock(json=lambda: LIST)
        self.enterContext(mock.patch.object(hold.requests, "get", return_value=answer))

    def test_only_held_nodes_are_listed(self):
        self.assertEqual(["controller-11", "hyperv-12"], [node.host for node in hold.held()])

    def test_inventory_and_commands(self):
        controller, windows = hold.held()
        hosts = yaml.safe_load(hold.inventory(self.home, [controller, windows]).read_text())["all"]["hosts"]
        self.assertEqual(("127.0.2.1", 2222), self.address(hosts["controller-11"]))
        self.assertEqual(("127.0.3.1", 5986), self.address(hosts["hyperv-12"]))
        self.assertEqual(f"{self.home.keys}/winrm/winrm.pem", hosts["hyperv-12"]["ansible_winrm_cert_pem"])
        words = shlex.split(hold.login(self.home, controller))
        self.assertEqual(["ssh", "-i", f"{self.home.keys}/node"], words[:3])
        self.assertEqual(["-p", "2222", "zuul@127.0.2.1"], words[-3:])
        words = shlex.split(hold.login(self.home, windows))
        self.assertEqual(["-i", f"{self.home.state}/held.yaml", "hyperv-12"], words[1:4])

    @staticmethod
    def address(host):
        return host["ansible_host"], host["ansible_port"]
