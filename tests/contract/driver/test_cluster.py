# SPDX-License-Identifier: Apache-2.0
"""Instances as roles of a failover cluster: two hosts with the driver on os-win, whose storage is shared."""

import time

from tests.contract.driver import test_migration
from tests.contract.driver.cluster_records import records
from tests.features import feature

RUNNING, SHUTDOWN = 1, 4  # nova.compute.power_state
NAME, UUID, PORT = test_migration.NAME, test_migration.UUID, test_migration.PORT
NODES = {"HV1": "44444444-0000-4000-8000-000000000001", "HV2": "44444444-0000-4000-8000-000000000002"}
RESOURCES = {"resources": {"VCPU": 2, "MEMORY_MB": 512, "DISK_GB": 1}}
SHARE = r"\\HV3\C$\instances"
MOVE = "Msvm_VirtualSystemMigrationService.MigrateVirtualSystemToHost"
V2 = test_migration.V2


class ClusterTest(test_migration.MigrationCase):
    facts = ({"cluster": "CLUSTER"}, {"cluster": "CLUSTER"})
    program = "tests.contract.driver.cluster_driver_process"

    def prepare(self):
        self.storage = self.start(3, {})
        path = self.folder / "records.json"
        self.environment = {"INSTANCES_PATH": SHARE, "RECORDS": str(path)}
        self.records = path
        path.write_text("{}")
        self.record(
            instances={}, nodes=NODES, bindings={PORT: "HV1"}, actions=[],
            allocations={UUID: {"allocations": {NODES["HV1"]: RESOURCES}, "consumer_generation": 1}},
        )  # fmt: skip

    def setUp(self):
        super().setUp()
        for nova in (self.source, self.destination):
            self.assertEqual([], nova("said = list(hyperv.process_instances_at_startup(admin, []))"))

    def record(self, **changes):
        with records(self.records) as known:
            known.update(changes)

    def recorded(self):
        with records(self.records) as known:
            return known

    def folder_of(self, number, suffix=""):
        return self.storage.c_drive / "instances" / f"{NAME}{suffix}"

    def spawn(self, config_drive=""):
        self.record(instances={UUID: {"name": NAME, "host": "HV1", "node": "HV1"}})
        super().spawn(config_drive)

    def role(self, number=0):
        """The node that the cluster has the instance on, as a node sees it."""
        return self.hosts[number].run(f"""
with model.cluster.change() as data:
    said = {{name: group["values"]["OwnerNode"] for name, group in data["groups"].items()}}.get("{NAME}")
""")

    def others_know_the_machine(self):
        """Whether a simulated node has told the others what to start if it is lost."""
        return self.hosts[0].run(f"""
with model.cluster.change() as data:
    said = data["groups"]["{NAME}"]["machine"] is not None
""")

    def wait_until(self, condition):
        deadline = time.monotonic() + 30
        while not condition():
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.1)

    def nova_has_it_on(self, host):
        return self.recorded()["instances"][UUID]["host"] == host

    @feature("Failover cluster")
    def test_an_instance_is_a_role_from_spawn_to_destroy(self):
        self.spawn()
        self.assertEqual(["HV1", "HV1"], [self.role(0), self.role(1)])
        group = 'model.store.of("root/MSCluster", "MSCluster_ResourceGroup")[0]'
        names = ("FailoverThreshold", "FailoverPeriod", "AutoFailbackType", "PersistentState")
        said = self.hosts[0].run(f"said = [{group}[name] for name in {names}]")
        self.assertEqual([1, 6, 1, True], said)
        self.assertEqual(SHUTDOWN, self.source("hyperv.power_off(made)\nsaid = find()[0]"))
        self.assertEqual(RUNNING, self.source("hyperv.power_on(admin, made, [port])\nsaid = find()[0]"))
        self.source("hyperv.destroy(admin, made, [port])")
        self.assertEqual([None, [], False], [self.role(), self.homes(), self.folder_of(0).exists()])

    @feature("Failover cluster")
    def test_a_name_that_is_taken_in_the_cluster(self):
        self.spawn()
        said = self.destination("""
other = instance(image_ref=made.image_ref, host="HV2", flavor=small)
spawn(other, "vhdx", [], hw_machine_type="hyperv-gen2")
""")
        self.assertEqual(
            f"InstanceExists: {NAME} is a role of the failover cluster already, on node HV1", said["raised"]
        )
        self.assertEqual([["HV1"], "HV1"], [self.homes(), self.role()])
        self.assertTrue((self.folder_of(0) / "root.vhdx").exists())
        # Nor does another node's nova-compute destroy it.
        said = self.destination("hyperv.destroy(admin, made, [port])")
        self.assertIn("the failover cluster has instance-00000001 on node HV1", said["raised"])
        self.assertEqual([["HV1"], "HV1"], [self.homes(), self.role()])
        self.assertTrue((self.folder_of(0) / "root.vhdx").exists())

    @feature("Failover cluster")
    def test_a_lost_hosts_instance_is_taken_over(self):
        self.spawn()
        self.wait_until(self.others_know_the_machine)
        self.hosts[0].kill()
        self.programs[0].kill()
        self.wait_until(lambda: self.nova_has_it_on("HV2"))
        found = self.recorded()
        self.assertEqual(
            {"name": NAME, "host": "HV2", "node": "HV2", "power_state": RUNNING}, found["instances"][UUID]
        )
        self.assertEqual({PORT: "HV2"}, found["bindings"])
        self.assertEqual({NODES["HV2"]: RESOURCES}, found["allocations"][UUID]["allocations"])
        self.assertEqual([[UUID, "failover"]], found["actions"])
        said = self.destination("""
grown = hyperv.get_console_output(admin, made)
vmutils = hyperv._vmops._vmutils
said = [
    find()[0], hyperv.list_instance_uuids() == [made.uuid],
    wait_for(lambda: len(hyperv.get_console_output(admin, made)) > len(grown)),
    hyperv._networkops._networkutils._get_switch_port_allocation(port["id"])[0] is not None,
]
hyperv.reboot(admin, made, [port], "HARD")
""")
        self.assertEqual([RUNNING, True, True, True], said)
        with self.root_disk(1) as disk:
            self.assertEqual(b"written", disk.read(0, 7))
        self.destination("hyperv.destroy(admin, made, [port])")
        self.assertEqual([None, []], [self.role(1), self.homes()])

    @feature("Failover cluster")
    def test_a_failover_that_no_node_can_take(self):
        self.spawn()
        self.wait_until(self.others_know_the_machine)
        self.hosts[1].run(f'model.store.of("{V2}", "Msvm_VirtualEthernetSwitch")[0]["ElementName"] = "inner"')
        self.hosts[0].kill()
        self.programs[0].kill()
        failed = 'said = model.store.of("root/MSCluster", "MSCluster_ResourceGroup")[0]["State"] == 2'
        self.wait_until(lambda: self.hosts[1].run(failed))
        time.sleep(2.5)
        self.assertEqual([True, []], [self.nova_has_it_on("HV1"), self.recorded()["actions"]])
        # nova's own evacuation does not take what is the cluster's to restart.
        said = self.destination("""
made.task_state, made.host = "rebuild_spawning", "HV2"
spawn(made, "vhdx", [port], hw_machine_type="hyperv-gen2")
""")
        self.assertIn("is a role of the failover cluster already, on node HV1", said["raised"])
        # The node comes back, and its nova-compute finds the instance as it left it.
        self.hosts[0] = self.start(1, self.facts[0])
        self.wait_until(lambda: self.homes() == ["HV1"])
        program = self.hosts[0].python(self.program, **self.environment)
        self.addCleanup(program.close)
        said = self.nova(program)("""
said = [one.uuid for one in hyperv.process_instances_at_startup(admin, [made])] + [find()[0]]
""")
        self.assertEqual([UUID, RUNNING], said)
        self.assertTrue(self.nova_has_it_on("HV1"))

    @feature("Failover cluster")
    def test_what_placement_and_neutron_refuse_at_a_failover(self):
        self.spawn()
        self.record(full=[NODES["HV2"]], neutron_is_down=True)
        migrating = {"name": NAME, "host": "HV1", "node": "HV1", "task_state": "resize_migrating"}
        self.record(instances={UUID: migrating})
        self.destination("""
import logging
said_by_it, log = [], logging.getLogger("hyperv_driver.failovers")
log.addHandler(handler := logging.Handler())
handler.emit = lambda record: said_by_it.append(record.getMessage())
""")
        self.move_by_administrator()
        time.sleep(2.5)
        # nova's resize ended with its node: nobody else says so.
        self.assertTrue(self.nova_has_it_on("HV1"))
        (said,) = self.destination("said = said_by_it\nlog.removeHandler(handler)")
        self.assertIn("while nova had it resize_migrating; it is taken over once its state is reset", said)
        self.record(instances={UUID: migrating | {"task_state": None}})
        time.sleep(2.5)
        # Not before the port is bound; nova has it where it was, and it is looked at again.
        self.assertEqual([["HV2"], True], [self.homes(), self.nova_has_it_on("HV1")])
        self.record(neutron_is_down=False)
        self.wait_until(lambda: self.nova_has_it_on("HV2"))
        # It runs here, whatever placement thinks of that.
        self.assertEqual({NODES["HV1"]: RESOURCES}, self.recorded()["allocations"][UUID]["allocations"])

    def move_by_administrator(self):
        self.hosts[0].run(f"""
from lab.hyperv_model.errors import CimError
try:
    model.cluster.move("{NAME}", "HV2")
except CimError as begun:
    said = begun.code
""")
        self.wait_until(lambda: self.homes() == ["HV2"])

    @feature("Failover cluster")
    def test_an_administrators_move_is_seen_on_both_nodes(self):
        self.spawn()
        self.move_by_administrator()
        self.wait_until(lambda: self.nova_has_it_on("HV2"))
        # Its log is the new node's to write.
        self.assertTrue(self.source("said = wait_for(lambda: not hyperv._consoleops._logs)"))
        self.assertEqual(RUNNING, self.destination("said = find()[0]"))

    @feature("Failover cluster")
    def test_what_failed_over_while_nova_compute_was_down(self):
        self.spawn()
        self.programs[1].close()
        self.move_by_administrator()
        program = self.hosts[1].python(self.program, **self.environment)
        self.addCleanup(program.close)
        said = self.nova(program)("""
taken = hyperv.process_instances_at_startup(admin, [])
said = [[one.uuid, one.host] for one in taken]
""")
        self.assertEqual([[UUID, "HV2"]], said)
        self.programs[0].close()
        again = self.hosts[0].python(self.program, **self.environment)
        self.addCleanup(again.close)
        # nova still read it as HV1's.
        said = self.nova(again)("said = list(hyperv.process_instances_at_startup(admin, [made]))")
        self.assertEqual([], said)

    @feature("Failover cluster", "Live migration")
    def test_live_migration_by_the_cluster(self):
        self.spawn()
        # Hyper-V's own live migration is off, as it is by default.
        for host in self.hosts:
            settings = f'model.store.of("{V2}", "Msvm_VirtualSystemMigrationServiceSettingData")[0]'
            host.run(f'{settings}["EnableVirtualSystemMigration"] = False')
        self.record(instances={UUID: {"name": NAME, "host": "HV1", "node": "HV1", "task_state": "migrating"}})
        data = self.check_and_prepare()
        self.assertEqual(["post"], self.source(self.move(data)))
        time.sleep(1.5)
        # nova moves it, so that nobody takes it over.
        self.assertEqual([True, []], [self.nova_has_it_on("HV1"), self.recorded()["actions"]])
        self.source("hyperv.post_live_migration(admin, made, {}, None)")
        said = self.destination("""
hyperv.post_live_migration_at_destination(admin, made, [port], None, {})
said = find()[0]
""")
        self.assertEqual([RUNNING, ["HV2"], "HV2"], [said, self.homes(), self.role(1)])

    @feature("Failover cluster", "Abort a live migration")
    def test_live_migration_by_the_cluster_that_is_aborted_or_fails(self):
        self.spawn()
        data = self.check_and_prepare()
        self.hosts[0].run(f'model.faults.append(jobs.Fault("{MOVE}", seconds=60))')
        self.assertEqual(["cancelled"], self.abort_while_it_moves(data))
        self.roll_back_shared()
        self.hosts[1].run(f'model.store.of("{V2}", "Msvm_VirtualEthernetSwitch")[0]["ElementName"] = "inner"')
        self.assertEqual(["failed"], self.source(self.move(data)))
        self.roll_back_shared()
        self.assertEqual(["failed"], self.source(self.move(data, "HV4")))
        self.assertEqual(
            [RUNNING, ["HV1"], "HV1"], [self.source("said = find()[0]"), self.homes(), self.role()]
        )

    def roll_back_shared(self):
        self.assertIsNone(
            self.destination("""
hyperv.rollback_live_migration_at_destination(admin, made, [port], {}, destroy_disks=False)
""")
        )

    @feature("Failover cluster", "Cold migration between hosts")
    def test_cold_migration_between_nodes(self):
        self.spawn()
        self.record(
            instances={UUID: {"name": NAME, "host": "HV1", "node": "HV1", "task_state": "resize_migrating"}}
        )
        copied, machines, _folders = self.source(self.RESIZE)
        self.assertEqual(["", [], None], [copied, machines, self.role()])
        state, _files, size, memory, _folders = self.destination('said_before = ""' + self.FINISH)
        self.assertEqual([RUNNING, 2, 1024, "HV2"], [state, size, memory, self.role()])
        self.destination("""
made.task_state = "resize_reverting"
hyperv.destroy(admin, made, [port], {})
""")
        self.assertIsNone(self.role())
        said = self.source("""
with mock.patch("nova.objects.Instance.image_meta", image_meta("vhdx", hw_machine_type="hyperv-gen2")):
    hyperv.finish_revert_migration(admin, made, [port], None, {})
said = find()[0]
""")
        self.assertEqual([RUNNING, ["HV1"], "HV1"], [said, self.homes(), self.role()])

    @feature("Failover cluster")
    def test_a_resized_instance_fails_over_and_is_reverted(self):
        self.spawn()
        resized = {"name": NAME, "host": "HV2", "node": "HV2", "vm_state": "resized"}
        self.source(self.RESIZE)
        self.record(instances={UUID: resized})
        self.destination('said_before = ""' + self.FINISH)
        self.wait_until(self.others_know_the_machine)
        self.hosts[1].kill()
        self.programs[1].kill()
        self.wait_until(lambda: self.nova_has_it_on("HV1"))
        self.assertEqual(["HV1", "HV1", 3], self.recorded()["resized_to"])
        # nova has it reverted there.
        said = self.source("""
found = [find()[0], hyperv._vmops._vmutils.get_vm_memory_info(made.name)["Limit"]]
made.task_state = "resize_reverting"
hyperv.destroy(admin, made, [port], {})
made.task_state = None
with mock.patch("nova.objects.Instance.image_meta", image_meta("vhdx", hw_machine_type="hyperv-gen2")):
    hyperv.finish_revert_migration(admin, made, [port], None, {})
said = [found, find()[0], hyperv._vmops._vmutils.get_vm_memory_info(made.name)["Limit"],
        [name for name in os.listdir(INSTANCES) if name.startswith(made.name)]]
""")
        self.assertEqual([[RUNNING, 1024], RUNNING, 512, [NAME]], said)
        self.assertEqual(["HV1"], self.homes())

    @feature("Failover cluster", "Attach and detach volumes")
    def test_an_instance_with_a_disk_of_one_node_is_no_role(self):
        self.hosts[0].run("""
from lab.hyperv_model.storage_network import Lun, Target
luns = {1: Lun(1 << 30, "6001405000000000000000000000abcd")}
model.storage_network.add(Target("iqn.2026-01.org.example:volume", luns=luns))
""")
        self.spawn()
        volume = """
one = "11111111-aaaa-4000-8000-000000000001"
volume = iscsi_volume(one, lun=1, target_iqn="iqn.2026-01.org.example:volume")
"""
        self.source(volume + 'hyperv.attach_volume(admin, volume, made, "/dev/sdb")')
        self.assertEqual([None, ["HV1"]], [self.role(), self.homes()])
        self.source(volume + 'hyperv.detach_volume(admin, volume, made, "/dev/sdb")')
        self.assertEqual("HV1", self.role())

    @feature("Failover cluster", "Host resources in placement")
    def test_the_disk_is_the_shared_one(self):
        said = self.source("""
asked = []
capacity = hyperv._hostops._diskutils.get_disk_capacity
def ask(path):
    asked.append(path)
    return capacity(path)
with mock.patch.object(hyperv._hostops._diskutils, "get_disk_capacity", ask):
    total = hyperv.get_available_resource("HV1")["local_gb"]
said = [asked, total > 0, hyperv.get_available_nodes()]
""")
        self.assertEqual([[SHARE], True, ["HV1"]], said)


class NoNodeTest(test_migration.MigrationCase):
    facts = ({"cluster": "CLUSTER"}, {})
    driven = 0

    def setUp(self):
        test_migration.TwoHostsTest.setUp(self)

    def started(self, number, **environment):
        path = self.folder / "records.json"
        path.write_text("{}")
        environment = {"INSTANCES_PATH": r"C:\OpenStack\instances", "RECORDS": str(path)} | environment
        with self.assertRaises(RuntimeError) as raised:
            self.hosts[number].python("tests.contract.driver.cluster_driver_process", **environment)
        return str(raised.exception)

    @feature("Failover cluster")
    def test_a_host_that_is_no_node_is_refused(self):
        self.assertIn(
            "HyperVClusterDriver takes a node of a failover cluster, which this host is not", self.started(1)
        )

    @feature("Failover cluster")
    def test_a_node_without_shared_instances_or_of_another_name_is_refused(self):
        self.assertIn("nodes of a failover cluster must share it", self.started(0))
        said = self.started(0, COMPUTERNAME="hv1.example.org")
        self.assertIn("host is hv1.example.org, and the cluster's name of this node HV1", said)
