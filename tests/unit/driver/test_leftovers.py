# SPDX-License-Identifier: Apache-2.0
import os
import time
import types

import fixtures
from nova.compute import power_state, task_states
from oslo_utils import uuidutils

from hyperv_driver import paths, snapshotops
from tests.unit.driver import base
from tests.unit.driver.base import instance

LONG_AGO = time.time() - 7200


class LeftoversTest(base.DriverTestCase):
    def setUp(self):
        super().setUp()
        self.made = self.spawn()
        self.moving = []
        self.useFixture_patch(
            "nova.objects.MigrationList.get_in_progress_by_host_and_node",
            lambda _context, _host, node: [
                types.SimpleNamespace(instance_uuid=one.uuid) for one in self.moving
            ],
        )
        self.useFixture_patch(
            "nova.objects.InstanceList.get_by_filters",
            lambda _context, filters: [one for one in self.moving if one.uuid in filters["uuid"]],
        )
        self.log = self.useFixture(fixtures.FakeLogger())

    def start(self):
        instances = [self.made]
        self.assertIs(instances, self.driver.process_instances_at_startup(self.context, instances))

    def test_nothing_to_do(self):
        self.start()
        self.assertEqual("", self.log.output)
        self.assertIn(self.made.name, self.host.vmutils.vms)

    def test_planned_machines(self):
        comes, dead = instance("x-2"), instance("x-3")
        self.moving = [comes]
        planned = self.host.livemigrationutils.planned
        self.host.vmutils._conn.planned = {
            comes.name: [comes.uuid], dead.name: [dead.uuid], "by hand": [], "other": ["a note"],
        }  # fmt: skip
        planned.update(self.host.vmutils._conn.planned)
        self.start()
        self.assertEqual({comes.name, "by hand", "other"}, planned.keys())
        self.assertIn("Planned virtual machine by hand is none of nova's: left alone", self.log.output)

    def test_checkpoint_and_export_of_a_snapshot(self):
        vmutils, folder = self.host.vmutils, self.instances / self.made.name
        vmutils.take_vm_snapshot(self.made.name, "by hand")
        vmutils.take_vm_snapshot(self.made.name, snapshotops.CHECKPOINT)
        (folder / "snapshot_1.vhdx").write_text("disk")
        before = {path.name for path in folder.iterdir()}
        self.start()
        self.assertEqual(["by hand"], [name for name, _disks in self.vm(self.made)["snapshots"]])
        self.assertEqual({"snapshot_1.vhdx"}, before - {path.name for path in folder.iterdir()})

    def test_machine_that_was_saved_for_a_snapshot_of_a_volume(self):
        pending = task_states.IMAGE_SNAPSHOT_PENDING
        for vm_state, task_state, expected in (
            ("active", pending, power_state.RUNNING),
            ("active", None, power_state.SUSPENDED),
            ("suspended", pending, power_state.SUSPENDED),
        ):
            self.driver.suspend(self.context, self.made)
            self.made.vm_state, self.made.task_state = vm_state, task_state
            self.start()
            self.assertEqual(expected, self.driver.get_info(self.made).state, (vm_state, task_state))

    def test_files_that_nobody_writes_any_more(self):
        base_folder = self.instances / paths.CACHE
        for name in ("a.vhdx.part", "a_1G.part.vhd", "b.vhd.part"):
            (base_folder / name).write_text("")
            if not name.startswith("b"):
                os.utime(base_folder / name, (LONG_AGO, LONG_AGO))
        mark = self.instances / "1.mark"
        mark.write_text("")
        os.utime(mark, (LONG_AGO, LONG_AGO))
        os.utime(base_folder / f"{self.made.image_ref}.vhdx", (LONG_AGO, LONG_AGO))
        self.start()
        self.assertEqual(
            {f"{self.made.image_ref}.vhdx", "b.vhd.part"}, {path.name for path in base_folder.iterdir()}
        )
        self.assertFalse(mark.exists())

    def test_what_nova_does_not_have_here_is_reported_and_left(self):
        gone, resized = self.spawn(instance("x-2")), instance("x-4")
        self.moving = [resized]
        self.host.vmutils.vms["by hand"] = {"notes": ["a note"], "disks": []}
        for name in ("instance-00000003", f"{resized.name}_aside", "instance-00000005_aside"):
            (self.instances / name).mkdir()
        self.start()
        self.assertIn(f"Virtual machine {gone.name} is of instance {gone.uuid}, which nova", self.log.output)
        reported = [line.split()[1] for line in self.log.output.splitlines() if line.startswith("Folder")]
        orphans = [str(self.instances / name) for name in ("instance-00000003", "instance-00000005_aside")]
        self.assertEqual(orphans, reported)
        self.assertTrue((self.instances / "instance-00000003").exists())

    def test_shared_folders_are_of_other_hosts(self):
        self.assertTrue(paths.may_be_shared(r"C:\ClusterStorage\Volume1\instances"))
        self.assertTrue(paths.may_be_shared(r"\\server\instances"))
        self.assertFalse(paths.may_be_shared(r"C:\OpenStack\instances"))
        self.useFixture_patch("hyperv_driver.paths.may_be_shared", lambda path: True)
        (self.instances / "instance-00000003").mkdir()
        self.start()
        self.assertEqual("", self.log.output)

    def test_a_failure_keeps_nothing_from_starting(self):
        def fail(*_arguments):
            raise OSError("disk on fire")

        self.host.vmutils.get_vm_snapshots = fail
        self.host.vmutils._conn.planned = {"instance-00000009": [uuidutils.generate_uuid()]}
        self.host.livemigrationutils.destroy_existing_planned_vm = fail
        self.made.task_state = task_states.IMAGE_SNAPSHOT_PENDING
        self.host.vmutils.get_vm_state = fail
        self.start()
        self.assertIn("Cannot clean up a snapshot of a volume of instance-00000001: disk", self.log.output)
        self.assertIn("Cannot clean up a snapshot of instance-00000001: disk on fire", self.log.output)
        self.assertIn("Cannot clean up planned virtual machines: disk on fire", self.log.output)
