# SPDX-License-Identifier: Apache-2.0
import http
import importlib.metadata
import types

import testtools
from neutron.api.rpc.callbacks.producer import registry as producer_registry
from neutron.objects import ports
from neutron.objects.qos import rule as qos_rule
from neutron.services.qos.drivers import manager as qos_manager
from neutron.services.trunk import plugin as trunk_plugin
from neutron.services.trunk import utils as trunk_utils
from neutron_lib.api.definitions import portbindings
from neutron_lib.fixture import CallbackRegistryFixture
from neutron_lib.plugins.ml2 import api

from hyperv_driver import ml2

# neutron imports eventlet.wsgi, and eventlet leaves its green copy of http.server in that one's package.
http.server = importlib.import_module("http.server")


class Context:
    """A port context: what to bind, which agents the port's host has, and what was set."""

    def __init__(self, *segments, vnic_type="normal", agents=()):
        self.current = {"id": "port-1", portbindings.VNIC_TYPE: vnic_type}
        self.network = types.SimpleNamespace(current={"id": "network-1"})
        self.host = "hv1"
        self.segments_to_bind = segments
        self.binding = None
        self._agents = agents

    def host_agents(self, agent_type):
        return [agent for agent in self._agents if agent["agent_type"] == agent_type]

    def set_binding(self, segment_id, vif_type, vif_details, status=None):
        self.binding = types.SimpleNamespace(
            segment=segment_id, type=vif_type, details=vif_details, status=status
        )


def segment(network_type, segmentation_id=None, physical_network="physnet1"):
    return {
        api.ID: f"{network_type}-1",
        api.NETWORK_TYPE: network_type,
        api.SEGMENTATION_ID: segmentation_id,
        api.PHYSICAL_NETWORK: physical_network,
        api.NETWORK_ID: "network-1",
    }


def agent(alive=True, port_filter=True, agent_type="HyperV agent"):
    """As the agents of a host are in neutron's database."""
    configurations = {
        "vswitch_mappings": {"physnet1": "external", "lab-*": "other"},
        "port_filter": port_filter,
    }
    return {"agent_type": agent_type, "alive": alive, "host": "hv1", "configurations": configurations}


class MechanismDriverTest(testtools.TestCase):
    def bind(self, *segments, **context):
        driver = ml2.HyperVMechanismDriver()
        driver.initialize()
        context = Context(*segments, **context)
        driver.bind_port(context)
        return context.binding

    def test_flat(self):
        binding = self.bind(segment("flat"))
        self.assertEqual(("flat-1", "hyperv", "ACTIVE"), (binding.segment, binding.type, binding.status))
        self.assertNotIn("vlan", binding.details)
        self.assertFalse(binding.details["port_filter"])

    def test_vlan(self):
        self.assertEqual("101", self.bind(segment("vlan", 101)).details["vlan"])

    def test_first_that_fits(self):
        self.assertEqual(
            "vlan-1", self.bind(segment("vxlan", 7), segment("vlan", 101), segment("flat")).segment
        )

    def test_leaves_the_rest_to_others(self):
        self.assertIsNone(self.bind(segment("vxlan", 7), segment("local")))
        self.assertIsNone(self.bind(segment("flat"), vnic_type="direct"))
        self.assertIsNone(self.bind())

    def test_agent_wires(self):
        binding = self.bind(segment("vxlan", 7), segment("vlan", 101), agents=[agent()])
        self.assertEqual(("vlan-1", "hyperv", None), (binding.segment, binding.type, binding.status))
        self.assertEqual(
            {"connectivity": "l2", "port_filter": True, "hyperv_wired_by_agent": True}, binding.details
        )

    def test_agent_that_leaves_security_groups_alone(self):
        binding = self.bind(segment("flat"), agents=[agent(port_filter=False)])
        self.assertFalse(binding.details["port_filter"])

    def test_switch_of_the_agent(self):
        self.assertEqual("flat-1", self.bind(segment("flat", None, "lab-7"), agents=[agent()]).segment)
        self.assertIsNone(self.bind(segment("flat", None, "physnet2"), agents=[agent()]))

    def test_dead_agent_binds_nothing(self):
        self.assertIsNone(self.bind(segment("flat"), agents=[agent(alive=False)]))

    def test_agents_of_other_types_do_not_count(self):
        binding = self.bind(segment("flat"), agents=[agent(agent_type="DHCP agent")])
        self.assertEqual("ACTIVE", binding.status)
        self.assertNotIn("hyperv_wired_by_agent", binding.details)

    def test_agent_leaves_the_rest_to_others(self):
        self.assertIsNone(self.bind(segment("local"), agents=[agent()]))
        self.assertIsNone(self.bind(segment("flat"), vnic_type="direct", agents=[agent()]))

    def test_is_a_mechanism_driver(self):
        self.assertIsInstance(ml2.HyperVMechanismDriver(), api.MechanismDriver)
        self.assertEqual("l2", ml2.HyperVMechanismDriver().connectivity)

    def test_entry_point_of_setup_cfg(self):
        import configparser

        setup = configparser.ConfigParser()
        setup.read("setup.cfg")
        name, _, value = setup["entry_points"]["neutron.ml2.mechanism_drivers"].strip().partition(" = ")
        entry = importlib.metadata.EntryPoint(name, value, "neutron.ml2.mechanism_drivers")
        self.assertEqual(("hyperv", ml2.HyperVMechanismDriver), (entry.name, entry.load()))


class QosDriverTest(testtools.TestCase):
    """Through neutron's own driver manager, which asks all drivers that it finds."""

    def setUp(self):
        super().setUp()
        self.useFixture(CallbackRegistryFixture())
        self.patch(qos_manager.resources_rpc, "ResourcesPushRpcApi", object)  # it wants a message bus
        driver = ml2.HyperVMechanismDriver()
        driver.initialize()
        self.addCleanup(producer_registry.clear)
        self.manager = qos_manager.QosServiceDriverManager()

    def takes(self, rule, vif_type="hyperv", **details):
        binding = ports.PortBinding(
            vif_type=vif_type, vif_details=details, status="ACTIVE", vnic_type="normal", host="hv1"
        )
        port = ports.Port(id="11111111-0000-4000-8000-000000000001", bindings=[binding])
        return self.manager.validate_rule_for_port(None, rule, port)

    def limit(self, kbps, direction="egress"):
        return qos_rule.QosBandwidthLimitRule(max_kbps=kbps, max_burst_kbps=0, direction=direction)

    def minimum(self, kbps):
        return qos_rule.QosMinimumBandwidthRule(min_kbps=kbps, direction="egress")

    def test_rules(self):
        taken = [self.limit(1000), self.limit(1000, "ingress"), self.minimum(10486), self.minimum(10485)]
        self.assertEqual(
            [True, False, True, False], [self.takes(rule, hyperv_wired_by_agent=True) for rule in taken]
        )
        self.assertFalse(self.takes(qos_rule.QosDscpMarkingRule(dscp_mark=8), hyperv_wired_by_agent=True))

    def test_ports(self):
        self.assertFalse(self.takes(self.limit(1000)))
        self.assertTrue(self.takes(self.limit(1000), vif_type="unbound"))

    def test_policies_are_announced(self):
        self.assertTrue(self.manager.rpc_notifications_required)


class TrunkDriverTest(testtools.TestCase):
    """Through neutron's own plugin, which does not load without a driver."""

    def test_driver_of_hosts_with_an_agent(self):
        self.useFixture(CallbackRegistryFixture())
        self.patch(trunk_plugin.backend, "ServerSideRpcBackend", object)  # it wants a message bus
        driver = ml2.HyperVMechanismDriver()
        driver.initialize()
        plugin = trunk_plugin.TrunkPlugin()
        (ours,) = (each for each in plugin.registered_drivers if each.name == "hyperv")
        hosts = [["HyperV agent", "Metadata agent"], []]
        self.assertEqual(
            [True, False],
            [trunk_utils.is_driver_compatible(None, ours, "hyperv", agents) for agents in hosts],
        )
        self.assertTrue(ours.can_trunk_bound_port)
        self.assertEqual(object, type(plugin._rpc_notifier))
