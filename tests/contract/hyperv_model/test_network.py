# SPDX-License-Identifier: Apache-2.0
"""Switches, their ports and what is set on them; metrics."""

from lab.hyperv_model.jobs import V2
from tests.contract.hyperv_model.os_win_case import DISABLED, ENABLED, OsWinCase, OsWinError

SWITCH_SETTINGS = "Msvm_VirtualEthernetSwitchSettingData"


class NetworkCase(OsWinCase):
    def setUp(self):
        super().setUp()
        self.networkutils = self.os_win.networkutils
        self.create()
        self.vmutils.create_nic("vm-1", "port-1", "fa:16:3e:00:00:01")
        self.networkutils.connect_vnic_to_vswitch("external", "port-1")

    def feature(self, kind):
        """What is set on the port, of a kind; None: nothing."""
        found = [
            feature
            for feature in self.model.store.of(V2, f"Msvm_EthernetSwitchPort{kind}SettingData")
            if not feature["InstanceID"].endswith("Default")
        ]
        return found[0] if found else None


class SwitchCase(NetworkCase):
    def test_a_switch_has_windows_own_extensions(self):
        extensions = self.networkutils.get_vswitch_extensions("external")
        self.assertEqual(
            {
                "Microsoft NDIS Capture": 3,
                "Microsoft Windows Filtering Platform": 2,
                "Microsoft Azure VFP Switch Extension": 3,
            },
            {extension["name"]: extension["enabled_state"] for extension in extensions},
        )

    def test_ports_are_not_made_by_hand(self):
        self.assertFalse(self.networkutils.vswitch_port_needed())

    def test_a_machine_has_its_port_while_it_is_on(self):
        (external,) = self.networkutils.get_switch_ports("external")
        self.assertIsNone(self.networkutils.get_port_by_id("port-1", "external"))
        self.vmutils.set_vm_state("vm-1", ENABLED)
        port = self.networkutils.get_port_by_id("port-1", "external")
        self.assertEqual({external, port["Name"]}, set(self.networkutils.get_switch_ports("external")))
        self.networkutils.remove_switch_port("port-1")
        self.assertEqual([external], self.networkutils.get_switch_ports("external"))
        self.networkutils.connect_vnic_to_vswitch("external", "port-1")
        self.assertEqual(2, len(self.networkutils.get_switch_ports("external")))
        self.vmutils.set_vm_state("vm-1", DISABLED)
        self.assertEqual([external], self.networkutils.get_switch_ports("external"))

    def test_adapters_are_known_by_name(self):
        self.assertTrue(self.networkutils.vnic_port_exists("port-1"))
        self.assertFalse(self.networkutils.vnic_port_exists("none"))
        self.assertIn("port-1", self.networkutils.get_vnic_ids())

    def test_new_adapters_are_events(self):
        told = self.os_win.wmi(
            """
            import queue, threading
            network = utilsfactory.get_networkutils()
            network._VNIC_LISTENER_TIMEOUT_MS = 50
            class Enough(Exception):
                pass
            found = queue.Queue()
            def one(name):
                found.put(name)
                raise Enough
            def listen(poll):
                try:
                    poll(one)
                except Enough:
                    pass
            listener = network.get_vnic_event_listener(network.EVENT_TYPE_CREATE)
            thread = threading.Thread(target=listen, args=(listener,))
            thread.start()
            utilsfactory.get_vmutils().create_nic("vm-1", "port-2")
            result = found.get(timeout=20)
            thread.join()
            del listener
            """
        )
        self.assertEqual("port-2", told)


class PortCase(NetworkCase):
    def test_a_vlan_as_access_port_and_as_trunk(self):
        self.networkutils.set_vswitch_port_vlan_id(100, "port-1")
        self.assertEqual(
            (1, 100), (self.feature("Vlan")["OperationMode"], self.feature("Vlan")["AccessVlanId"])
        )
        self.networkutils.set_vswitch_port_vlan_id(10, "port-1", operation_mode=2, trunk_vlans=[20, 30])
        vlan = self.feature("Vlan")
        self.assertEqual(
            (2, 10, [20, 30]), (vlan["OperationMode"], vlan["NativeVlanId"], vlan["TrunkVlanIdArray"])
        )
        with self.assertRaisesRegex(OsWinError, "AccessVlanId is 4095, expected 1 to 4094"):
            self.networkutils.set_vswitch_port_vlan_id(4095, "port-1")
        with self.assertRaisesRegex(OsWinError, "Unsupported VLAN operation mode"):
            self.networkutils.set_vswitch_port_vlan_id(10, "port-1", operation_mode=3)

    def test_security_settings_are_added_and_then_changed(self):
        self.networkutils.set_vswitch_port_vsid(5001, "port-1")
        self.networkutils.set_vswitch_port_mac_spoofing("port-1", True)
        security = self.feature("Security")
        self.assertEqual((5001, True), (security["VirtualSubnetId"], security["AllowMacSpoofing"]))
        with self.assertRaisesRegex(OsWinError, "VirtualSubnetId is 5, expected 4096 to 16777215"):
            self.networkutils.set_vswitch_port_vsid(5, "port-1")

    def test_offloads_are_weights(self):
        self.networkutils.set_vswitch_port_sriov("port-1", True)
        self.networkutils.set_vswitch_port_offload(
            "port-1", iov_queues_requested=2, vmq_enabled=False, offloaded_sa=10
        )
        offload = self.feature("Offload")
        names = ("IOVOffloadWeight", "IOVQueuePairsRequested", "VMQOffloadWeight", "IPSecOffloadLimit")
        self.assertEqual([100, 2, 0, 10], [offload[name] for name in names])
        with self.assertRaisesRegex(OsWinError, "InvalidParameterValue"):
            self.networkutils.set_vswitch_port_offload("port-1", offloaded_sa=0)

    def test_a_profile_replaces_the_one_before(self):
        for name in ("first", "second"):
            self.networkutils.set_vswitch_port_profile_id(
                "port-1", "{8d9d1ae2-0b5b-4b8c-a1a2-000000000001}", 7, name, "vendor", cdn_label_id=3
            )
        profile = self.feature("Profile")
        self.assertEqual(
            ("second", "vendor", 7, 3),
            tuple(profile[key] for key in ("ProfileName", "VendorName", "ProfileData", "CdnLabelId")),
        )

    def test_bandwidth_is_set_in_bytes_and_removed(self):
        rule = {"min_kbps": 20480, "max_kbps": 40960, "max_burst_kbps": 81920, "max_burst_size_kb": 1024}
        self.networkutils.set_port_qos_rule("port-1", rule)
        bandwidth = self.feature("Bandwidth")
        self.assertEqual(
            [20480 << 10, 40960 << 10, 81920 << 10, 1024 << 10],
            [bandwidth[name] for name in ("Reservation", "Limit", "BurstLimit", "BurstSize")],
        )
        self.networkutils.remove_port_qos_rule("port-1")
        self.assertIsNone(self.feature("Bandwidth"))

    def test_a_switch_that_shares_by_weight_reserves_no_bits(self):
        (settings,) = self.model.store.of(V2, SWITCH_SETTINGS)
        settings["BandwidthReservationMode"] = 1
        with self.assertRaisesRegex(OsWinError, "InvalidParameterValue.*qos_rule"):
            self.networkutils.set_port_qos_rule("port-1", {"min_kbps": 20480})
        self.networkutils.set_port_qos_rule("port-1", {"max_kbps": 20480})
        self.assertEqual(20480 << 10, self.feature("Bandwidth")["Limit"])

    def test_os_wins_cache_of_ports_is_brought_up_to_date(self):
        self.networkutils.init_caches()
        self.vmutils.create_nic("vm-1", "port-2", "fa:16:3e:00:00:02")
        self.networkutils.connect_vnic_to_vswitch("external", "port-2")
        self.networkutils.update_cache()
        self.networkutils.clear_port_sg_acls_cache("port-2")
        self.networkutils.set_vswitch_port_vlan_id(7, "port-2")
        self.assertEqual(7, self.feature("Vlan")["AccessVlanId"])
        self.networkutils.remove_switch_port("port-2")
        self.networkutils.remove_switch_port("port-1")

    def test_rules_of_security_groups_are_acls(self):
        self.os_win.wmi(
            """
            class Rule:
                Action, Weight = 1, 0
                def __init__(self, port):
                    self.port = port
                def __eq__(self, other):
                    return getattr(other, "LocalPort", getattr(other, "port", None)) == self.port
                def to_dict(self):
                    return dict(Action=1, Direction=1, LocalPort=self.port, Protocol="6", Stateful=True)
            networkutils = utilsfactory.get_networkutils()
            networkutils.create_security_rules("port-1", [Rule("22"), Rule("80")])
            """
        )
        self.assertEqual(["22", "80"], self.acls())
        self.os_win.wmi('networkutils.remove_security_rules("port-1", [Rule("22")])')
        self.assertEqual(["80"], self.acls())
        self.networkutils.remove_all_security_rules("port-1")
        self.assertEqual([], self.acls())

    def acls(self):
        found = self.model.store.of(V2, "Msvm_EthernetSwitchPortExtendedAclSettingData")
        return [acl["LocalPort"] for acl in found if not acl["InstanceID"].endswith("Default")]


class MetricsCase(NetworkCase):
    def setUp(self):
        super().setUp()
        self.metricsutils = self.os_win.metricsutils
        self.disk = self.file(r"C:\root.vhd")
        self.vmutils.attach_ide_drive("vm-1", self.disk, 0, 0)

    def set(self, name, value):
        """Let something have happened in the guest."""
        for found in self.model.store.of(V2, "CIM_BaseMetricValue", ElementName=name):
            found["MetricValue"] = str(value)

    def test_nothing_is_measured_before_it_is_enabled(self):
        self.vmutils.set_vm_state("vm-1", ENABLED)
        self.assertEqual(0, self.metricsutils.get_memory_metrics("vm-1"))
        self.metricsutils.enable_vm_metrics_collection("vm-1")
        self.assertEqual(512, self.metricsutils.get_memory_metrics("vm-1"))
        self.set("Aggregated Average CPU Utilization", 1200)
        used, processors, on_time = self.metricsutils.get_cpu_metrics("vm-1")
        self.assertEqual((1200, 2), (used, processors))
        self.assertGreater(on_time, 0)

    def test_a_machine_that_is_gone_leaves_no_values(self):
        self.metricsutils.enable_vm_metrics_collection("vm-1")
        self.assertNotEqual([], self.model.store.of(V2, "CIM_BaseMetricValue"))
        self.vmutils.destroy_vm("vm-1")
        self.assertEqual([], self.model.store.of(V2, "CIM_BaseMetricValue"))

    def test_disks_are_measured_one_by_one(self):
        self.metricsutils.enable_disk_metrics_collection(self.disk)
        for name, value in (
            ("Disk Data Read", 3),
            ("Disk Data Written", 4),
            ("Average Disk Latency", 5),
            ("Average Normalized Disk Throughput", 6),
        ):
            self.set(name, value)
        (disk,) = self.metricsutils.get_disk_metrics("vm-1")
        self.assertEqual((3, 4, self.disk), (disk["read_mb"], disk["write_mb"], disk["host_resource"]))
        self.assertEqual(5, self.metricsutils.get_disk_latency_metrics("vm-1")[0]["disk_latency"])
        self.assertEqual(6, self.metricsutils.get_disk_iops_count("vm-1")[0]["iops_count"])

    def test_a_port_is_measured_by_its_meters(self):
        self.assertFalse(self.networkutils.is_metrics_collection_allowed("port-1"))
        self.vmutils.set_vm_state("vm-1", ENABLED)
        self.assertFalse(self.networkutils.is_metrics_collection_allowed("port-1"))
        self.networkutils.add_metrics_collection_acls("port-1")
        self.assertTrue(self.networkutils.is_metrics_collection_allowed("port-1"))
        self.metricsutils.enable_port_metrics_collection("port-1")
        self.set("Filtered Incoming Network Traffic", 2)
        (adapter,) = self.metricsutils.get_vnic_metrics("vm-1")
        # Two meters each way: one of IPv4, one of IPv6.
        self.assertEqual(
            {"rx_mb": 4, "tx_mb": 0, "element_name": "port-1", "address": "FA163E000001"}, adapter
        )

    def test_meters_are_added_once(self):
        for _time in range(2):
            self.networkutils.add_metrics_collection_acls("port-1")
        found = self.model.store.of(V2, "Msvm_EthernetSwitchPortAclSettingData", Action=3)
        self.assertEqual(4, len(found))

    def test_a_metric_of_another_kind_fails(self):
        with self.assertRaisesRegex(OsWinError, "Failed to enable metrics for resource.*Return code: 2"):
            self.os_win.wmi(
                """
                metrics = utilsfactory.get_metricsutils()
                metrics._enable_metrics(metrics._get_vm("vm-1"), ["Disk Data Read"])
                """
            )
