# SPDX-License-Identifier: Apache-2.0
"""The agent's decisions. That os-win, Hyper-V and neutron take them: tests/contract/driver/test_agent.py."""

import types
from concurrent import futures

import testtools

from hyperv_driver.agent import acls, config, ports, reports
from hyperv_driver.agent.bandwidth import Bandwidth
from hyperv_driver.agent.rpc import ServerFailure
from hyperv_driver.agent.trunks import Trunks
from hyperv_driver.agent.wiring import Unwireable, Wiring
from hyperv_driver.oswin import exceptions

ONE, TWO = (f"11111111-0000-4000-8000-00000000000{number}" for number in (1, 2))
VLAN = {
    "admin_state_up": True,
    "network_type": "vlan",
    "segmentation_id": 101,
    "physical_network": "physnet1",
    "network_id": "network-1",
    "port_security_enabled": True,
    "mac_address": "fa:16:3e:00:00:01",
    "allowed_address_pairs": [],
}


class FakeNetworkUtils:
    def __init__(self):
        self.adapters = {}
        self.failure = None

        self._conn = types.SimpleNamespace(
            Msvm_SyntheticEthernetPortSettingData=self.vnics,
            Msvm_VirtualEthernetSwitchSettingData=lambda ElementName: [
                types.SimpleNamespace(BandwidthReservationMode=self.mode)
            ],
        )
        self.mode = 2
        self.identities = {}

    def vnics(self):
        return [
            types.SimpleNamespace(ElementName=name, InstanceID=self.identities.get(name, name))
            for name in self.adapters
        ]

    def connect_vnic_to_vswitch(self, switch, port_id):
        if self.failure:
            raise self.failure
        self.adapters[port_id] = {"switch": switch}

    def set_vswitch_port_vlan_id(self, vlan_id, port_id, operation_mode=1, trunk_vlans=None):
        self.adapters[port_id]["vlan"] = vlan_id
        if trunk_vlans:
            self.adapters[port_id]["tagged"] = trunk_vlans

    def remove_switch_port(self, port_id):
        self.adapters[port_id] = {}

    def set_port_qos_rule(self, port_id, rule):
        if rule.get("min_kbps", 0) > rule.get("max_kbps", 1 << 32):
            raise exceptions.InvalidParameterValue(param_name="max_kbps", param_value=rule["max_kbps"])
        self.adapters[port_id]["bandwidth"] = rule

    def _get_switch_port_allocation(self, port_id, expected=True):
        return types.SimpleNamespace(name=port_id, HostResource=[]), True

    def _get_security_setting_data_from_port_alloc(self, port):
        return None

    def _get_bandwidth_setting_data_from_port_alloc(self, port):
        rule = self.adapters[port.name].get("bandwidth", {})
        return types.SimpleNamespace(
            Limit=1024 * rule.get("max_kbps", 0), Reservation=1024 * rule.get("min_kbps", 0)
        )

    def remove_port_qos_rule(self, port_id):
        self.adapters[port_id].pop("bandwidth", None)


class FakeServer:
    def __init__(self):
        self.ports = {}
        self.rules = {}
        self.all_trunks = []
        self.unbound = {}
        self.told = []
        self.failure = None
        self.failed = []
        self.status = "alive"
        self.asked = []

    def details(self, port_ids):
        self.asked.extend(port_ids)
        self._fail()
        return {port_id: {"device": port_id, **self.ports.get(port_id, {})} for port_id in port_ids}

    def policies(self, ids):
        return {policy_id: self.rules[policy_id] for policy_id in ids}

    def trunks(self, parents):
        return [trunk for trunk in self.all_trunks if trunk["port_id"] in parents]

    def bind_subports(self, trunk_id, port_ids):
        self.ports.update(
            {port_id: self.unbound.pop(port_id) for port_id in port_ids if port_id in self.unbound}
        )

    def update_trunk(self, trunk_id, status):
        self.told.append((trunk_id, status))

    def update(self, up, down):
        self._fail()
        self.told.append((up, down))
        return self.failed

    def report(self, configurations, first, timeout):
        self.told.append((first, timeout))
        self._fail()
        return self.status

    def _fail(self):
        if self.failure:
            raise self.failure


class PortsTest(testtools.TestCase):
    def setUp(self):
        super().setUp()
        self.host, self.server = FakeNetworkUtils(), FakeServer()
        mappings = config.Mappings(["physnet1:external", "physnet2:other"])
        trunks = Trunks(self.server, mappings)
        wiring, bandwidth = Wiring(self.host, mappings), Bandwidth(self.host, mappings)
        self.ports = ports.Ports(self.host, self.server, wiring, None, bandwidth, trunks, interval=0)
        self.patch(ports, "RETRY_AFTER", 0)
        self.patch(ports, "EAGER_INTERVAL", 0)

    def turn(self, times=1):
        """What the loop does until it waits."""
        left = iter([False] * times + [True])
        self.ports.run(lambda _seconds: next(left))

    def test_wires_new_adapters_and_says_so_once(self):
        self.host.adapters = {ONE: {}, "Network Adapter": {}}
        self.server.ports[ONE] = VLAN
        self.turn(3)
        self.assertEqual({"switch": "external", "vlan": 101}, self.host.adapters[ONE])
        self.assertEqual([([ONE], [])], self.server.told)

    def test_says_again_what_the_server_failed_at(self):
        self.host.adapters, self.server.ports[ONE], self.server.failed = {ONE: {}}, VLAN, [ONE]
        self.turn(2)
        self.server.failed = []
        self.turn(2)
        self.assertEqual([([ONE], [])] * 3, self.server.told)

    def test_outage_of_the_server_loses_nothing(self):
        self.host.adapters, self.server.ports[ONE] = {ONE: {}}, VLAN
        self.turn()
        self.server.failure = ServerFailure("no answer")
        self.host.adapters = {TWO: {}}
        self.server.ports[TWO] = VLAN
        self.ports.look()
        self.assertRaises(ServerFailure, self.ports.work)
        self.server.failure = None
        self.turn()
        self.assertEqual([([ONE], []), ([], [ONE]), ([TWO], [])], self.server.told)

    def test_adapter_that_is_made_anew_between_two_looks(self):
        self.host.adapters, self.server.ports[ONE] = {ONE: {}}, VLAN
        self.turn()
        self.host.adapters, self.host.identities = {ONE: {}}, {ONE: "another"}
        self.server.failed = [ONE]
        self.turn()
        self.server.failed = []
        self.turn(2)
        self.assertEqual([([ONE], []), ([], [ONE]), ([], [ONE]), ([ONE], [])], self.server.told)
        self.assertEqual({"switch": "external", "vlan": 101}, self.host.adapters[ONE])

    def test_one_failure_leaves_the_others_alone(self):
        self.host.adapters = {ONE: {}, TWO: {}}
        self.server.ports = {ONE: VLAN | {"network_type": "vxlan"}, TWO: VLAN}
        self.turn()
        self.assertEqual([([TWO], [])], self.server.told)
        self.server.ports[ONE] = VLAN
        self.turn()
        self.assertEqual(([ONE], []), self.server.told[-1])

    def test_machine_that_goes_while_it_is_wired(self):
        self.host.adapters, self.server.ports[ONE] = {ONE: {}}, VLAN
        self.host.failure = exceptions.HyperVvNicNotFound(vnic_name=ONE)
        self.turn()
        del self.host.adapters[ONE]
        self.turn(2)
        self.assertEqual([([], [ONE])], self.server.told)

    def test_port_that_is_bound_later(self):
        self.host.adapters = {ONE: {}}
        self.turn(2)
        self.assertEqual([], self.server.told)
        self.server.ports[ONE] = VLAN
        self.ports.updated(ONE, here=True)
        self.turn(2)
        self.assertEqual([([ONE], [])], self.server.told)

    def test_port_that_is_switched_off(self):
        self.host.adapters, self.server.ports[ONE] = {ONE: {}}, VLAN
        self.turn()
        self.server.ports[ONE] = VLAN | {"admin_state_up": False}
        self.ports.updated(ONE, here=True)
        self.turn(2)
        self.assertEqual({ONE: {}}, self.host.adapters)
        self.assertEqual(([], [ONE]), self.server.told[-1])

    def test_resync(self):
        self.host.adapters, self.server.ports[ONE] = {ONE: {}}, VLAN
        self.turn()
        self.ports.resync()
        self.turn(2)
        self.assertEqual([([ONE], [])] * 2, self.server.told)

    def test_policy_of_the_port_and_of_its_network(self):
        self.server.rules = {
            "slow": [
                ("QosBandwidthLimitRule", {"max_kbps": 512, "max_burst_kbps": 0, "direction": "egress"})
            ],
            "fast": [
                ("QosBandwidthLimitRule", {"max_kbps": 4096, "max_burst_kbps": 0, "direction": "egress"})
            ],
        }
        self.host.adapters = {ONE: {}, TWO: {}}
        self.server.ports = {
            ONE: VLAN | {"qos_policy_id": "slow", "qos_network_policy_id": "fast"},
            TWO: VLAN | {"qos_policy_id": None, "qos_network_policy_id": "fast", "network_id": "network-2"},
        }
        self.turn()
        limits = [self.host.adapters[port]["bandwidth"]["max_kbps"] for port in (ONE, TWO)]
        self.assertEqual([500, 4000], limits)
        self.server.rules["slow"] = []
        self.ports.policy_updated("slow")
        self.server.ports[TWO]["qos_network_policy_id"] = None
        self.turn(2)
        self.assertEqual([False, True], ["bandwidth" in self.host.adapters[port] for port in (ONE, TWO)])
        self.ports.network_updated("network-2")
        self.turn(2)
        self.assertNotIn("bandwidth", self.host.adapters[TWO])

    def test_refused_bandwidth_leaves_the_port_up(self):
        limit = ("QosBandwidthLimitRule", {"max_kbps": 1000, "direction": "egress"})
        minimum = ("QosMinimumBandwidthRule", {"min_kbps": 20000, "direction": "egress"})
        self.server.rules = {"both": [limit]}
        self.host.adapters, self.server.ports[ONE] = {ONE: {}}, VLAN | {"qos_policy_id": "both"}
        self.turn()
        self.server.rules = {"both": [limit, minimum]}
        self.ports.policy_updated("both")
        with self.assertLogs("hyperv_driver.agent.bandwidth", "ERROR") as log:
            self.turn(2)
        self.assertIn("without the bandwidth of QoS policy both", log.output[0])
        self.assertNotIn("bandwidth", self.host.adapters[ONE])
        self.assertEqual([([ONE], [])] * 2, self.server.told)

    def test_switch_that_reserves_no_bandwidth_has_limits(self):
        limit = ("QosBandwidthLimitRule", {"max_kbps": 40960, "direction": "egress"})
        minimum = ("QosMinimumBandwidthRule", {"min_kbps": 20480, "direction": "egress"})
        self.server.rules, self.host.mode = {"both": [limit, minimum]}, 1
        self.host.adapters, self.server.ports[ONE] = {ONE: {}}, VLAN | {"qos_policy_id": "both"}
        with self.assertLogs("hyperv_driver.agent.bandwidth", "ERROR") as log:
            self.turn()
        self.assertIn("virtual switch external is not in absolute mode", log.output[0])
        self.assertEqual({"max_kbps": 40000}, self.host.adapters[ONE]["bandwidth"])

    def test_bandwidth_that_a_port_has_already_is_left_alone(self):
        limit = ("QosBandwidthLimitRule", {"max_kbps": 1024, "direction": "egress"})
        self.server.rules = {"p": [limit]}
        self.host.adapters, self.server.ports[ONE] = {ONE: {}}, VLAN | {"qos_policy_id": "p"}
        self.turn()
        set_again = []
        self.host.set_port_qos_rule = lambda *arguments: set_again.append(arguments)
        self.host.connect_vnic_to_vswitch = lambda switch, port_id: None
        self.ports.resync()
        self.turn(2)
        self.assertEqual([([ONE], [])] * 2, self.server.told)
        self.assertEqual([], set_again)

    def test_what_hyper_v_has_no_rule_for(self):
        self.server.rules = {"p": [("QosBandwidthLimitRule", {"max_kbps": 9, "direction": "ingress"})]}
        self.host.adapters, self.server.ports[ONE] = {ONE: {}}, VLAN | {"qos_policy_id": "p"}
        with self.assertLogs("hyperv_driver.agent.bandwidth", "WARNING"):
            self.turn()
        self.assertNotIn("bandwidth", self.host.adapters[ONE])

    def test_trunk(self):
        trunk = {"id": "trunk-1", "port_id": ONE, "sub_ports": {"sub-1": 201, "sub-2": 202}}
        self.host.adapters, self.server.ports[ONE] = {ONE: {}}, VLAN
        self.server.unbound = {f"sub-{n}": VLAN | {"segmentation_id": 200 + n} for n in (1, 2)}
        self.server.all_trunks = [trunk]
        self.turn()
        self.assertEqual(
            {"switch": "external", "vlan": 101, "tagged": [101, 201, 202]}, self.host.adapters[ONE]
        )
        self.assertEqual([([ONE, "sub-1", "sub-2"], []), ("trunk-1", "ACTIVE")], self.server.told)
        self.server.all_trunks = [trunk | {"sub_ports": {"sub-2": 202}}]
        self.ports.trunk_updated("trunk-1")
        self.turn(2)
        self.assertEqual([101, 202], self.host.adapters[ONE]["tagged"])
        self.assertEqual([([ONE, "sub-2"], ["sub-1"]), ("trunk-1", "ACTIVE")], self.server.told[2:])
        self.host.adapters = {}
        self.turn(2)
        self.assertEqual({ONE, "sub-2"}, set(self.server.told[4][1]))

    def test_subports_that_hyper_v_cannot_carry(self):
        others = {
            "translated": VLAN | {"segmentation_id": 999},
            "of the parent": VLAN,
            "elsewhere": VLAN | {"segmentation_id": 203, "physical_network": "physnet2"},
            "good": VLAN | {"segmentation_id": 204},
        }
        vlans = {"translated": 201, "of the parent": 101, "elsewhere": 203, "good": 204, "unbound": 205}
        self.server.all_trunks = [{"id": "trunk-1", "port_id": ONE, "sub_ports": vlans}]
        self.host.adapters, self.server.ports = {ONE: {}}, {ONE: VLAN, **others}
        with self.assertLogs("hyperv_driver.agent.trunks", "ERROR") as log:
            self.turn()
        self.assertEqual([101, 204], self.host.adapters[ONE]["tagged"])
        self.assertEqual([([ONE, "good"], []), ("trunk-1", "DEGRADED")], self.server.told)
        reasons = " ".join(log.output)
        for reason in ("201, expected its network's, vlan 999", "101, the VLAN of the parent"):
            self.assertIn(reason, reasons)
        for reason in ("on virtual switch other, its parent's on external", "has not bound it"):
            self.assertIn(reason, reasons)

    def test_looks_more_often_for_what_is_announced(self):
        self.ports.updated(ONE, here=False)
        self.turn()
        self.assertEqual({}, self.ports._announced)
        self.ports.updated(ONE, here=True)
        self.turn()
        self.assertEqual([ONE], list(self.ports._announced))
        self.host.adapters, self.server.ports[ONE] = {ONE: {}}, VLAN
        self.turn()
        self.assertEqual({}, self.ports._announced)

    def announce(self, port_id=ONE):
        self.server.ports[port_id] = VLAN
        self.ports.updated(port_id, here=True)
        self.turn(2)
        futures.wait(self.ports._answers[port_id][::2])
        self.assertEqual(port_id, self.server.asked[-1])

    def test_asks_for_what_is_announced_before_its_adapter_is_there(self):
        self.announce()
        self.assertEqual([], self.server.told)
        self.host.adapters = {ONE: {}}
        self.turn()
        self.assertEqual([ONE], self.server.asked)
        self.assertEqual({"switch": "external", "vlan": 101}, self.host.adapters[ONE])
        self.assertEqual([([ONE], [])], self.server.told)

    def test_what_was_answered_ahead_is_outdated_by_any_news(self):
        for news in (
            lambda: self.ports.members_updated(["group-1"]),
            lambda: self.ports.network_updated("network-1"),
            lambda: self.ports.trunk_updated("trunk-1", ONE),
            lambda: self.ports.updated(ONE, here=False),
            self.ports.resync,
        ):
            self.announce()
            self.server.ports[ONE] = VLAN | {"segmentation_id": 102}
            news()
            self.turn()
            self.host.adapters = {ONE: {}}
            self.turn()
            self.assertEqual(102, self.host.adapters[ONE]["vlan"])
            self.host.adapters = {}
            self.turn()
            self.server.asked.clear()

    def test_another_port_outdates_nothing(self):
        self.announce()
        self.announce(TWO)
        self.host.adapters = {ONE: {}}
        self.turn()
        self.assertEqual([ONE, TWO], self.server.asked)

    def test_outage_while_asked_ahead_loses_nothing(self):
        self.server.failure = ServerFailure("no answer")
        self.announce()
        self.server.failure = None
        self.host.adapters = {ONE: {}}
        self.turn(2)
        self.assertEqual([], self.server.told)
        self.turn()
        self.assertEqual([([ONE], [])], self.server.told)

    def test_what_was_answered_for_no_adapter_is_dropped(self):
        self.announce()
        self.patch(ports, "ANNOUNCED_FOR", 0)
        self.ports.updated(ONE, here=True)
        self.turn(3)
        self.assertEqual({}, self.ports._answers)


class ReportsTest(testtools.TestCase):
    def setUp(self):
        super().setUp()
        self.server, self.resyncs = FakeServer(), []
        self.patch(reports, "FIRST_TIMEOUT", 0.01)
        self.reports = reports.Reports(self.server, {}, 0.02, lambda: self.resyncs.append(1))

    def report(self, *outcomes):
        """Report as often as there are outcomes, each a status or an error."""
        left = iter(outcomes)

        def fail():
            self.server.failure, self.server.status = None, next(left, None)
            if self.server.status is None:
                self.reports.stop()
            elif isinstance(self.server.status, Exception):
                raise self.server.status

        self.server._fail = fail
        self.reports.run()

    def test_first_report_says_so(self):
        self.report("new", "alive")
        self.assertEqual([True, False], [first for first, _timeout in self.server.told[:2]])
        self.assertEqual([], self.resyncs)

    def test_report_that_was_too_old_is_made_again(self):
        def told(_configurations, first, _timeout):
            self.server.told.append(first)
            if len(self.server.told) == 3:
                self.reports.stop()
            return None if len(self.server.told) == 1 else "new"

        self.server.report = told
        self.reports.run()
        self.assertEqual([True, True, False], self.server.told)

    def test_late_server_is_no_outage(self):
        self.report(ServerFailure("no answer"), "new")
        self.assertEqual([True, True], [first for first, _timeout in self.server.told[:2]])
        self.assertEqual([], self.resyncs)

    def test_outage(self):
        self.report("new", ServerFailure("no broker"), "alive", "alive")
        self.assertEqual([1], self.resyncs)

    def test_given_up_by_neutron(self):
        self.report("new", "revived", "alive")
        self.assertEqual([1], self.resyncs)


class MappingsTest(testtools.TestCase):
    def test_first_that_fits(self):
        mappings = config.Mappings(["physnet1:one", " phys* : two "])
        self.assertEqual(["one", "two"], [mappings.switch("physnet1"), mappings.switch("physnet2")])
        error = self.assertRaises(LookupError, mappings.switch, "other")
        self.assertIn("no virtual switch for physical network other", str(error))

    def test_what_is_no_mapping(self):
        self.assertIn("is empty", str(self.assertRaises(ValueError, config.Mappings, [])))
        self.assertIn("'physnet1'", str(self.assertRaises(ValueError, config.Mappings, ["physnet1"])))


class ResourceProvidersTest(testtools.TestCase):
    """What neutron-server is to tell Placement of a switch's bandwidth."""

    def providers(self, *bandwidths, mappings=("physnet1:external",), **options):
        options = {
            "resource_provider_bandwidths": list(bandwidths),
            "resource_provider_hypervisors": {},
            "resource_provider_default_hypervisor": "hv1",
            "resource_provider_inventory_defaults": {"allocation_ratio": "1.5"},
        } | options
        return config.resource_providers(types.SimpleNamespace(**options), config.Mappings(mappings))

    def test_options(self):
        providers = self.providers("external:1000:", resource_provider_hypervisors={"external": "node-1"})
        self.assertEqual(
            {"external": {"egress": 1000, "ingress": None}}, providers["resource_provider_bandwidths"]
        )
        self.assertEqual({"allocation_ratio": 1.5}, providers["resource_provider_inventory_defaults"])
        self.assertEqual({"external": "node-1"}, providers["resource_provider_hypervisors"])
        self.assertEqual({"external": "hv1"}, self.providers("external:1:")["resource_provider_hypervisors"])

    def test_what_hyper_v_does_not_reserve(self):
        for bandwidth in ("external:1000:1000", "external::", "external", "external:0:"):
            error = self.assertRaises(ValueError, self.providers, bandwidth)
            self.assertIn("kbit/s of egress and none of ingress", str(error))

    def test_switches_whose_network_placement_could_not_know(self):
        for mappings in (["*:external"], ["physnet1:external", "physnet2:external"], ["physnet1:other"]):
            error = self.assertRaises(ValueError, self.providers, "external:1000:", mappings=mappings)
            self.assertIn("expected one physical network by its name", str(error))


class AclsTest(testtools.TestCase):
    """What a rule of neutron comes to."""

    def acls(self, **rule):
        rule = {"direction": "ingress", "ethertype": "IPv4"} | rule
        info = {
            "security_groups": {"group-1": [rule]},
            "sg_member_ips": {"group-1": {"IPv4": [["10.0.0.5", "fa:16:3e:00:00:01"]], "IPv6": []}},
        }
        port = {"security_group_rules": [], "security_groups": ["group-1"]}
        return list(acls._allowed(port, info))

    def test_ports_of_either_direction(self):
        ports = {"protocol": "tcp", "port_range_min": 80, "port_range_max": 90}
        (incoming,), (outgoing,) = self.acls(**ports), self.acls(direction="egress", **ports)
        self.assertEqual((1, "80-90", "ANY"), (incoming.Direction, incoming.LocalPort, incoming.RemotePort))
        self.assertEqual((2, "ANY", "80-90"), (outgoing.Direction, outgoing.LocalPort, outgoing.RemotePort))
        self.assertEqual([(1, True), (1, True)], [(acl.Action, acl.Stateful) for acl in (incoming, outgoing)])

    def test_protocols(self):
        def names(**rule):
            return [(acl.Protocol, acl.Stateful) for acl in self.acls(**rule)]

        self.assertEqual([("tcp", True), ("udp", True), ("1", False)], names())
        self.assertEqual([("tcp", True), ("udp", True), ("58", False)], names(ethertype="IPv6"))
        self.assertEqual([("58", False)], names(protocol="icmp", ethertype="IPv6"))
        self.assertEqual([("58", False)], names(protocol="ipv6-icmp", ethertype="IPv6"))
        self.assertEqual([("tcp", True), ("47", False)], names(protocol="6") + names(protocol="gre"))
        self.assertEqual([("udp", False)], names(protocol="udp", stateful=False))

    def test_remote_group_is_its_members(self):
        (acl,) = self.acls(protocol="udp", remote_group_id="group-1")
        self.assertEqual("10.0.0.5/32", acl.RemoteIPAddress)
        self.assertEqual([], self.acls(protocol="udp", ethertype="IPv6", remote_group_id="group-1"))
        self.assertEqual([], self.acls(protocol="udp", remote_group_id="nobody"))

    def test_port_whose_groups_the_server_does_not_know_keeps_its_acls(self):
        applied = acls.Acls(object())  # nothing is asked of os-win
        details = {"device_owner": "compute:nova", "port_security_enabled": True}
        self.assertRaises(Unwireable, applied.apply, ONE, details, {"devices": {}})

    def test_addresses(self):
        self.assertEqual("0.0.0.0/0", self.acls(protocol="udp")[0].RemoteIPAddress)
        self.assertEqual("::/0", self.acls(protocol="udp", ethertype="IPv6")[0].RemoteIPAddress)
        self.assertEqual("192.0.2.0/24", self.acls(source_ip_prefix="192.0.2.0/24")[0].RemoteIPAddress)

    def test_everything_else_is_denied(self):
        self.assertEqual(
            {(direction, address) for direction in (1, 2) for address in ("0.0.0.0/0", "::/0")},
            {(acl.Direction, acl.RemoteIPAddress) for acl in acls.DENIED},
        )
        self.assertEqual(
            {(2, "ANY", False)}, {(acl.Action, acl.Protocol, acl.Stateful) for acl in acls.DENIED}
        )

    def test_equal_to_what_hyper_v_has(self):
        (acl,) = self.acls(protocol="tcp")
        self.assertEqual(acl, types.SimpleNamespace(**acl.to_dict(), Weight=65499))
        self.assertNotEqual(acl, types.SimpleNamespace(**acl.to_dict() | {"Stateful": False}))
