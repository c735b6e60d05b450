# SPDX-License-Identifier: Apache-2.0
import os
import threading
from unittest import mock

from nova import exception
from nova.compute import task_states
from oslo_concurrency import lockutils

from hyperv_driver import oswin, snapshotops
from tests.unit.driver import base
from tests.unit.driver.base import instance, iscsi_volume

IMAGE = "99999999-0000-4000-8000-000000000000"


class SnapshotTest(base.DriverTestCase):
    def setUp(self):
        super().setUp()
        self.patch(snapshotops, "MERGE_TIMEOUT", 5)
        self.uploads = []
        self.useFixture_patch("nova.image.glance.API.update", self._update)
        self.states = []
        self.made = self.spawn(instance(project_id="a project"))
        self.resting = []
        convert = self.host.vhdutils.convert_vhd
        self.host.vhdutils.convert_vhd = lambda src, dest: (self._note_disks(), convert(src, dest))

    def _update(self, _context, image_id, metadata, data, purge_props):
        self.uploads.append((image_id, metadata, data.read()))

    def _note_disks(self):
        self.resting.append([os.path.basename(path) for _bus, path in self.vm(self.made)["disks"]])

    def snapshot(self, made=None):
        def update_task_state(task_state, expected_state=task_states.IMAGE_SNAPSHOT):
            self.states.append((expected_state, task_state))

        self.driver.snapshot(self.context, made or self.made, IMAGE, update_task_state)

    def test_deletion_under_the_lock_that_nova_holds(self):
        def delete():
            with lockutils.lock(self.made.uuid):
                self.driver.destroy(self.context, self.made, [])

        deletion = threading.Thread(target=delete, daemon=True)
        deletion.start()
        deletion.join(5)
        self.assertFalse(deletion.is_alive())
        self.assertEqual([], self.driver.list_instances())

    def files(self):
        return sorted(os.listdir(self.instances / self.made.name))

    def test_uploads_the_root_disk(self):
        before = self.files()
        self.snapshot()
        ((image_id, metadata, data),) = self.uploads
        self.assertEqual((IMAGE, b"disk"), (image_id, data))
        self.assertEqual(("vhdx", "bare"), (metadata["disk_format"], metadata["container_format"]))
        self.assertEqual("a project", metadata["properties"]["owner_id"])
        self.assertEqual(
            [
                (task_states.IMAGE_SNAPSHOT, task_states.IMAGE_PENDING_UPLOAD),
                (task_states.IMAGE_PENDING_UPLOAD, task_states.IMAGE_UPLOADING),
            ],
            self.states,
        )
        self.assertEqual(before, self.files())

    def test_image_that_requires_what_a_checkpoint_does_not(self):
        self.made.system_metadata = {"image_os_require_quiesce": "yes"}
        error = self.assertRaises(exception.InstanceQuiesceNotSupported, self.snapshot)
        self.assertIn("it is Running, its image has os_require_quiesce", str(error))
        self.driver.power_off(self.made)
        self.snapshot()
        self.assertEqual(1, len(self.uploads))

    def test_machine_writes_elsewhere_while_its_disk_is_copied(self):
        self.snapshot()
        self.assertEqual([["root_1.avhdx"]], self.resting)
        self.assertEqual([], self.vm(self.made)["snapshots"])

    def test_machine_that_is_off_needs_no_checkpoint(self):
        self.driver.power_off(self.made)
        self.snapshot()
        self.assertEqual(([["root.vhdx"]], 1), (self.resting, len(self.uploads)))

    def test_machine_that_runs_with_a_disk_of_the_host(self):
        volume = iscsi_volume("one")
        self.driver.attach_volume(self.context, volume, self.made, "/dev/sdb")
        error = self.assertRaises(exception.NovaException, self.snapshot)
        self.assertIn("it is Running and has disks of the host", str(error))
        self.driver.power_off(self.made)
        self.snapshot()
        self.assertEqual(1, len(self.uploads))

    def test_format_is_that_of_the_disk(self):
        self.snapshot(self.spawn(instance("x-2", project_id="p"), disk_format="vhd"))
        self.assertEqual("vhd", self.uploads[0][1]["disk_format"])

    def test_waits_until_hyperv_has_merged(self):
        remove = self.host.vmutils.remove_vm_snapshot
        self.host.vmutils.remove_vm_snapshot = mock.Mock()
        with mock.patch("time.sleep", lambda _seconds: remove(self.made.name)):
            self.snapshot()
        self.assertEqual(
            [("ide", str(self.instances / self.made.name / "root.vhdx"))], self.vm(self.made)["disks"]
        )

    def test_slow_merge_is_no_failure(self):
        self.host.vmutils.remove_vm_snapshot = mock.Mock()
        clock = iter(range(0, 100_000, 100))
        with mock.patch("time.sleep"), mock.patch("time.monotonic", lambda: next(clock)):
            self.snapshot()
        self.assertEqual(1, len(self.uploads))

    def test_root_disk_that_the_machine_does_not_have_is_said_at_once(self):
        self.vm(self.made)["disks"] = []
        with mock.patch("time.sleep", side_effect=AssertionError("it waits")):
            error = self.assertRaises(exception.NovaException, self.snapshot)
        self.assertIn("root.vhdx is none of its disks", str(error))
        self.assertEqual(([], []), (self.states, self.uploads))

    def test_disk_that_hyperv_still_merges(self):
        self.host.vmutils.take_vm_snapshot(self.made.name)
        self.assertRaises(exception.NovaException, self.snapshot)
        self.assertEqual([], self.uploads)

    def test_failures_leave_neither_checkpoint_nor_file(self):
        before = self.files()
        full = oswin.exceptions.VHDException("no space")
        with mock.patch.object(self.host.vhdutils, "convert_vhd", side_effect=full):
            self.assertRaises(exception.NovaException, self.snapshot)
        gone = exception.ImageNotFound(image_id=IMAGE)
        with mock.patch("nova.image.glance.API.update", side_effect=gone):
            self.assertRaises(exception.ImageNotFound, self.snapshot)
        self.assertEqual(([], before), (self.vm(self.made)["snapshots"], self.files()))

    def test_instance_that_hyperv_does_not_have(self):
        self.assertRaises(exception.InstanceNotRunning, self.snapshot, instance("x-ff"))
