# SPDX-License-Identifier: Apache-2.0
"""Checkpoints: what rests, what goes on, and what is left when they are deleted."""

import time
from unittest import mock

from lab.hyperv_model import checkpoints, states, vhd
from lab.hyperv_model.errors import CimError
from tests.unit.hyperv_model.case import ModelCase

CREATE = {"SnapshotType": 2}


class CheckpointCase(ModelCase):
    def setUp(self):
        super().setUp()
        self.snapshots = self.wmi.query(f"SELECT * FROM {checkpoints.SERVICE}")[0].path
        self.vm = self.define(generation=2)
        self.drive, self.disk = self.attach(self.vm, self.file(r"C:\vm_1\root.vhdx"))

    def create(self):
        outputs = self.succeed(
            self.snapshots, "CreateSnapshot", AffectedSystem=self.vm.system.path, SnapshotType=2
        )
        (snapshot,) = self.wmi.associators(
            outputs["Job"], "Msvm_AffectedJobElement", "Msvm_VirtualSystemSettingData"
        )
        return snapshot

    def destroy(self, snapshot):
        self.succeed(self.snapshots, "DestroySnapshot", AffectedSnapshot=snapshot.path)

    def active(self):
        return self.wmi.at(self.disk)["HostResource"][0]

    def wait_until_merged(self, path):
        deadline = time.monotonic() + 5
        while self.active() != path:
            self.assertLess(time.monotonic(), deadline, f"{self.active()} is not merged")
            time.sleep(0.005)

    def write(self, path, data):
        with vhd.open_chain(path, self.local, write=True) as disk:
            disk.write(0, data)

    def read(self, path):
        with vhd.open_chain(path, self.local) as disk:
            return disk.read(0, 4)

    def test_a_running_machine_goes_on_with_another_disk(self):
        self.write(self.active(), b"then")
        self.request(self.vm, states.ENABLE)
        snapshot = self.create()
        self.assertEqual(states.RUNNING, self.vm.state)
        self.assertRegex(self.active(), r"^C:\\vm_1\\root_[0-9A-F-]{36}\.avhdx$")
        self.write(self.active(), b"now.")
        self.assertEqual(b"then", self.read(r"C:\vm_1\root.vhdx"))
        written = self.active()
        self.destroy(snapshot)
        self.wait_until_merged(r"C:\vm_1\root.vhdx")
        self.assertEqual(b"now.", self.read(r"C:\vm_1\root.vhdx"))
        self.assertFalse(self.local(written).exists())
        self.request(self.vm, states.DISABLE)
        self.request(self.vm, states.ENABLE)

    def test_is_a_copy_of_the_settings(self):
        snapshot = self.create()
        self.assertEqual(checkpoints.SNAPSHOT, snapshot["VirtualSystemType"])
        self.assertEqual(self.vm.guid, snapshot["VirtualSystemIdentifier"])
        (system,) = self.wmi.associators(snapshot.path, "Msvm_SnapshotOfVirtualSystem")
        self.assertEqual(self.vm.system.path, system.path)
        copied = [
            part["HostResource"]
            for part in self.wmi.query("SELECT * FROM Msvm_StorageAllocationSettingData")
            if part["InstanceID"].startswith(snapshot["InstanceID"])
        ]
        self.assertEqual([[r"C:\vm_1\root.vhdx"]], copied)

    def test_two_of_them(self):
        first, second = self.create(), self.create()
        self.assertEqual(first.path, second["Parent"])
        self.destroy(second)
        self.destroy(first)
        self.wait_until_merged(r"C:\vm_1\root.vhdx")

    def resting(self, snapshot):
        """The disk of a checkpoint."""
        (disk,) = [
            part["HostResource"][0]
            for part in self.wmi.query("SELECT * FROM Msvm_StorageAllocationSettingData")
            if part["InstanceID"].startswith(snapshot["InstanceID"])
        ]
        return disk

    def keep_the_others(self, deleted, folder="vm_1"):
        """Delete one of three checkpoints: what the others hold stays, and then goes with them."""
        taken = []
        for content in (b"1111", b"2222", b"3333"):
            self.write(self.active(), content)
            taken.append((self.create(), content))
        self.write(self.active(), b"last")
        self.request(self.vm, states.ENABLE)
        gone, _ = taken.pop(deleted)
        self.destroy(gone)
        self.wait_for(lambda: len(list(self.local(f"C:\\{folder}").iterdir())) == 3)
        for snapshot, content in taken:
            self.assertEqual(content, self.read(self.resting(snapshot)))
        self.assertEqual(b"last", self.read(self.active()))
        parents = [self.wmi.at(snapshot.path)["Parent"] for snapshot, _ in taken]
        self.assertEqual([None, taken[0][0].path], parents)
        for snapshot, _ in taken:
            self.destroy(snapshot)
        self.wait_for(lambda: len(list(self.local(f"C:\\{folder}").iterdir())) == 1)
        self.assertEqual(b"last", self.read(self.active()))
        self.request(self.vm, states.DISABLE)
        self.request(self.vm, states.ENABLE)

    def test_one_that_has_later_ones_goes_alone(self):
        for deleted in (0, 1, 2):
            with self.subTest(deleted=deleted):
                self.keep_the_others(deleted)
                self.request(self.vm, states.DISABLE)

    def test_so_does_one_of_vhd_files(self):
        self.vm = self.define("old")
        self.drive, self.disk = self.attach(self.vm, self.file(r"C:\old\root.vhd"))
        self.keep_the_others(1, folder="old")

    def test_fifty_are_the_most(self):
        snapshots = [self.create() for _ in range(3)]
        with mock.patch.object(checkpoints, "MOST", 3):
            self.fail_with(
                "has 3 checkpoints",
                self.snapshots,
                "CreateSnapshot",
                AffectedSystem=self.vm.system.path,
                **CREATE,
            )
            self.destroy(snapshots[0])
            self.create()

    def test_jobs_that_come_too_late_fail(self):
        """A machine or a checkpoint that was deleted since is not there for another job."""
        snapshot = self.create()
        system = {"AffectedSystem": self.vm.system.path}
        calls = [(self.snapshots, "DestroySnapshot", {"AffectedSnapshot": snapshot.path})] * 2
        calls += [(self.service, "DestroySystem", system)] * 2
        calls += [(self.snapshots, "CreateSnapshot", {**system, **CREATE})]
        with self.model.lock:
            jobs = [self.wmi.invoke(*call)["Job"] for call in calls]
        self.wait_for(lambda: all(self.wmi.at(job)["JobState"] != 4 for job in jobs))
        told = [(self.wmi.at(job)["JobState"], self.wmi.at(job)["ErrorDescription"] or "") for job in jobs]
        late = [text for state, text in told if state == 10]
        self.assertIn(len(late), (2, 3, 4), told)  # 4, if the machine is deleted before anything else
        for text in late:
            self.assertRegex(text, "was deleted")
        self.assertEqual([], self.wmi.query("SELECT * FROM Msvm_SnapshotOfVirtualSystem"))

    def test_go_with_their_machine(self):
        before = {instance.path for instance in self.wmi.query("SELECT * FROM CIM_SettingData")}
        self.write(self.active(), b"then")
        self.create()
        self.write(self.active(), b"last")
        self.succeed(self.service, "DestroySystem", AffectedSystem=self.vm.system.path)
        left = {instance.path for instance in self.wmi.query("SELECT * FROM CIM_SettingData")}
        self.assertLess(left, before)
        self.assertEqual(b"last", self.read(r"C:\vm_1\root.vhdx"))

    def test_may_be_renamed_and_nothing_else(self):
        snapshot = self.create()
        for change, refused in (
            ({"ElementName": "before the update"}, None),
            ({"Version": "9.0"}, "Version"),
        ):
            settings = self.modify(snapshot, **change)["ResourceSettings"][0]
            if refused:
                self.fail_with(refused, self.service, "ModifySystemSettings", SystemSettings=settings)
            else:
                self.succeed(self.service, "ModifySystemSettings", SystemSettings=settings)
        self.assertEqual("before the update", self.wmi.at(snapshot.path)["ElementName"])

    def test_every_state(self):
        self.vm.state = states.STOPPING
        arguments = {"AffectedSystem": self.vm.system.path, **CREATE}
        self.assertEqual(32775, self.wmi.invoke(self.snapshots, "CreateSnapshot", arguments)["ReturnValue"])
        for state in checkpoints.STATES:
            self.vm.state = state
            self.destroy(self.create())
        self.vm.state = states.OFF

    def test_disabled(self):
        self.vm.settings["UserSnapshotType"] = checkpoints.DISABLED
        self.fail_with(
            "disabled", self.snapshots, "CreateSnapshot", AffectedSystem=self.vm.system.path, **CREATE
        )
        self.assertEqual(r"C:\vm_1\root.vhdx", self.active())

    def test_something_else(self):
        with self.assertRaises(CimError) as caught:
            self.wmi.invoke(self.snapshots, "DestroySnapshot", {"AffectedSnapshot": self.vm.settings.path})
        self.assertIn("is no checkpoint", str(caught.exception))
