# SPDX-License-Identifier: Apache-2.0
"""The Nodepool driver ``simulated`` under Nodepool's own loader, configuration and state machines."""

import shutil
import signal
import sys
import tempfile
import time
import unittest
from pathlib import Path
from unittest import mock

import jinja2
import yaml
from nodepool.config import Config
from nodepool.driver import Drivers
from nodepool.exceptions import LaunchNodepoolException, NotFound
from nodepool.zk.zookeeper import NodeRequest

from lab import nodes

CHECKOUT = Path(__file__).parents[3]
METADATA = {"nodepool_node_id": "0000000001", "nodepool_provider_name": "lab"}


def rendered_configuration(folder):
    """Return nodepool.yaml as the lab renders it, every path below ``folder``."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(CHECKOUT / "nodepool"), undefined=jinja2.StrictUndefined
    )
    values = {
        "nodepool_zookeeper_host": "127.0.0.1",
        "nodepool_zookeeper_port": 2281,
        "nodepool_webapp_address": "127.0.0.1",
        "nodepool_webapp_port": 8005,
        "nodepool_providers": ["lab"],
        "nodepool_lab_nodes": f"{folder}/nodes",
        "nodepool_lab_logs": f"{folder}/logs",
        "nodepool_lab_python": sys.executable,
        "nodepool_lab_checkout": str(CHECKOUT),
        "nodepool_lab_images": f"{folder}/images",
        "nodepool_lab_networks": f"{folder}/networks",
        "nodepool_lab_max_servers": 4,
    }
    for name in ("zookeeper_tls_cert", "zookeeper_tls_key", "zookeeper_tls_ca"):
        values[f"nodepool_{name}"] = f"{folder}/{name}"
    for name in ("windows_tls", "authorized_key"):
        values[f"nodepool_lab_{name}"] = f"{folder}/{name}"
    return yaml.safe_load(environment.get_template("nodepool.yaml.j2").render(values))


class SimulatedDriverTest(unittest.TestCase):
    def setUp(self):
        self.folder = Path(tempfile.mkdtemp(prefix="simulated-driver-"))
        self.addCleanup(shutil.rmtree, self.folder)
        self.addCleanup(Drivers.load)
        Drivers.load([str(CHECKOUT / "nodepool" / "drivers")])
        self.addCleanup(nodes.Nodes(self.folder / "nodes").delete_all)

    def configured(self, **options):
        """Return the provider's configuration with the fake node behind both labels."""
        document = rendered_configuration(self.folder)
        provider = document["providers"][0]
        for label in provider["pools"][0]["labels"]:
            label["module"] = "tests.contract.controller.fake_node"
            label["options"] = options
        Drivers.get("simulated").getProviderConfig(provider).getSchema()(provider)
        config = Config()
        config.setLabels(document["labels"])
        config.setProviders(document["providers"])
        return config.providers["lab"]

    def adapter(self, **options):
        self.config = self.configured(**options)
        return Drivers.get("simulated").getAdapter(self.config)

    def created(self, adapter, label, hostname="np0000000001", request="200-0000000001"):
        """Drive the creation of a node as Nodepool's loop does; return its instance."""
        request = NodeRequest(request)
        machine = adapter.getCreateStateMachine(
            hostname, self.config.pools["main"].labels[label], None, METADATA, request, None, None
        )
        return self.advanced(machine)

    def advanced(self, machine):
        deadline = time.monotonic() + 20
        while not machine.complete:
            self.assertLess(time.monotonic(), deadline, f"still {machine.state}")
            result = machine.advance()
            time.sleep(0.02)
        return result

    def test_the_lab_s_configuration_is_valid(self):
        document = rendered_configuration(self.folder)
        provider = document["providers"][0]
        Drivers.get("simulated").getProviderConfig(provider).getSchema()(provider)
        self.assertEqual(
            {label["name"] for label in document["labels"]},
            {label["name"] for label in provider["pools"][0]["labels"]},
        )

    def test_a_node_lives_from_creation_to_deletion(self):
        adapter = self.adapter()
        instance = self.created(adapter, "hyperv-2022")
        self.assertEqual(("np0000000001", "127.0.3.1"), (instance.external_id, instance.interface_ip))
        folder = self.folder / "nodes" / "np0000000001"
        self.assertEqual("hyperv-sim-1 127.0.3.1 5986", (folder / "arguments").read_text())
        node = nodes.Nodes(folder.parent).get("np0000000001")
        self.assertTrue(node.is_alive())
        self.advanced(adapter.getDeleteStateMachine("np0000000001", None))
        self.assertFalse(node.is_alive())
        self.assertFalse(folder.exists())
        self.assertTrue((self.folder / "logs" / "np0000000001.log").exists())

    def test_ssh_nodes_come_with_their_host_key(self):
        instance = self.created(self.adapter(), "controller")
        key = (self.folder / "nodes" / "np0000000001" / "ssh_host_key.pub").read_text()
        self.assertEqual([key.strip()], instance.host_keys)

    def test_addresses_are_the_first_free_ones(self):
        adapter = self.adapter()
        made = [self.created(adapter, "controller", f"np{number}").interface_ip for number in (1, 2)]
        self.assertEqual(["127.0.2.1", "127.0.2.2"], made)
        self.advanced(adapter.getDeleteStateMachine("np1", None))
        self.assertEqual("127.0.2.1", self.created(adapter, "controller", "np3").interface_ip)

    def test_nodes_of_one_request_share_a_network_and_no_others(self):
        adapter = self.adapter(network=f"{self.folder}/networks/{{request}}")
        for name, request in (("np1", "200-1"), ("np2", "200-1"), ("np3", "200-2")):
            self.created(adapter, "hyperv-2022", name, request)
        one, two, three = (f"HYPERV-SIM-{number}" for number in (1, 2, 3))
        self.assertEqual({"200-1": {one, two}, "200-2": {three}}, self.networks())
        self.advanced(adapter.getDeleteStateMachine("np1", None))
        self.assertEqual({"200-1": {two}, "200-2": {three}}, self.networks())
        self.advanced(adapter.getDeleteStateMachine("np2", None))
        self.assertEqual({"200-2": {three}}, self.networks())

    def networks(self):
        return {
            network.name: {host.name for host in network.glob("hosts/*")}
            for network in self.folder.glob("networks/*")
        }

    def test_a_restarted_launcher_finds_its_nodes(self):
        self.created(self.adapter(), "controller")
        adapter = self.adapter()
        (resource,) = adapter.listResources()
        self.assertEqual(METADATA, resource.metadata)
        self.assertEqual(["127.0.2.1"], [instance.interface_ip for instance in adapter.listInstances()])
        adapter.deleteResource(resource)
        self.assertEqual([], adapter.listInstances())

    def test_a_node_that_ends_is_an_error_with_its_last_words(self):
        with self.assertRaisesRegex(LaunchNodepoolException, "controller np0000000001 ended: no such image"):
            self.created(self.adapter(behaviour="fails"), "controller")

    def test_a_node_that_stays_is_ended_by_force(self):
        adapter = self.adapter(behaviour="stubborn")
        self.created(adapter, "controller")
        node = nodes.Nodes(self.folder / "nodes").get("np0000000001")
        # Nodepool's loader keeps a driver out of sys.modules.
        with mock.patch.dict(type(adapter).__init__.__globals__, END_TIMEOUT=0.2):
            self.advanced(adapter.getDeleteStateMachine("np0000000001", None))
        self.assertFalse(node.is_alive())

    def test_an_unknown_node_is_not_found(self):
        with self.assertRaises(NotFound):
            self.adapter().getDeleteStateMachine("np9", None).advance()

    def test_another_process_with_the_pid_is_left_alone(self):
        self.created(self.adapter(), "controller")
        node = nodes.Nodes(self.folder / "nodes").get("np0000000001")
        impostor = nodes.Node(**(vars(node) | {"started": node.started - 1}))
        impostor.signal(signal.SIGKILL)
        self.assertTrue(node.is_alive())

    def test_a_node_that_cannot_be_started_leaves_nothing(self):
        store = nodes.Nodes(self.folder / "nodes")
        arguments = ("np1", "127.0.4.0/31", 22, lambda *_: ["/no/such/program"], self.folder / "log", {}, "/")
        for _ in range(2):
            with self.assertRaisesRegex(FileNotFoundError, "/no/such/program"):
                store.create(*arguments)
        self.assertEqual([], list((self.folder / "nodes").iterdir()))

    def test_a_full_network_is_an_error(self):
        store = nodes.Nodes(self.folder / "nodes")
        made = []
        for number in (1, 2):
            arguments = (
                f"np{number}",
                "127.0.4.0/31",
                22,
                lambda *_: ["sleep", "60"],
                self.folder / "log",
                {},
                "/",
            )
            made.append(store.create(*arguments))
        with self.assertRaisesRegex(nodes.NodesError, "no address of 127.0.4.0/31 is free for np3"):
            store.create("np3", *arguments[1:])
