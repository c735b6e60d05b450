# SPDX-License-Identifier: Apache-2.0
import json
import time
from concurrent import futures
from unittest import mock

from nova import exception, objects
from nova.compute import power_state, task_states

from hyperv_driver.oswin import exceptions
from tests.unit.driver import base
from tests.unit.driver.base import claim, iscsi_volume, smb_volume

SHARE = r"\\198.51.100.20\volumes"
VOLUME, FIRST, SECOND = "volume-1.vhdx", "volume-1.a.vhdx", "volume-1.b.vhdx"


class VolumeSnapshotsTest(base.DriverTestCase):
    def setUp(self):
        super().setUp()
        self.told, self.tasks = [], []
        self.useFixture_patch(
            "nova.volume.cinder.API.update_snapshot_status",
            lambda _api, _context, snapshot, status: self.told.append((snapshot, status)),
        )
        self.useFixture_patch(
            "nova.objects.Instance.save",
            lambda instance, expected_task_state: self.tasks.append(
                (*expected_task_state, instance.task_state)
            ),
        )
        self.useFixture_patch("nova.objects.BlockDeviceMapping.save", lambda _record: None)
        self.made = self.spawn()
        # Nothing is made at a Windows path here.
        disks = self.host.vhdutils.disks = {rf"{SHARE}\{VOLUME}": {"parent": None, "size": 1}}
        self.host.vhdutils._create = lambda path, size, parent: disks.update(
            {path: {"parent": parent, "size": size}}
        )
        self.host.pathutils.remove = disks.pop
        self.disks = disks
        self.volume = smb_volume("one")
        self.driver.attach_volume(self.context, self.volume, self.made, "/dev/sdb")
        self.record(self.volume)

    def record(self, volume):
        self.records.disks[:] = [
            objects.BlockDeviceMapping(volume_id="one", tag=None, connection_info=json.dumps(volume))
        ]

    def create(self, snapshot="a", new_file=FIRST):
        info = {"snapshot_id": snapshot, "type": "qcow2", "new_file": new_file}
        self.driver.volume_snapshot_create(self.context, self.made, "one", info)

    def delete(self, snapshot="a", file_to_merge=FIRST):
        info = {"volume_id": "one", "file_to_merge": file_to_merge}
        self.driver.volume_snapshot_delete(self.context, self.made, "one", snapshot, info)

    def attached(self):
        """The names that the drive and nova's record have."""
        (record,) = self.records.disks
        path = self.vm(self.made)["disks"][-1][1]
        return path.rpartition("\\")[2], json.loads(record.connection_info)["data"]["name"]

    def state(self):
        return self.driver.get_info(self.made).state

    def assert_refused(self, words, snapshot, *arguments, error=exception.NovaException):
        before = self.attached(), dict(self.disks)
        self.told.clear()
        self.host.vmutils.calls.clear()
        raised = self.assertRaises(error, snapshot, *arguments)
        self.assertIn(words, str(raised))
        failed = "error" if snapshot == self.create else "error_deleting"
        self.assertEqual([("a", failed)], self.told)
        self.assertEqual(before, (self.attached(), dict(self.disks)))
        self.assertIsNone(self.made.task_state)

    def test_machine_is_saved_and_resumed_as_a_task_of_novas(self):
        self.create()
        self.assertEqual((FIRST, FIRST), self.attached())
        self.assertEqual([("a", "creating")], self.told)
        pending = task_states.IMAGE_SNAPSHOT_PENDING
        self.assertEqual([(None, pending), (pending, None)], self.tasks)
        self.assertEqual(
            ["set_vm_state", "update_vm_disk_path", "set_vm_state"],
            [name for name, *_arguments in self.host.vmutils.calls][-3:],
        )
        self.assertEqual(power_state.RUNNING, self.state())

    def test_machine_that_is_off_or_saved_stays_so(self):
        self.driver.suspend(self.context, self.made)
        self.create()
        self.assertEqual(power_state.SUSPENDED, self.state())
        self.driver.power_off(self.made)
        self.create("b", SECOND)
        self.assertEqual((power_state.SHUTDOWN, (SECOND, SECOND)), (self.state(), self.attached()))

    def test_the_older_of_two_is_merged_below_the_newer(self):
        self.create()
        self.create("b", SECOND)
        self.delete()
        self.assertEqual([("a", "deleting")], self.told[2:])
        self.assertEqual([rf"{SHARE}\{FIRST}"], self.host.vhdutils.merged)
        self.assertEqual({rf"{SHARE}\{SECOND}": rf"{SHARE}\{VOLUME}"}, self.host.vmutils._conn.parents)
        self.assertEqual((SECOND, SECOND), self.attached())

    def test_the_newest_is_merged_and_left(self):
        self.create()
        self.delete()
        self.assertEqual((VOLUME, VOLUME), self.attached())
        self.assertIn(rf"{SHARE}\{FIRST}", self.disks)

    def test_refusals(self):
        self.assert_refused("expected one name", self.create, "a", r"..\x.vhdx")
        self.assert_refused("expected one name", self.delete, "a", r"..\x.vhdx")
        self.assert_refused("'new_file', expected one name that ends in .vhdx", self.create, "a", "new_file")
        self.assert_refused("is None, expected one name", self.delete, "a", None)
        # At once: nova's API takes nothing more for an instance with a task.
        self.assertEqual(([], []), (self.host.vmutils.calls, self.tasks))
        self.assert_refused(rf"{SHARE}\{FIRST}, of which", self.delete)
        self.assertEqual(power_state.RUNNING, self.state())
        self.tasks.clear()
        self.driver.pause(self.made)
        self.assert_refused("is Paused, expected Running, Saved or Off", self.create)
        self.assert_refused("is Paused, expected Running, Saved or Off", self.delete)
        self.assertEqual([], self.tasks)

    def test_devices_of_the_host_are_not_saved(self):
        claim(self.made, "0000:81:00.0")
        self.assert_refused("it has PCI devices of its host", self.create)
        self.driver.power_off(self.made)
        self.create()
        self.assertEqual((FIRST, FIRST), self.attached())

    def test_volumes_of_other_protocols(self):
        self.record({**iscsi_volume("one"), "data": {"name": VOLUME}})
        self.assert_refused("over iscsi, expected smbfs", self.create, error=exception.InvalidVolume)
        self.assertEqual([], self.tasks)

    def test_volume_that_is_in_no_drive(self):
        self.record(smb_volume("one", "other.vhdx"))
        self.assert_refused(
            "other.vhdx, volume one, in a drive of", self.create, error=exception.DiskNotFound
        )

    def test_another_task_goes_first(self):
        busy = exception.UnexpectedTaskStateError(
            instance_uuid="x", expected={"task_state": [None]}, actual={"task_state": "powering-off"}
        )
        with mock.patch("nova.objects.Instance.save", side_effect=busy):
            self.assertRaises(exception.UnexpectedTaskStateError, self.create)
        self.assertEqual(([("a", "error")], (VOLUME, VOLUME)), (self.told, self.attached()))

    def test_two_at_once_are_one_upon_the_other(self):
        suspend = self.host.vmutils.set_vm_state

        def slowly(*arguments):
            time.sleep(0.1)
            return suspend(*arguments)

        with mock.patch.object(self.host.vmutils, "set_vm_state", slowly):
            with futures.ThreadPoolExecutor() as pool:
                list(pool.map(self.create, ("a", "b"), (FIRST, SECOND)))
        top, _recorded = self.attached()
        (below,) = {FIRST, SECOND} - {top}
        parents = [self.disks[rf"{SHARE}\{name}"]["parent"] for name in (top, below)]
        self.assertEqual([rf"{SHARE}\{below}", rf"{SHARE}\{VOLUME}"], parents)

    def test_failures_leave_no_disk_and_resume(self):
        failing = exceptions.HyperVException("out of memory")
        with mock.patch.object(self.host.vmutils, "update_vm_disk_path", side_effect=failing):
            self.assert_refused("out of memory", self.create)
        self.assertEqual(power_state.RUNNING, self.state())

    def test_cinder_hears_of_a_chain_that_grew_though_the_machine_does_not_resume(self):
        with mock.patch(
            "hyperv_driver.powerops.PowerOps.resume", side_effect=exception.NovaException("stuck")
        ):
            self.assertRaises(exception.NovaException, self.create)
        self.assertEqual(([("a", "creating")], (FIRST, FIRST)), (self.told, self.attached()))
