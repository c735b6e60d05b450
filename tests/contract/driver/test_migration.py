# SPDX-License-Identifier: Apache-2.0
"""Instances move between two hosts, each with the driver on os-win. nova's calls are made in nova's order."""

import time

from lab.hyperv_model import vhd
from tests.contract.two_hosts import TwoHostsTest
from tests.features import feature
from tests.unit.driver.base import image_file

IMAGE = "11111111-0000-4000-8000-000000000001"
UUID, PORT = "22222222-0000-4000-8000-000000000001", "33333333-0000-4000-8000-000000000001"
VOLUME = "11111111-aaaa-4000-8000-000000000001"
RUNNING, SHUTDOWN, PAUSED = 1, 4, 3  # nova.compute.power_state
NAME = "instance-00000001"
V2 = "root/virtualization/v2"
LIVE = "Msvm_VirtualSystemMigrationService.MigrateVirtualSystemToHost"

# What every piece of code below begins with.
PRELUDE = f"""
import json
from unittest import mock
from nova import objects
from nova.objects import base, migrate_data
keep = True
small, large = flavor(), flavor(root_gb=2, memory_mb=1024)
port = vif(id="{PORT}")
volumes = {{}}
made = instance(image_ref="{IMAGE}", uuid="{UUID}", host="HV1", flavor=small)
def packed(data):
    return base.NovaObjectSerializer().serialize_entity(admin, data)
def unpacked(primitive):
    return base.NovaObjectSerializer().deserialize_entity(admin, primitive)
def find(name="{NAME}"):
    return [hyperv.get_info(made).state, sorted(os.listdir(INSTANCES + "\\\\" + name))]
"""


class MigrationCase(TwoHostsTest):
    program = "tests.contract.driver.driver_process"

    RESIZE = """
copied = hyperv.migrate_disk_and_power_off(admin, made, "127.40.0.2", large, [port], {}, timeout=0)
said = [copied, hyperv.list_instances(), sorted(os.listdir(INSTANCES))]
"""
    FINISH = """
made.old_flavor, made.flavor = small, large
migration = objects.Migration(source_compute="HV1", dest_compute="HV2")
meta = image_meta("vhdx", hw_machine_type="hyperv-gen2")
hyperv.finish_migration(admin, migration, made, said_before, [port], meta, True, {}, {})
vmutils = hyperv._vmops._vmutils
path = vmutils.get_vm_storage_paths(made.name)[0][0]
said = [*find(), hyperv._diskops._vhdutils.get_vhd_size(path)["VirtualSize"] >> 30,
        vmutils.get_vm_memory_info(made.name)["Limit"], sorted(os.listdir(INSTANCES))]
"""

    def setUp(self):
        super().setUp()
        self.source, self.destination = (self.nova(program) for program in self.programs)
        for host in self.hosts[:1]:  # Glance has lost the image by the time it moves
            (host.c_drive / "glance").mkdir()
            (host.c_drive / "glance" / IMAGE).write_bytes(image_file("vhdx"))

    @staticmethod
    def nova(program):
        return lambda code: program.run(PRELUDE + code)

    def spawn(self, config_drive=True):
        said = self.source(f"""
metadata = mock.Mock()
metadata.metadata_for_config_drive.return_value = [("openstack/latest/meta_data.json", b"{{}}")]
made.config_drive = "{config_drive}"
with mock.patch("nova.api.metadata.base.InstanceMetadata", return_value=metadata):
    spawn(made, "vhdx", [port], hw_machine_type="hyperv-gen2")
said = [wait_for(lambda: os.path.exists(INSTANCES + r"\\{NAME}\\console.log")), *find()]
""")
        self.assertEqual([True, RUNNING], said[:2], said)
        with self.root_disk(0, write=True) as disk:
            disk.write(0, b"written")

    def folder_of(self, number, suffix=""):
        return self.hosts[number].c_drive / "OpenStack" / "instances" / f"{NAME}{suffix}"

    def root_disk(self, number, **options):
        instances = self.folder_of(number).parent
        return vhd.open_chain(
            rf"C:\{NAME}\root.vhdx", lambda path: instances.joinpath(*path.split("\\")[-2:]), **options
        )

    def homes(self):
        """The names of the hosts that have the virtual machine, planned or not."""
        return [
            host.name
            for host in self.hosts
            if host.process.poll() is None
            if host.run(f'said = "{NAME}" in [machine.name for machine in model.machines.values()]')
        ]

    def check_and_prepare(self, block_migration=None):
        checked = self.destination(f"""
data = hyperv.check_can_live_migrate_destination(admin, made, {{}}, {{}}, {block_migration}, False)
hyperv.cleanup_live_migration_destination_check(admin, data)
said = packed(data)
""")
        checked = self.source(f"""
said = packed(hyperv.check_can_live_migrate_source(admin, made, unpacked({checked}), volumes))
""")
        return self.destination(f"""
said = packed(hyperv.pre_live_migration(admin, made, volumes, [port], None, unpacked({checked})))
""")

    def move(self, data, dest="HV2"):
        """The code of live_migration; says which of nova's methods was called, and with what."""
        return f"""
called = []
def post(context, instance, dest, block_migration, data):
    called.append("post")
def recover(context, instance, dest, data, migration_status="failed"):
    called.append(migration_status)
hyperv.live_migration(admin, made, "{dest}", post, recover, None, unpacked({data}))
said = called
"""

    def after(self, data, destroy_disks=True):
        """What nova calls when a machine has moved."""
        said = self.source(f"""
hyperv.post_live_migration(admin, made, volumes, unpacked({data}))
hyperv.post_live_migration_at_source(admin, made, [port])
hyperv.cleanup(admin, made, [port], destroy_disks={destroy_disks}, migrate_data=unpacked({data}))
said = [hyperv.list_instances(), os.listdir(INSTANCES)]
""")
        self.assertEqual([[], ["_base"]], said)
        return self.destination("""
hyperv.post_live_migration_at_destination(admin, made, [port], None, {})
said = find()
""")

    def roll_back(self):
        self.assertIsNone(
            self.destination("""
hyperv.rollback_live_migration_at_destination(admin, made, [port], {}, destroy_disks=True)
""")
        )

    def abort_while_it_moves(self, data):
        return self.source(f"""
import threading
called = []
def recover(context, instance, dest, data, migration_status="failed"):
    called.append(migration_status)
arguments = admin, made, "HV2", lambda *given: called.append("post"), recover, None, unpacked({data})
moving = threading.Thread(target=hyperv.live_migration, args=arguments)
moving.start()
jobs = hyperv._vmops._vmutils._jobutils
system = hyperv._vmops._vmutils._lookup_vm_check(made.name, as_vssd=False)
wait_for(lambda: jobs._get_pending_jobs_affecting_element(system))
hyperv.live_migration_abort(made)
moving.join()
said = called
""")


class MigrationTest(MigrationCase):
    @feature("Live migration")
    def test_live_migration(self):
        self.spawn()
        data = self.check_and_prepare()
        self.assertEqual(["post"], self.source(self.move(data)))
        state, files = self.after(data)
        self.assertEqual([RUNNING, ["HV2"]], [state, self.homes()])
        expected = {"configdrive.iso", "console.log", "root.vhdx"}
        self.assertEqual(expected, expected & set(files))
        drive = self.folder_of(1) / "configdrive.iso"
        self.assertEqual(0o600, drive.stat().st_mode & 0o777)
        with self.root_disk(1) as disk:
            self.assertEqual(b"written", disk.read(0, 7))
        said = self.destination("""
vmutils = hyperv._vmops._vmutils
grown = hyperv.get_console_output(admin, made)
said = [
    wait_for(lambda: len(hyperv.get_console_output(admin, made)) > len(grown)),
    vmutils.get_vm_nic_names(made.name) == [port["id"]], hyperv.list_instance_uuids() == [made.uuid],
]
hyperv.reboot(admin, made, [port], "HARD")
hyperv.destroy(admin, made, [port])
said += [os.listdir(INSTANCES)]
""")
        self.assertEqual([True, True, True, ["_base"]], said)

    @feature("Live migration")
    def test_live_migration_of_a_paused_instance_there_and_back(self):
        self.spawn(config_drive="")
        self.source("hyperv.pause(made)")
        data = self.check_and_prepare()
        self.assertEqual(["post"], self.source(self.move(data)))
        self.assertEqual(PAUSED, self.after(data)[0])
        self.assertEqual(["HV2"], self.homes())
        self.source, self.destination = self.destination, self.source
        self.hosts.reverse()
        back = PRELUDE.replace('host="HV1"', 'host="HV2"')
        self.source, self.destination = (
            lambda code, program=program: program.run(back + code) for program in self.programs[::-1]
        )
        data = self.check_and_prepare()
        self.assertEqual(["post"], self.source(self.move(data, "HV1")))
        self.assertEqual([PAUSED, ["HV1"]], [self.after(data)[0], self.homes()])

    @feature("Live migration")
    def test_live_migration_that_is_not_to_be(self):
        self.spawn()
        check = "hyperv.check_can_live_migrate_destination(admin, made, {}, {}, %s, False)"
        refused = self.destination(check % False)
        self.assertIn("InvalidSharedStorage", refused["raised"])
        data = "migrate_data.HyperVLiveMigrateData(is_shared_instance_path=False)"
        for host, nova, code in (
            (self.hosts[1], self.destination, check % None),
            (self.hosts[0], self.source, f"hyperv.check_can_live_migrate_source(admin, made, {data}, {{}})"),
        ):
            settings = f'model.store.of("{V2}", "Msvm_VirtualSystemMigrationServiceSettingData")[0]'
            host.run(f'{settings}["EnableVirtualSystemMigration"] = False')
            self.assertIn("MigrationPreCheckError", nova(code)["raised"])
            host.run(f'{settings}["EnableVirtualSystemMigration"] = True')
        refused = self.destination('made.host = "HV3"\n' + check % None)
        self.assertIn("cannot be reached", refused["raised"])
        data = self.check_and_prepare()
        switch = f'model.store.of("{V2}", "Msvm_VirtualEthernetSwitch")[0]["ElementName"]'
        self.hosts[1].run(f"{switch} = 'inner'")
        self.assertEqual(["failed"], self.source(self.move(data)))
        self.roll_back()
        self.assertEqual(["HV1"], self.homes())
        self.assertFalse(self.folder_of(1).exists())
        self.hosts[1].run(f"{switch} = 'external'")
        data = self.check_and_prepare()
        self.assertEqual(["post"], self.source(self.move(data)))

    def add_volume(self):
        """Have a volume over iSCSI, which both hosts reach, in `volumes`."""
        for host in self.hosts:
            host.run("""
from lab.hyperv_model.storage_network import Lun, Target
luns = {1: Lun(1 << 30, "6001405000000000000000000000abcd")}
model.storage_network.add(Target("iqn.2026-01.org.example:volume", luns=luns))
""")
        volume = f'iscsi_volume("{VOLUME}", lun=1, target_iqn="iqn.2026-01.org.example:volume")'
        prelude = PRELUDE.replace("volumes = {}", f"volumes = with_volumes({volume})")
        self.source, self.destination = (
            lambda code, program=program: program.run(prelude + code) for program in self.programs
        )

    def connected(self):
        """How many sessions each host has with targets."""
        return [host.run("said = len(model.initiator.sessions)") for host in self.hosts]

    @feature("Live migration")
    def test_live_migration_with_a_volume(self):
        self.add_volume()
        self.assertEqual(
            RUNNING,
            self.source("""
spawn(made, "vhdx", [port], volumes)
said = find()[0]
"""),
        )
        data = self.check_and_prepare()
        self.assertEqual(["HV1", "HV2"], self.homes(), data)
        self.assertEqual(["post"], self.source(self.move(data)))
        self.assertEqual(RUNNING, self.after(data)[0])
        self.assertEqual([["HV2"], [0, 1]], [self.homes(), self.connected()])
        said = self.destination("""
hyperv.reboot(admin, made, [port], "HARD", volumes)
hyperv.detach_volume(admin, volumes["block_device_mapping"][0]["connection_info"], made, "/dev/sda")
said = find()[0]
""")
        self.assertEqual(RUNNING, said)

    @feature("Abort a live migration")
    def test_abort_a_live_migration(self):
        self.spawn()
        data = self.check_and_prepare()
        self.hosts[0].run(f'model.faults.append(jobs.Fault("{LIVE}", seconds=60))')
        said = self.abort_while_it_moves(data)
        self.assertEqual(["cancelled"], said)
        self.roll_back()
        self.assertEqual([["HV1"], False], [self.homes(), self.folder_of(1).exists()])
        self.assertEqual(RUNNING, self.source("said = find()")[0])

    @feature("Live migration")
    def test_a_destination_that_dies_while_an_instance_moves(self):
        self.spawn()
        data = self.check_and_prepare()
        self.hosts[0].run(f'model.faults.append(jobs.Fault("{LIVE}", seconds=60))')
        self.programs[0].begin(PRELUDE + self.move(data))
        deadline = time.monotonic() + 30
        while self.homes() != ["HV1", "HV2"]:
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.05)
        self.hosts[1].kill()
        self.assertEqual(["failed"], self.programs[0].end())
        self.assertEqual(["HV1"], self.homes())
        self.assertEqual(RUNNING, self.source("said = find()")[0])

    @feature("Cold migration between hosts")
    def test_resize_to_another_host(self):
        self.spawn()
        copied, machines, folders = self.source(self.RESIZE)
        self.assertEqual([[], ["_base", f"{NAME}_aside"]], [machines, folders])
        state, files, size, memory, folders = self.destination(f"said_before = {copied!r}" + self.FINISH)
        self.assertEqual([RUNNING, 2, 1024, ["_base", NAME]], [state, size, memory, folders])
        self.assertIn("configdrive.iso", files)
        self.assertEqual(["HV2"], self.homes())
        with self.root_disk(1) as disk:
            self.assertEqual(b"written", disk.read(0, 7))
        self.source("hyperv.confirm_migration(admin, None, made, [port])")
        self.assertEqual(["_base"], self.source("said = os.listdir(INSTANCES)"))

    @feature("Cold migration between hosts", "Evacuate")
    def test_a_volume_goes_along(self):
        self.add_volume()
        copied = self.source("""
spawn(made, "vhdx", [port], volumes, hw_machine_type="hyperv-gen2")
said = hyperv.migrate_disk_and_power_off(admin, made, "127.40.0.2", large, [port], volumes, timeout=0)
""")
        self.assertEqual([0, 0], self.connected())
        finish = self.FINISH.replace("True, {}, {})", "True, {}, volumes)")
        drives = "said = [find()[0], list(hyperv._vmops._vmutils.get_vm_physical_disk_mapping(made.name))]"
        found = self.destination(f"said_before = {copied!r}{finish}{drives}")
        self.assertEqual([[RUNNING, [VOLUME]], [0, 1]], [found, self.connected()])
        self.source("hyperv.confirm_migration(admin, None, made, [port])")
        self.hosts[1].kill()
        found = self.source(f"""
made.task_state = "rebuild_spawning"
spawn(made, "vhdx", [port], volumes, hw_machine_type="hyperv-gen2")
{drives}
""")
        self.assertEqual([RUNNING, [VOLUME]], found)

    @feature("Cold migration between hosts")
    def test_resize_that_is_reverted(self):
        self.spawn()
        copied = self.source(self.RESIZE)[0]
        self.destination(f"said_before = {copied!r}" + self.FINISH)
        self.destination("""
made.task_state = "resize_reverting"
hyperv.destroy(admin, made, [port], {})
""")
        self.assertEqual(["_base"], self.destination("said = os.listdir(INSTANCES)"))
        said = self.source("""
with mock.patch("nova.objects.Instance.image_meta", image_meta("vhdx", hw_machine_type="hyperv-gen2")):
    hyperv.finish_revert_migration(admin, made, [port], None, {})
said = [*find(), sorted(os.listdir(INSTANCES))]
""")
        self.assertEqual([RUNNING, ["_base", NAME], ["HV1"]], [said[0], said[2], self.homes()])

    @feature("Cold migration between hosts")
    def test_resize_to_a_host_that_is_gone(self):
        self.spawn()
        self.hosts[1].kill()
        said = self.source(self.RESIZE)
        self.assertIn("InstanceFaultRollback", said["raised"])
        self.assertIn(r"\\127.40.0.2\C$\OpenStack\instances cannot be reached", said["raised"])
        said = self.source("said = [find()[0], sorted(os.listdir(INSTANCES))]")
        self.assertEqual([RUNNING, ["_base", NAME]], said)

    @feature("Cold migration between hosts")
    def test_resize_whose_copy_fails(self):
        self.spawn()
        said = self.source("""
def copy(*arguments, **named):
    raise OSError("The network path was not found")
with mock.patch.object(hyperv._shareops._pathutils, "copy_folder_files", copy):
    try:
        hyperv.migrate_disk_and_power_off(admin, made, "127.40.0.2", large, [port], {})
    except Exception as error:
        said = [type(error).__name__, find()[0], sorted(os.listdir(INSTANCES))]
""")
        self.assertEqual(["InstanceFaultRollback", RUNNING, ["_base", NAME]], said)
        self.assertEqual(["HV1"], self.homes())
        self.assertFalse(self.folder_of(1, "_aside").exists())
        # What came of an image that was on its way is known for that to the other host.
        said = self.source("""
from hyperv_driver import paths
copied = []
def copy(source, path, fail_if_exists):
    copied.append(path)
    raise OSError("The network path was not found")
shutil.rmtree(paths.on_host("127.40.0.2", paths.image_cache()), ignore_errors=True)
with mock.patch.object(hyperv._shareops._pathutils, "copy", copy):
    try:
        hyperv.migrate_disk_and_power_off(admin, made, "127.40.0.2", large, [port], {})
    except Exception as error:
        said = [type(error).__name__, find()[0], copied[0].endswith(paths.UNFINISHED["_base"])]
""")
        self.assertEqual(["InstanceFaultRollback", RUNNING, True], said)

    @feature("Evacuate")
    def test_evacuation_of_a_lost_host(self):
        self.spawn()
        (self.hosts[1].c_drive / "glance").mkdir()
        (self.hosts[1].c_drive / "glance" / IMAGE).write_bytes(image_file("vhdx"))
        self.hosts[0].kill()
        said = self.destination("""
made.task_state, made.host = "rebuild_spawning", "HV2"
before = hyperv.instance_on_disk(made)
spawn(made, "vhdx", [port], hw_machine_type="hyperv-gen2")
said = [before, hyperv.instance_on_disk(made), find()[0], hyperv.capabilities["supports_evacuate"]]
""")
        self.assertEqual([False, True, RUNNING, True], said)
        with self.root_disk(1) as disk:
            self.assertNotEqual(b"written", disk.read(0, 7))

    @feature("Evacuate")
    def test_storage_that_is_not_shared(self):
        mark = self.source("said = hyperv.check_instance_shared_storage_local(admin, made)")
        said = self.destination(f"said = hyperv.check_instance_shared_storage_remote(admin, {mark!r})")
        self.assertEqual(
            [False, True],
            [said, self.source(f"said = hyperv.check_instance_shared_storage_remote(admin, {mark!r})")],
        )
        self.source(f"hyperv.check_instance_shared_storage_cleanup(admin, {mark!r})")
        self.assertEqual([], self.source("said = os.listdir(INSTANCES)"))


class SharedStorageTest(MigrationCase):
    """The instances are on a share that both hosts reach."""

    environment = {"INSTANCES_PATH": r"\\HV3\C$\instances"}

    def prepare(self):
        self.storage = self.start(3, {})

    def folder_of(self, number, suffix=""):
        return self.storage.c_drive / "instances" / f"{NAME}{suffix}"

    @feature("Live migration")
    def test_live_migration_without_disks(self):
        self.spawn()
        data = self.check_and_prepare()
        self.assertEqual(["post"], self.source(self.move(data)))
        self.source("hyperv.post_live_migration(admin, made, {}, None)")
        said = self.destination("""
hyperv.post_live_migration_at_destination(admin, made, [port], None, {})
said = find()[0]
""")
        self.assertEqual([RUNNING, ["HV2"]], [said, self.homes()])
        self.assertTrue((self.folder_of(1) / "root.vhdx").exists())
        refused = self.source("hyperv.check_can_live_migrate_destination(admin, made, {}, {}, True, False)")
        self.assertIn("InvalidLocalStorage", refused["raised"])

    @feature("Evacuate")
    def test_evacuation_finds_the_disks_again(self):
        self.spawn()
        mark = self.source("said = hyperv.check_instance_shared_storage_local(admin, made)")
        said = self.destination(f"said = hyperv.check_instance_shared_storage_remote(admin, {mark!r})")
        self.source(f"hyperv.check_instance_shared_storage_cleanup(admin, {mark!r})")
        self.assertTrue(said)
        self.hosts[0].kill()
        said = self.destination("""
made.task_state, made.host = "rebuild_spawning", "HV2"
before = hyperv.instance_on_disk(made)
spawn(made, "vhdx", [port], hw_machine_type="hyperv-gen2")
said = [before, *find()]
""")
        self.assertEqual([True, RUNNING], said[:2])
        with self.root_disk(1) as disk:
            self.assertEqual(b"written", disk.read(0, 7))
