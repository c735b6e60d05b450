# SPDX-License-Identifier: Apache-2.0
"""A failover cluster of two nodes, whose disks are on a third host, as unmodified os-win sees it."""

import time

from tests.contract.two_hosts import TwoHostsTest

MIGRATE = "Msvm_VirtualSystemMigrationService.MigrateVirtualSystemToHost"
RUNNING = 2
ONLINE, FAILED, PENDING = 0, 2, 4
FOLDER = r"\\HV3\C$\vms\vm-1"
TELL = 'said = clusterutils.get_cluster_group_state_info("vm-1")'


class ClusterOfTwoTest(TwoHostsTest):
    facts = ({"cluster": "CLUSTER"}, {"cluster": "CLUSTER"})
    program = "tests.contract.hyperv_model.cluster_process"

    def prepare(self):
        self.start(3, {})

    def setUp(self):
        super().setUp()
        self.source, self.destination = self.programs

    def spawn(self, threshold=1):
        said = self.source.run(rf"""
            pathutils.makedirs(r"{FOLDER}")
            vhdutils.create_dynamic_vhd(r"{FOLDER}\root.vhdx", 64 << 20)
            vmutils.create_vm("vm-1", False, 2, r"{FOLDER}", ["a note"])
            vmutils.update_vm("vm-1", 512, None, 2, None, False, 1.0)
            vmutils.create_scsi_controller("vm-1")
            vmutils.attach_scsi_drive("vm-1", r"{FOLDER}\root.vhdx")
            vmutils.create_nic("vm-1", "port-1", "fa:16:3e:00:00:01")
            networkutils.connect_vnic_to_vswitch("external", "port-1")
            vmutils.set_vm_state("vm-1", constants.HYPERV_VM_STATE_ENABLED)
            clusterutils.add_vm_to_cluster("vm-1", {threshold}, 6, True)
        """)
        self.assertIsNone(said)
        for program in self.programs:
            self.wait_for(program, ONLINE, "HV1")

    def wait_for(self, program, state, owner):
        deadline = time.monotonic() + 20
        while (said := program.run(TELL)) != {
            "owner_node": owner,
            "state": state,
            "migration_queued": False,
        }:
            self.assertLess(time.monotonic(), deadline, said)
            time.sleep(0.05)

    def machines(self, number):
        return self.hosts[number].run("said = {m.name: m.state for m in model.machines.values()}")

    def test_both_nodes_see_one_cluster(self):
        self.spawn()
        for program, name in zip(self.programs, ("HV1", "HV2"), strict=True):
            said = program.run("""
                said = [
                    clusterutils.get_node_name(), clusterutils.get_cluster_node_names(),
                    clusterutils.get_vm_host("vm-1"), clusterutils.vm_exists("vm-1"),
                    clusterutils.list_instances(),
                ]
            """)
            self.assertEqual([name, ["HV1", "HV2"], "HV1", True, ["vm-1"]], said)
        # Names are the cluster's, not the node's.
        said = self.destination.run("""
            vmutils.create_vm("vm-1", False, 2, r"C:\\vms", [])
            clusterutils.add_vm_to_cluster("vm-1")
        """)
        self.assertIn("vm-1 is in the cluster already", said)
        self.destination.run('clusterutils.delete("vm-1")')
        self.assertFalse(self.source.run('said = clusterutils.vm_exists("vm-1")'))

    def test_the_cluster_moves_a_running_machine(self):
        self.spawn()
        self.destination.run("owners = listen_to_owners()")
        self.source.run("owners = listen_to_owners()")
        self.assertIsNone(self.source.run('clusterutils.live_migrate_vm("vm-1", "HV2", 20)'))
        self.assertEqual([{}, {"vm-1": RUNNING}], [self.machines(0), self.machines(1)])
        for program in self.programs:
            self.wait_for(program, ONLINE, "HV2")
            self.assertEqual(["vm-1", "HV2"], program.run("said = owners.get(timeout=20)"))
        self.assertIsNone(self.destination.run('clusterutils.live_migrate_vm("vm-1", "hv1", 20)'))
        self.assertEqual([{"vm-1": RUNNING}, {}], [self.machines(0), self.machines(1)])
        self.assertIn("5016", self.destination.run('clusterutils.live_migrate_vm("vm-1", "HV1", 20)'))

    def test_wmi_tells_of_an_owner(self):
        self.spawn()
        self.source.run("owners = listen_to_owners_by_wmi()")
        time.sleep(0.5)  # the query is there
        self.source.run('clusterutils.live_migrate_vm("vm-1", "HV2", 20)')
        self.assertEqual(["vm-1", "HV1", "HV2"], self.source.run("said = owners.get(timeout=20)"))

    def test_a_move_that_takes_too_long_is_cancelled(self):
        self.spawn()
        self.hosts[0].run(f'model.faults.append(jobs.Fault("{MIGRATE}", seconds=60))')
        said = self.source.run('clusterutils.live_migrate_vm("vm-1", "HV2", 1)')
        self.assertIn("ClusterGroupMigrationTimeOut", said)
        self.wait_for(self.source, ONLINE, "HV1")
        self.assertEqual([{"vm-1": RUNNING}, {}], [self.machines(0), self.machines(1)])
        # Nothing is left to cancel.
        said = self.source.run('clusterutils.cancel_cluster_group_migration("vm-1", 0, 1)')
        self.assertIsNone(said)

    def test_a_move_that_fails_leaves_the_machine_where_it_is(self):
        self.spawn()
        self.hosts[1].run("""
            model.store.of("root/virtualization/v2", "Msvm_VirtualEthernetSwitch")[0]["ElementName"] = "inner"
        """)
        said = self.source.run('clusterutils.live_migrate_vm("vm-1", "HV2", 20)')
        self.assertIn("ClusterGroupMigrationFailed", said)
        self.wait_for(self.source, ONLINE, "HV1")
        self.hosts[1].kill()
        self.assertIn("5050", self.source.run('clusterutils.live_migrate_vm("vm-1", "HV2", 20)'))
        self.assertIn("ObjectNotFound", self.source.run('clusterutils.live_migrate_vm("vm-1", "HV4", 20)'))

    def test_a_lost_nodes_machine_starts_on_the_other(self):
        self.spawn()
        time.sleep(0.5)  # a node tells of its machines ten times a second
        self.hosts[0].kill()
        self.wait_for(self.destination, ONLINE, "HV2")
        said = self.destination.run(r"""
            said = [vmutils.get_vm_storage_paths("vm-1")[0], vmutils.get_vm_nic_names("vm-1"),
                    vmutils.list_instance_notes()]
        """)
        self.assertEqual([[rf"{FOLDER}\root.vhdx"], ["port-1"], [["vm-1", ["a note"]]]], said)
        # The node comes back as a node without machines.
        self.hosts[0] = self.start(1, self.facts[0])
        time.sleep(0.5)
        self.assertEqual([{}, {"vm-1": RUNNING}], [self.machines(0), self.machines(1)])

    def test_a_lost_nodes_machine_that_no_node_can_run_fails_until_its_node_is_back(self):
        self.spawn()
        time.sleep(0.5)
        self.hosts[1].run("""
            model.store.of("root/virtualization/v2", "Msvm_VirtualEthernetSwitch")[0]["ElementName"] = "inner"
        """)
        self.hosts[0].kill()
        self.wait_for(self.destination, FAILED, "HV1")
        self.assertEqual({}, self.machines(1))
        self.hosts[0] = self.start(1, self.facts[0])
        self.wait_for(self.destination, ONLINE, "HV1")
        self.assertEqual({"vm-1": RUNNING}, self.machines(0))

    def test_a_machine_fails_over_as_often_as_it_may(self):
        self.spawn(threshold=0)
        time.sleep(0.5)
        self.hosts[0].kill()
        self.wait_for(self.destination, FAILED, "HV1")
        self.assertEqual({}, self.machines(1))
