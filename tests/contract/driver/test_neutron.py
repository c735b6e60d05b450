# SPDX-License-Identifier: Apache-2.0
"""The L2 agent and the drivers of Neutron's plugins, beside all of neutron-server, on a Hyper-V host."""

from tests.contract.driver.on_hyperv import OnHyperVTest
from tests.features import feature

CONFIGURATION = """
[DEFAULT]
transport_url = fake://
host = hv1
rpc_response_timeout = 20
use_stderr = true
core_plugin = ml2
service_plugins = qos,trunk,placement
notify_nova_on_port_status_changes = false
notify_nova_on_port_data_changes = false
enable_traditional_dhcp = false
send_events_interval = 1
[database]
connection = sqlite:///{folder}/neutron.sqlite?timeout=10
[placement]
auth_type = noauth
[ml2]
type_drivers = flat,vlan
project_network_types = vlan
mechanism_drivers = hyperv
extension_drivers = port_security,qos
[ml2_type_vlan]
network_vlan_ranges = physnet1:100:1100
[AGENT]
physical_network_vswitch_mappings = physnet1:external
polling_interval = 0.2
report_interval = 2
resource_provider_bandwidths = external:10000000:
resource_provider_default_hypervisor = hv1
"""
ENTRY_POINTS = """
[neutron.ml2.mechanism_drivers]
hyperv = hyperv_driver.ml2:HyperVMechanismDriver
"""


class NeutronTest(OnHyperVTest):
    program = "tests.contract.driver.neutron_process"

    @classmethod
    def prepare(cls):
        (cls.c_drive / "agent.conf").write_text(CONFIGURATION.format(folder=cls.run_folder))
        installed = cls.c_drive / "installed" / "hyperv_driver-0.dist-info"
        installed.mkdir(parents=True)
        (installed / "METADATA").write_text("Metadata-Version: 2.1\nName: hyperv-driver\nVersion: 0\n")
        (installed / "entry_points.txt").write_text(ENTRY_POINTS)

    @classmethod
    def packages(cls):
        return [*super().packages(), cls.c_drive / "installed"]

    def test_port_is_bound_and_wired(self):
        said = self.nova("""
            wait_for(lambda: core.get_agents(admin))
            ours = network()
            one = port(ours)
            make_adapter(one)
            said = [one["binding:vif_type"], active(one), vlans(one["id"])[1]]
            said[2] -= ours["provider:segmentation_id"]
            core.delete_port(admin, one["id"])
            remove_adapter(one["id"])
            said.append(wait_for(lambda: not any(
                method == "update_device_list" and arguments["devices_down"] for method, arguments in asked)))
        """)
        self.assertEqual(["hyperv", True, 0, True], said)

    def test_members_of_groups(self):
        said = self.nova("""
            wait_for(lambda: core.get_agents(admin))
            ours, peers = network(), group()
            add_rule(peers, remote_group_id=peers)
            one = port(ours, security_groups=[peers])
            make_adapter(one)
            address = lambda of: of["fixed_ips"][0]["ip_address"] + "/32"
            said = [active(one), wait_for(lambda: remotes(one) == [address(one)])]
            asked.clear()
            two = port(ours, security_groups=[peers])
            said.append(wait_for(lambda: remotes(one) == sorted([address(one), address(two)])))
            core.delete_port(admin, two["id"])
            said.append(wait_for(lambda: remotes(one) == [address(one)]))
            said.append(sorted({method for method, _arguments in asked}))
        """)
        self.assertEqual([True, True, True, True, ["security_group_info_for_devices"]], said)

    def test_groups_that_name_nobody_do_not_care_for_members(self):
        said = self.nova("""
            wait_for(lambda: core.get_agents(admin))
            ours, open = network(), group({"port_range_min": 22, "port_range_max": 22})
            one = port(ours, security_groups=[open])
            make_adapter(one)
            said = [active(one), remotes(one)]
            asked.clear()
            port(ours, security_groups=[open])
            add_rule(open, remote_ip_prefix="192.0.2.0/24")
            said.append(wait_for(lambda: remotes(one) == ["0.0.0.0/0", "192.0.2.0/24"]))
            said.append([method for method, _arguments in asked])
        """)
        self.assertEqual([True, ["0.0.0.0/0"], True, ["security_group_info_for_devices"]], said)

    def test_address_group(self):
        said = self.nova("""
            wait_for(lambda: core.get_agents(admin))
            made = {"name": "", "project_id": PROJECT, "description": "", "addresses": ["192.0.2.1/32"]}
            offices = core.create_address_group(admin, {"address_group": made})["id"]
            one = port(network(), security_groups=[group({"remote_address_group_id": offices})])
            make_adapter(one)
            said = [active(one), remotes(one)]
            core.add_addresses(admin, offices, {"addresses": ["198.51.100.0/24"]})
            said.append(wait_for(lambda: remotes(one) == ["192.0.2.1/32", "198.51.100.0/24"]))
        """)
        self.assertEqual([True, ["192.0.2.1/32"], True], said)

    def test_addresses_that_are_not_the_adapters(self):
        said = self.nova("""
            from hyperv_driver import oswin
            wait_for(lambda: core.get_agents(admin))
            one = port(network())
            make_adapter(one)
            spoofing = lambda: oswin.has_spoofing(networkutils, one["id"])
            update = lambda **changes: core.update_port(admin, one["id"], {"port": changes})
            said = [active(one), spoofing()]
            update(allowed_address_pairs=[{"ip_address": "10.0.0.200", "mac_address": "00:00:5e:00:01:01"}])
            said.append(wait_for(spoofing))
            update(allowed_address_pairs=[{"ip_address": "10.0.0.200", "mac_address": one["mac_address"]}])
            said.append(wait_for(lambda: not spoofing()))
            update(allowed_address_pairs=[], security_groups=[], port_security_enabled=False)
            said.append(wait_for(spoofing))
        """)
        self.assertEqual([True, False, True, True, True], said)

    def test_end_of_a_live_migration(self):
        said = self.nova("""
            wait_for(lambda: core.get_agents(admin))
            state = {"agent_type": "HyperV agent", "binary": "a", "host": "hv2", "topic": "N/A",
                     "configurations": {"vswitch_mappings": {"physnet1": "external"}, "port_filter": True}}
            core.create_or_update_agent(admin, state | {"start_flag": True})
            one = port(network(), **{"binding:host_id": "hv2"})
            binding = {"host": HOST, "vnic_type": "normal", "profile": {}}
            core.create_port_binding(admin, one["id"], {"binding": binding})
            make_adapter(one)  # the machine is there before nova says so
            wait_for(lambda: any(one["id"] in arguments.get("devices", ()) for _method, arguments in asked))
            time.sleep(1)
            said = [one["binding:vif_type"], status(one)]
            core.activate(admin, HOST, one["id"])
            said.append(active(one))
        """)
        self.assertEqual(["hyperv", "DOWN", True], said)

    def test_bandwidth(self):
        said = self.nova("""
            wait_for(lambda: core.get_agents(admin))
            one = port(network(), qos_policy_id=policy((rules.QosBandwidthLimitRule, {"max_kbps": 1024})))
            make_adapter(one)
            said = [active(one), bandwidth(one["id"])]
            for direction, burst in (("ingress", 0), ("egress", 64)):
                other = policy((rules.QosBandwidthLimitRule,
                               {"max_kbps": 40960, "direction": direction, "max_burst_kbps": burst}))
                try:
                    core.update_port(admin, one["id"], {"port": {"qos_policy_id": other}})
                except CallbackFailure as error:
                    said.append("is not supported by port" in str(error))
            other = policy((rules.QosBandwidthLimitRule, {"max_kbps": 40960}),
                           (rules.QosMinimumBandwidthRule, {"min_kbps": 20480}))
            core.update_port(admin, one["id"], {"port": {"qos_policy_id": other}})
            said.append(wait_for(lambda: bandwidth(one["id"]) == [40960000, 20480000]))
        """)
        self.assertEqual([True, [1024000, 0], True, True, True], said)

    def test_trunk(self):
        said = self.nova("""
            wait_for(lambda: core.get_agents(admin))
            parent, other = port(network()), network()
            tag = other["provider:segmentation_id"]
            unbound = {"device_owner": "", "device_id": "", "binding:host_id": ""}
            subport = port(other, **unbound)
            tagged = {"port_id": subport["id"], "segmentation_type": "vlan", "segmentation_id": tag}
            made = {"port_id": parent["id"], "tenant_id": PROJECT, "project_id": PROJECT, "name": "",
                    "description": "", "admin_state_up": True, "sub_ports": [tagged]}
            trunk = trunks.create_trunk(admin, {"trunk": made})["id"]
            make_adapter(parent)
            said = [active(parent), active(subport)]
            said.append(wait_for(lambda: trunks.get_trunk(admin, trunk)["status"] == "ACTIVE"))
            said.append(vlans(parent["id"])[2].count(tag))
            trunks.remove_subports(admin, trunk, {"sub_ports": [{"port_id": subport["id"]}]})
            said.append(wait_for(lambda: vlans(parent["id"])[0] == 1))
        """)
        self.assertEqual([True, True, True, 1, True], said)

    @feature("Minimum bandwidth of ports in Placement")
    def test_bandwidth_in_placement(self):
        said = self.nova("""
            inventory = lambda: [each for each in requests if each[1].endswith("/inventories")]
            agents = lambda: core.get_agents(admin, filters={"host": [HOST]})
            reported = lambda: any(agent["resources_synced"] for agent in agents())
            wait_for(lambda: inventory() and reported(), 60)
            _method, path, body = inventory()[-1]
            provider, said = path.split("/")[2], [body["inventories"]]
            told = lambda of: [body for _method, path, body in requests if body and path.endswith(of)]
            said += [told(provider)[0]["name"], sorted(told(provider + "/traits")[0]["traits"])]

            def without_asking(seconds):
                before = len(requests)
                time.sleep(seconds)
                return len(requests) == before

            # Longer than some heartbeats.
            said.append(wait_for(lambda: without_asking(4), 60))

            minimum = policy((rules.QosMinimumBandwidthRule, {"min_kbps": 20480}))
            for provider in (provider, "11111111-0000-4000-8000-000000000001"):
                profile = {"allocation": {"22222222-0000-4000-8000-000000000001": provider}}
                one = port(network(), qos_policy_id=minimum, **{"binding:profile": profile})
                said.append(one["binding:vif_type"])
        """)
        self.assertNotIn("raised", said)
        inventory = {"allocation_ratio": 1.0, "min_unit": 1, "step_size": 1, "reserved": 0, "total": 10000000}
        self.assertEqual({"NET_BW_EGR_KILOBIT_PER_SEC": inventory}, said[0])
        self.assertEqual("hv1:HyperV agent:external", said[1])
        self.assertEqual(["CUSTOM_PHYSNET_PHYSNET1", "CUSTOM_VNIC_TYPE_NORMAL"], said[2])
        self.assertEqual([True, "hyperv", "binding_failed"], said[3:])
