# SPDX-License-Identifier: Apache-2.0
"""Checkpoints: what rests, what goes on, and what is left when they are deleted."""

import itertools
import time
from unittest import mock

from lab.hyperv_model import checkpoints, states, vhd
from lab.hyperv_model.errors import CimError
from tests.unit.hyperv_model.case import ModelCase, xml

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

    def apply(self, snapshot):
        self.succeed(self.snapshots, "ApplySnapshot", Snapshot=snapshot.path)

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

    def test_applying_one_brings_back_what_it_holds(self):
        taken = []
        for content in (b"1111", b"2222", b"3333"):
            self.write(self.active(), content)
            taken.append((self.create(), content))
        self.write(self.active(), b"last")
        files = len(self.files())
        for snapshot, content in (*taken, *reversed(taken)):
            lost = self.active()
            self.apply(snapshot)
            self.assertEqual(content, self.read(self.active()))
            self.assertFalse(self.local(lost).exists())
            self.write(self.active(), b"lost")
            self.request(self.vm, states.ENABLE)
            self.request(self.vm, states.DISABLE)
        for snapshot, content in taken:
            self.assertEqual(content, self.read(self.resting(snapshot)))
        self.assertEqual(files, len(self.files()))

    def files(self):
        return list(self.local("C:\\vm_1").iterdir())

    def test_the_next_is_based_on_the_one_that_was_applied(self):
        first, second = self.create(), self.create()
        self.assertEqual([second.path], self.linked("Msvm_MostCurrentSnapshotInBranch"))
        self.assertEqual([], self.linked("Msvm_LastAppliedSnapshot"))
        self.apply(first)
        self.assertEqual([first.path], self.linked("Msvm_MostCurrentSnapshotInBranch"))
        self.assertEqual([first.path], self.linked("Msvm_LastAppliedSnapshot"))
        self.assertEqual(first.path, self.vm.settings["Parent"])
        branch = self.create()
        self.assertEqual(first.path, branch["Parent"])
        self.assertEqual([branch.path], self.linked("Msvm_MostCurrentSnapshotInBranch"))
        self.assertEqual([first.path], self.linked("Msvm_LastAppliedSnapshot"))
        children = self.wmi.query(
            f"ASSOCIATORS OF {{{first.path}}} WHERE AssocClass=Msvm_ParentChildSettingData Role=Antecedent"
        )
        self.assertEqual({second.path, branch.path}, {child.path for child in children})
        self.destroy(first)
        self.assertEqual([], self.linked("Msvm_LastAppliedSnapshot"))
        self.assertEqual([None, None], [self.wmi.at(each.path)["Parent"] for each in (second, branch)])
        self.destroy(branch)
        self.assertIsNone(self.vm.settings["Parent"])
        self.assertEqual([], self.linked("Msvm_MostCurrentSnapshotInBranch"))

    def linked(self, association):
        found = self.wmi.associators(self.vm.system.path, association, "Msvm_VirtualSystemSettingData")
        return [each.path for each in found]

    def grow(self):
        """A tree: "root" below "left" and "right", and the machine, which has "last", below "right"."""
        self.write(self.active(), b"root")
        root = self.create()
        self.write(self.active(), b"left")
        left = self.create()
        self.apply(root)
        self.write(self.active(), b"rght")
        right = self.create()
        self.write(self.active(), b"last")
        return {b"root": root, b"left": left, b"rght": right}

    def test_branches_keep_what_they_hold_in_whatever_order_they_go(self):
        for number, order in enumerate(itertools.permutations((b"root", b"left", b"rght"))):
            with self.subTest(order=order):
                vm = f"C:\\vm_{number + 2}"
                self.vm = self.define(f"vm-{number}", generation=2)
                self.drive, self.disk = self.attach(self.vm, self.file(f"{vm}\\root.vhdx"))
                tree = self.grow()
                self.request(self.vm, states.ENABLE)
                for content in order:
                    self.destroy(tree.pop(content))
                    self.check_held(tree, vm)
                self.assertEqual(f"{vm}\\root.vhdx", self.active())

    def check_held(self, tree, folder):
        """Wait until everything is merged that can be; check what the others hold."""
        forked_below_nobody = b"left" in tree and b"root" not in tree
        needed = 1 + len(tree) + forked_below_nobody
        self.wait_for(lambda: len(list(self.local(folder).iterdir())) == needed)
        for content, snapshot in tree.items():
            self.assertEqual(content, self.read(self.resting(snapshot)))
        self.assertEqual(b"last", self.read(self.active()))

    def test_a_tree_goes_as_a_whole(self):
        tree = self.grow()
        self.apply(tree[b"left"])
        self.succeed(self.snapshots, "DestroySnapshotTree", SnapshotSettingData=tree[b"rght"].path)
        self.assertEqual(3, len(self.files()))
        self.apply(tree[b"root"])
        self.write(self.active(), b"last")
        self.succeed(self.snapshots, "DestroySnapshotTree", SnapshotSettingData=tree[b"root"].path)
        self.wait_until_merged(r"C:\vm_1\root.vhdx")
        self.assertEqual(b"last", self.read(self.active()))
        self.assertEqual(1, len(self.files()))
        self.assertEqual([], checkpoints.of_machine(self.model, self.vm))
        self.assertEqual({}, self.vm.kept)

    def test_of_one_that_was_on_the_memory_comes_back(self):
        self.request(self.vm, states.ENABLE)
        self.wait_for(lambda: self.vm.run.on_time > 0.05)
        running = self.create()
        self.assertTrue(running["IsSaved"])
        refused = self.wmi.invoke(self.snapshots, "ApplySnapshot", {"Snapshot": running.path})
        self.assertEqual(32775, refused["ReturnValue"])
        self.request(self.vm, states.DISABLE)
        off = self.create()
        self.assertFalse(off["IsSaved"])
        self.apply(running)
        self.assertEqual((states.SAVED, True), (self.vm.state, self.vm.settings["IsSaved"]))
        self.assertGreater(self.vm.run.on_time, 0.05)
        self.request(self.vm, states.ENABLE)
        self.assertGreater(self.vm.run.on_time, 0.05)
        self.request(self.vm, states.OFFLINE)
        self.apply(off)
        self.assertEqual((states.OFF, False), (self.vm.state, self.vm.settings["IsSaved"]))
        self.assertIsNone(self.vm.run)
        self.succeed(self.snapshots, "ClearSnapshotState", SnapshotSettingData=running.path)
        self.apply(running)
        self.assertEqual(states.OFF, self.vm.state)

    def test_production_checkpoints_only_of_one_that_is_on(self):
        self.vm.settings["UserSnapshotType"] = checkpoints.PRODUCTION_ONLY
        self.create()
        self.request(self.vm, states.ENABLE)
        arguments = {"AffectedSystem": self.vm.system.path, **CREATE}
        self.fail_with("no backup service", self.snapshots, "CreateSnapshot", **arguments)

    def test_settings_go_back(self):
        adapter = self.add(self.vm, "Msvm_SyntheticEthernetPortSettingData", "Synthetic Ethernet Port")
        connection = self.add(
            self.vm, "Msvm_EthernetPortAllocationSettingData", "Ethernet Connection", Parent=adapter
        )
        vlan = self.vlan(connection, 42)
        before = self.settings()
        snapshot = self.create()
        self.succeed(self.service, "RemoveResourceSettings", ResourceSettings=[self.disk, adapter])
        self.attach(self.vm, self.file(r"C:\vm_1\other.vhdx"), slot=1)
        memory = self.vm.of("Msvm_MemorySettingData")[0]
        self.succeed(self.service, "ModifyResourceSettings", **self.modify(memory, VirtualQuantity=2048))
        settings = self.modify(self.vm.settings, ElementName="renamed", SecureBootEnabled=False)
        self.succeed(
            self.service, "ModifySystemSettings", SystemSettings=settings["ResourceSettings"][0]
        )
        self.apply(snapshot)
        after = self.settings()
        own = self.vm.settings.path
        for settings in (before, after):
            settings[self.disk].pop("HostResource")
            for name in ("ElementName", "Parent"):
                settings[own].pop(name)
        self.assertEqual(before, after)
        self.assertEqual("renamed", self.vm.name)
        self.assertEqual(42, self.wmi.at(vlan)["AccessVlanId"])
        self.assertTrue(self.local(r"C:\vm_1\other.vhdx").exists())
        self.request(self.vm, states.ENABLE)

    def vlan(self, connection, number):
        feature = xml("Msvm_EthernetSwitchPortVlanSettingData", AccessVlanId=number, OperationMode=1)
        outputs = self.succeed(
            self.service, "AddFeatureSettings", AffectedConfiguration=connection, FeatureSettings=[feature]
        )
        return outputs["ResultingFeatureSettings"][0]

    def settings(self):
        """By their paths, the values of all settings of the machine; check the parts' associations."""
        prefix = f"Microsoft:{self.vm.guid}"
        found = {
            each.path: dict(each.values)
            for each in self.wmi.query("SELECT * FROM CIM_SettingData")
            if each["InstanceID"].startswith(prefix)
        }
        parts = self.wmi.associators(self.vm.settings.path, "Msvm_VirtualSystemSettingDataComponent")
        self.assertEqual(set(self.vm.parts), {part["InstanceID"] for part in parts})
        return found

    def test_one_that_cannot_be_applied_changes_nothing(self):
        first = self.create()
        second = self.create()
        self.write(self.active(), b"last")
        before, files = self.settings(), self.files()
        self.local(self.resting(second)).rename(self.root / "away")
        self.fail_with("cannot find", self.snapshots, "ApplySnapshot", Snapshot=second.path)
        (self.root / "away").rename(self.local(self.resting(second)))
        self.assertEqual((before, files), (self.settings(), self.files()))
        with self.model.lock:
            job = self.wmi.invoke(self.snapshots, "ApplySnapshot", {"Snapshot": first.path})["Job"]
            self.vm.state = states.STARTING
        self.wait_for(lambda: self.wmi.at(job)["JobState"] != 4)
        self.assertIn("it is Starting, needs Off", self.wmi.at(job)["ErrorDescription"])

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
