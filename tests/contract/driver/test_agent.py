# SPDX-License-Identifier: Apache-2.0
"""The L2 agent on os-win and a Hyper-V host, against neutron's own RPC classes."""

import subprocess

from lab.hyperv_model.host import HostFacts
from tests.contract.driver.on_hyperv import HyperVHostTest, OnHyperVTest
from tests.features import feature

CONFIGURATION = """
[DEFAULT]
transport_url = fake://
host = hv1
rpc_response_timeout = 2
use_stderr = true
[database]
connection = sqlite://
[AGENT]
physical_network_vswitch_mappings = physnet*:external
polling_interval = 0.2
report_interval = 1
"""
V2 = "root/virtualization/v2"


class AgentTest(OnHyperVTest):
    program = "tests.contract.driver.agent_process"
    facts = HostFacts(switches=("external", "other"))

    @classmethod
    def prepare(cls):
        (cls.c_drive / "agent.conf").write_text(CONFIGURATION)

    def of_port(self, class_name):
        """The features of a class that the host's ports have."""
        features = self.model.store.of(V2, class_name)
        return [feature for feature in features if "Definition" not in feature["InstanceID"]]

    def test_vlan(self):
        said = self.nova("""
            port_id = plugin.add_port(1)
            plugin.notify(port_id)
            make_adapter(port_id)
            said = [active(port_id), networkutils._get_vlan_setting_data_from_port_alloc(
                networkutils._get_switch_port_allocation(port_id)[0]).AccessVlanId]
        """)
        self.assertEqual([True, 101], said)

    def test_flat(self):
        said = self.nova("""
            port_id = plugin.add_port(2, network_type="flat", segmentation_id=None)
            make_adapter(port_id)
            port = lambda: networkutils._get_switch_port_allocation(port_id)[0]
            said = [active(port_id), "VirtualEthernetSwitch" in port().HostResource[0],
                    networkutils._get_vlan_setting_data_from_port_alloc(port())]
        """)
        self.assertEqual([True, True, None], said)

    def test_what_cannot_be_wired_stays_down(self):
        said = self.nova("""
            other = plugin.add_port(3, physical_network="physicalnet")
            tunnel = plugin.add_port(4, network_type="vxlan")
            good = plugin.add_port(5)
            for port_id in (other, tunnel, good):
                make_adapter(port_id)
            said = [active(good), plugin.ports[other]["status"], plugin.ports[tunnel]["status"]]
        """)
        self.assertEqual([True, "BUILD", "BUILD"], said)

    def test_adapter_on_another_switch(self):
        said = self.nova("""
            port_id = plugin.add_port(22, **{"binding:host_id": ""})
            make_adapter(port_id)
            networkutils.connect_vnic_to_vswitch("other", port_id)
            plugin.ports[port_id]["binding:host_id"] = HOST
            plugin.notify(port_id)
            said = [active(port_id), oswin.is_elsewhere(networkutils, port_id, "external"), vlans(port_id)[1]]
        """)
        self.assertEqual([True, False, 122], said)

    def test_adapter_that_goes(self):
        said = self.nova("""
            port_id = plugin.add_port(6)
            make_adapter(port_id)
            up = active(port_id)
            remove_adapter(port_id)
            said = [up, wait_for(lambda: plugin.ports[port_id]["status"] == "DOWN")]
        """)
        self.assertEqual([True, True], said)

    def test_administrative_state(self):
        said = self.nova("""
            port_id = plugin.add_port(7)
            make_adapter(port_id)
            said = [active(port_id)]
            connected = lambda: networkutils._get_switch_port_allocation(port_id, expected=False)[1]
            for up in (False, True):
                plugin.ports[port_id]["admin_state_up"] = up
                plugin.notify(port_id)
                status = "ACTIVE" if up else "DOWN"
                said.append(wait_for(lambda: plugin.ports[port_id]["status"] == status))
                said.append(wait_for(lambda: connected() == up))  # neutron sets the status before it is so
        """)
        self.assertEqual([True] * 5, said)

    def test_adapters_that_are_not_of_this_host(self):
        said = self.nova("""
            vmutils.create_nic("vm-1", "Network Adapter", "fa:16:3e:00:00:99")
            elsewhere = plugin.add_port(8, **{"binding:host_id": "hv2"})
            make_adapter(elsewhere)
            port_id = plugin.add_port(9)
            make_adapter(port_id)
            said = [active(port_id), plugin.ports[elsewhere]["status"]]
            plugin.ports[elsewhere]["binding:host_id"] = HOST  # as at the end of a live migration
            plugin.notify(elsewhere)
            said.append(active(elsewhere))
        """)
        self.assertEqual([True, "DOWN", True], said)

    def test_outage_of_the_server(self):
        said = self.nova("""
            plugin.failing = True
            port_id = plugin.add_port(10)
            make_adapter(port_id)
            time.sleep(1)
            said = [plugin.ports[port_id]["status"]]
            plugin.failing = False
            said.append(active(port_id))
        """)
        self.assertEqual(["DOWN", True], said)

    def test_reports_its_state_and_wires_anew_when_it_was_given_up(self):
        said = self.nova("""
            port_id = plugin.add_port(11)
            make_adapter(port_id)
            active(port_id)
            state = plugin.reports[0]
            said = [state["agent_type"], state["host"], state["start_flag"], state["configurations"]]
            plugin.ports[port_id]["status"] = "DOWN"
            plugin.agent_status = "revived"
            said.append(active(port_id))
            said.append(sorted({"start_flag", "resource_versions"} - plugin.reports[-1].keys()))
        """)
        state = {"vswitch_mappings": {"physnet*": "external"}, "port_filter": True}
        state |= {"resource_provider_bandwidths": {}, "resource_provider_hypervisors": {}}
        state["resource_provider_inventory_defaults"] = {
            "allocation_ratio": 1.0, "min_unit": 1, "step_size": 1, "reserved": 0,
        }  # fmt: skip
        # Neutron goes by their presence, whatever they say.
        only_first = ["resource_versions", "start_flag"]
        self.assertEqual(["HyperV agent", "hv1", True, state, True, only_first], said)

    def test_security_groups(self):
        said = self.nova("""
            into, out = ({"direction": way, "ethertype": "IPv4"} for way in ("ingress", "egress"))
            ssh = {**into, "protocol": "tcp", "port_range_min": 22, "port_range_max": 22,
                   "remote_ip_prefix": "192.0.2.0/24"}
            peers = {**into, "protocol": "udp", "remote_group_id": "group-1"}
            plugin.rules["group-1"] = [ssh, peers, out]
            plugin.members["group-1"] = {("10.0.0.5", "fa:16:3e:00:00:12")}
            port_id = plugin.add_port(12, security_groups=["group-1"])
            make_adapter(port_id)

            def allowed(stateful=True):
                return {(a.Direction, a.Protocol, a.LocalPort, a.RemoteIPAddress)
                        for a in networkutils._get_port_security_acls(port())
                        if a.Action == 1 and a.Stateful == stateful}

            port = lambda: networkutils._get_switch_port_allocation(port_id)[0]
            said = [active(port_id), sorted(allowed())]
            denied = [a for a in networkutils._get_port_security_acls(port()) if a.Action == 2]
            said.append([len(denied), max(a.Weight for a in denied)])

            plugin.rules["group-1"] = [out]
            notifier.security_groups_rule_updated(admin, ["group-1"])
            said.append(wait_for(lambda: not any(acl[2] == "22" for acl in allowed())))
            said.append(len(networkutils._get_port_security_acls(port())))

            plugin.ports[port_id]["port_security_enabled"] = False
            plugin.notify(port_id)
            said.append(wait_for(lambda: not networkutils._get_port_security_acls(port())))
        """)
        dhcp = [
            [1, "udp", "546", "::/0"],
            [1, "udp", "68", "0.0.0.0/0"],
            [2, "udp", "546", "::/0"],
            [2, "udp", "68", "0.0.0.0/0"],
        ]
        group = [
            [1, "tcp", "22", "192.0.2.0/24"],
            [1, "udp", "ANY", "10.0.0.5/32"],
            [2, "tcp", "ANY", "0.0.0.0/0"],
            [2, "udp", "ANY", "0.0.0.0/0"],
        ]
        self.assertEqual(True, said[0])
        self.assertEqual(sorted(dhcp + group), said[1])
        self.assertEqual([4, 4], said[2])
        self.assertEqual(True, said[3])
        self.assertEqual(True, said[5])

    @feature("Bandwidth of ports, by QoS policies")
    def test_bandwidth(self):
        said = self.nova("""
            plugin.set_policy(POLICY, limit(1024))
            port_id = plugin.add_port(13, qos_policy_id=POLICY)
            make_adapter(port_id)
            said = [active(port_id), bandwidth(port_id)]

            plugin.set_policy(POLICY, limit(40960), minimum(20480))
            said.append(wait_for(lambda: bandwidth(port_id) == [40960000, 20480000]))

            plugin.ports[port_id]["qos_policy_id"] = None
            plugin.notify(port_id)
            said.append(wait_for(lambda: bandwidth(port_id) is None))
        """)
        self.assertEqual([True, [1024000, 0], True, True], said)

    def test_switch_that_reserves_no_bandwidth(self):
        switches = self.model.store.of(V2, "Msvm_VirtualEthernetSwitchSettingData")
        (switch,) = (each for each in switches if each["ElementName"] == "external")
        switch["BandwidthReservationMode"] = 1
        self.addCleanup(switch.update, BandwidthReservationMode=2)
        said = self.nova("""
            plugin.set_policy(POLICY, minimum(20480), limit(40960))
            port_id = plugin.add_port(14, qos_policy_id=POLICY)
            make_adapter(port_id)
            said = [active(port_id), bandwidth(port_id)]
        """)
        self.assertEqual([True, [40960000, 0]], said)
        self.errors.seek(0)
        self.assertIn("wired without the minimum of QoS policy 33333333", self.errors.read())

    @feature("Trunks")
    def test_trunk(self):
        said = self.nova("""
            parent = plugin.add_port(15)
            subports = [plugin.add_port(number, **{"binding:host_id": ""}) for number in (16, 17, 18)]
            trunk = plugin.add_trunk(parent, one=(subports[0], 116))
            make_adapter(parent)
            is_active = lambda: trunk.status == "ACTIVE"
            said = [active(parent), active(subports[0]), wait_for(is_active), vlans(parent)]

            added = plugin.add_trunk(parent, two=(subports[1], 117), three=(subports[2], 118)).sub_ports
            trunk.sub_ports.extend(added)
            plugin.trunks[trunk.id] = trunk
            trunk_stub.subports_added(admin, added)
            said += [active(subports[1]), active(subports[2]), vlans(parent)]

            removed = trunk.sub_ports.pop(0)
            trunk_stub.subports_deleted(admin, [removed])
            said.append(wait_for(lambda: plugin.ports[subports[0]]["status"] == "DOWN"))
            said.append(vlans(parent))

            del plugin.trunks[trunk.id]
            trunk_stub.trunk_deleted(admin, trunk)
            said.append(wait_for(lambda: vlans(parent)[0] == 1))
            said.append(vlans(parent)[:2])
        """)
        one, three, two = [2, 115, [115, 116]], [2, 115, [115, 116, 117, 118]], [2, 115, [115, 117, 118]]
        self.assertEqual([True, True, True, one, True, True, three, True, two, True, [1, 115]], said)

    def test_trunk_of_a_flat_parent_and_a_subport_that_would_be_translated(self):
        said = self.nova("""
            parent = plugin.add_port(19, network_type="flat", segmentation_id=None)
            good, translated = (plugin.add_port(n, **{"binding:host_id": ""}) for n in (20, 21))
            trunk = plugin.add_trunk(parent, good=(good, 120), bad=(translated, 999))
            make_adapter(parent)
            said = [active(parent), active(good), wait_for(lambda: trunk.status == "DEGRADED")]
            said += [plugin.ports[translated]["status"], vlans(parent)]
            trunk_stub.trunk_deleted(admin, plugin.trunks.pop(trunk.id))
            said.append(wait_for(lambda: vlans(parent)[:2] == [1, 0]))
        """)
        self.assertEqual([True, True, True, "BUILD", [2, 0, [120]], True], said)


class AgentProgramTest(HyperVHostTest):
    """``python -m hyperv_driver.agent``, as the service starts it."""

    def start(self, configuration):
        (self.c_drive / "agent.conf").write_text(configuration)
        arguments = ("-W", "ignore", "-m", "hyperv_driver.agent", "--config-file", r"C:\agent.conf")
        return self.python(*arguments, stderr=subprocess.PIPE)

    def test_stops_when_its_input_ends(self):
        agent = self.start(CONFIGURATION)
        for line in agent.stderr:
            if "Wiring ports of hv1" in line:
                break
        _output, errors = agent.communicate()
        self.assertIn("Asked to stop", errors)
        self.assertEqual(0, agent.returncode)
