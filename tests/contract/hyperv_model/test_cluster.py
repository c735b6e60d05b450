# SPDX-License-Identifier: Apache-2.0
"""A failover cluster of one node, and a host that is in none."""

import dataclasses

from lab.hyperv_model import states
from tests.contract.hyperv_model.os_win_case import OsWinCase, OsWinError
from tests.unit.hyperv_model.case import FAST

ONLINE, OFFLINE = 0, 1
VIRTUAL_MACHINE = 111


class ClusterCase(OsWinCase):
    facts = dataclasses.replace(FAST, cluster="CLUSTER")

    def setUp(self):
        super().setUp()
        self.create()
        # ClusterUtils connects when it is made.
        self.os_win.wmi(
            """
            from os_win.utils.compute import _clusapi_utils, clusterutils as clusterutils_module
            from os_win.utils.winapi import constants, wintypes
            clusterutils = clusterutils_module.ClusterUtils()
            clusapi_utils = _clusapi_utils.ClusApiUtils()
            """
        )
        self.os_win.wmi('clusterutils.add_vm_to_cluster("vm-1", max_failover_count=2, failover_period=12)')

    def tell(self, expression):
        return self.os_win.wmi(f"result = {expression}")


class GroupsCase(ClusterCase):
    def test_the_host_is_the_only_node(self):
        self.assertEqual("HV1", self.tell("clusterutils.get_node_name()"))
        self.assertEqual(["HV1"], self.tell("clusterutils.get_cluster_node_names()"))
        self.assertIsNone(self.tell("clusterutils.check_cluster_state()"))
        self.assertEqual("HV1", self.tell('clusterutils.get_cluster_node_name("1")'))
        with self.assertRaisesRegex(OsWinError, "NotFound"):
            self.tell('clusterutils.get_cluster_node_name("2")')

    def test_a_machine_is_a_group_with_what_was_asked_for(self):
        self.create("vm-2")
        self.assertTrue(self.tell('clusterutils.vm_exists("vm-1")'))
        self.assertFalse(self.tell('clusterutils.vm_exists("vm-2")'))
        self.assertEqual(["vm-1"], self.tell("clusterutils.list_instances()"))
        self.assertEqual("HV1", self.tell('clusterutils.get_vm_host("vm-1")'))
        self.assertEqual(VIRTUAL_MACHINE, self.tell('clusterutils.get_cluster_group_type("vm-1")'))
        (group,) = self.model.store.of("root/MSCluster", "MSCluster_ResourceGroup")
        self.assertEqual([group["Id"]], self.tell("clusterutils.list_instance_uuids()"))
        names = (
            "FailoverThreshold",
            "FailoverPeriod",
            "AutoFailbackType",
            "FailbackWindowStart",
            "FailbackWindowEnd",
        )
        self.assertEqual([2, 12, 1, 0, 23], [group[name] for name in names])
        self.assertEqual(
            2, len(self.tell("list(clusterutils.cluster_enum(constants.CLUSTER_ENUM_GROUP | 4))")) - 1
        )

    def test_online_and_offline_are_the_machines_start_and_save(self):
        state = 'clusterutils.get_cluster_group_state_info("vm-1")'
        self.assertEqual({"owner_node": "HV1", "state": OFFLINE, "migration_queued": False}, self.tell(state))
        self.tell('clusterutils.bring_online("vm-1")')
        self.wait_for(lambda: self.machine("vm-1").state == states.RUNNING)
        self.assertEqual(ONLINE, self.tell(state)["state"])
        self.tell('clusterutils.bring_online("vm-1")')
        self.tell('clusterutils.take_offline("vm-1")')
        self.wait_for(lambda: self.machine("vm-1").state == states.SAVED)
        self.assertEqual(OFFLINE, self.tell(state)["state"])

    def test_a_group_that_is_gone_leaves_the_machine(self):
        self.tell('clusterutils.delete("vm-1")')
        self.assertEqual([], self.tell("clusterutils.list_instances()"))
        self.assertTrue(self.vmutils.vm_exists("vm-1"))
        with self.assertRaisesRegex(OsWinError, "HyperVVMNotFoundException"):
            self.tell('clusterutils.delete("vm-1")')
        for act in ("get_vm_host", "bring_online"):
            with self.assertRaisesRegex(OsWinError, "ClusterObjectNotFound"):
                self.tell(f'clusterutils.{act}("vm-1")')

    def test_a_machine_that_is_not_there_or_there_already_is_not_added(self):
        with self.assertRaisesRegex(OsWinError, "no virtual machine none on HV1"):
            self.tell('clusterutils.add_vm_to_cluster("none")')
        with self.assertRaisesRegex(OsWinError, "vm-1 is in the cluster already"):
            self.tell('clusterutils.add_vm_to_cluster("vm-1")')


class HandlesCase(ClusterCase):
    def test_objects_are_opened_by_name_and_closed(self):
        told = self.os_win.wmi(
            """
            cluster = clusapi_utils.open_cluster()
            group = clusapi_utils.open_cluster_group(cluster, "VM-1")
            node = clusapi_utils.open_cluster_node(cluster, "hv1")
            resource = clusapi_utils.open_cluster_resource(cluster, "Virtual Machine vm-1")
            enum = clusapi_utils.open_cluster_enum(cluster, constants.CLUSTER_ENUM_GROUP)
            item = clusapi_utils.cluster_enum(enum, 0)
            result = [clusapi_utils.cluster_get_enum_count(enum), item.dwType, item.lpszName]
            try:
                clusapi_utils.cluster_enum(enum, 1)
            except Exception as error:
                result.append(error.error_code)
            clusapi_utils.online_cluster_group(group, node)
            result.append(clusapi_utils.get_cluster_group_state(group)["owner_node"])
            """
        )
        self.assertEqual([1, 8, "vm-1", 259, "HV1"], told)
        self.wait_for(lambda: self.machine("vm-1").state == states.RUNNING)
        told = self.os_win.wmi(
            """
            clusapi_utils.offline_cluster_group(group)
            clusapi_utils.destroy_cluster_group(group)
            result = [clusapi_utils.get_cluster_group_state(group)["state"]]
            try:
                clusapi_utils.online_cluster_group(group)
            except Exception as error:
                result.append(error.error_code)
            clusapi_utils.close_cluster_enum(enum)
            clusapi_utils.close_cluster_resource(resource)
            clusapi_utils.close_cluster_node(node)
            clusapi_utils.close_cluster_group(group)
            result.append(clusapi_utils.get_cluster_group_state(group)["state"])
            try:
                clusapi_utils.open_cluster_node(cluster, "elsewhere")
            except Exception as error:
                result.append(error.error_code)
            clusapi_utils.close_cluster(cluster)
            try:
                clusapi_utils.open_cluster("elsewhere")
            except Exception as error:
                result.append(error.error_code)
            """
        )
        # os-win compares the state with -1, and so takes ClusterGroupStateUnknown, unsigned, for a state.
        unknown = 0xFFFFFFFF
        # ERROR_GROUP_NOT_FOUND, ERROR_CLUSTER_NODE_NOT_FOUND, RPC_S_SERVER_UNAVAILABLE
        self.assertEqual([unknown, 5013, unknown, 5042, 1722], told)

    def test_properties_of_a_group_come_as_a_list(self):
        told = self.os_win.wmi(
            """
            import ctypes
            cluster = clusapi_utils.open_cluster()
            group = clusapi_utils.open_cluster_group(cluster, "vm-1")
            buffer, size = clusapi_utils.cluster_group_control(
                group, constants.CLUSCTL_GROUP_GET_RO_COMMON_PROPERTIES)
            listed = ctypes.byref(buffer), size
            result = [
                clusapi_utils.get_cluster_group_type(*listed),
                clusapi_utils.get_cluster_group_status_info(*listed),
                clusapi_utils.get_prop_list_entry_p(*listed, "GroupType")["length"],
            ]
            try:
                clusapi_utils.get_prop_list_entry_p(*listed, "NoSuchProperty")
            except Exception as error:
                result.append(type(error).__name__)
            """
        )
        self.assertEqual([VIRTUAL_MACHINE, 0, 4, "ClusterPropertyListEntryNotFound"], told)

    def test_os_wins_own_lists_read_back(self):
        told = self.os_win.wmi(
            """
            import ctypes
            syntax = constants.CLUSPROP_SYNTAX_LIST_VALUE_DWORD
            entries = [
                clusapi_utils.get_property_list_entry(name, syntax, wintypes.DWORD(value))
                for name, value in (("first", 4), ("second", 5))
            ]
            listed = clusapi_utils.get_property_list(entries)
            result = [
                clusapi_utils.get_prop_list_entry_value(
                    ctypes.byref(listed), ctypes.sizeof(listed), name, wintypes.DWORD, syntax)
                for name in ("first", "second")
            ]
            """
        )
        self.assertEqual([4, 5], told)


class NoClusterCase(OsWinCase):
    def test_a_host_of_its_own_has_no_cluster_service(self):
        with self.assertRaisesRegex(OsWinError, "ClusterWin32Exception.*1753"):
            self.os_win.wmi(
                """
                from os_win.utils.compute import _clusapi_utils
                _clusapi_utils.ClusApiUtils().open_cluster()
                """
            )
