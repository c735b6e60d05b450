# SPDX-License-Identifier: Apache-2.0
"""A host's disk runs full: what os-win hears of it, and that nothing half-done stays."""

import errno
import types
from unittest import mock

from lab.hyperv_model import disk_space, vhd
from lab.windows_sandbox.event_log import EventLog
from lab.windows_sandbox.registry import Registry
from tests.contract.hyperv_model.os_win_case import DISABLED, ENABLED, PAUSED, OsWinCase, OsWinError

VMMS = "Microsoft-Windows-Hyper-V-VMMS-Admin"
FULL = "not enough space on the disk.*0x80070070"
MIB = 1 << 20
# HealthState and OperationalStatus
HEALTHY, LOW, CRITICAL = [5, 2], [5, 5], [25, 5]


class DiskSpaceCase(OsWinCase):
    def setUp(self):
        super().setUp()
        log = EventLog(self.root / "events.jsonl", Registry(self.root / "registry.json"))
        self.model.host = types.SimpleNamespace(event_log=log)

    def fill_disk(self, after=0):
        """Have the host's disk run full after so many writes that went well."""
        answers = iter([None] * after)

        def check():
            if next(answers, self) is self:
                raise OSError(errno.ENOSPC, "There is not enough space on the disk")

        self.model.check_space = check

    def free(self, size):
        """Have the host look at its disk when so many bytes are free."""
        with mock.patch.object(self.model, "free_space", return_value=size), self.model.lock:
            disk_space.look(self.model)

    def events(self):
        return [(event.id, event.message) for event in self.model.host.event_log.newest(VMMS, 10)]

    def health(self):
        return self.os_win.wmi(
            """
            (system,) = wmi.WMI(moniker="root/virtualization/v2").Msvm_ComputerSystem(ElementName="vm-1")
            result = [system.HealthState, *system.OperationalStatus]
            """
        )

    def machine_with(self, path):
        machine = self.create("vm-1")
        self.attach(machine, path)
        self.vmutils.set_vm_state("vm-1", ENABLED)
        return machine

    def files(self, folder="C:\\disks"):
        return sorted(file.name for file in self.local(folder).iterdir())

    def test_a_machine_whose_disk_cannot_grow_is_paused(self):
        self.machine_with(self.file(r"C:\disks\root.vhdx"))
        self.free(3 << 30)
        self.assertEqual(HEALTHY, self.health())
        self.free(1 << 30)
        self.free(1 << 30)
        self.assertEqual((ENABLED, LOW), (self.vmutils.get_vm_state("vm-1"), self.health()))
        self.free(100 * MIB)
        self.assertEqual((PAUSED, CRITICAL), (self.vmutils.get_vm_state("vm-1"), self.health()))
        self.assertEqual(
            [
                (16050, r"'vm-1' is about to run out of disk space on 'C:\disks\root.vhdx'."),
                (
                    16060,
                    r"'vm-1' has been paused because it has run out of disk space on 'C:\disks\root.vhdx'.",
                ),
            ],
            self.events(),
        )
        self.free(3 << 30)
        self.assertEqual(PAUSED, self.vmutils.get_vm_state("vm-1"))
        self.vmutils.set_vm_state("vm-1", ENABLED)
        self.assertEqual((ENABLED, HEALTHY), (self.vmutils.get_vm_state("vm-1"), self.health()))
        self.free(0)
        self.vmutils.set_vm_state("vm-1", DISABLED)
        self.assertEqual(HEALTHY, self.health())

    def test_space_comes_again(self):
        self.machine_with(self.file(r"C:\disks\root.vhdx"))
        self.free(1 << 30)
        self.free(2 << 30)
        self.assertEqual(HEALTHY, self.health())

    def test_disks_are_not_read_while_there_is_space(self):
        self.machine_with(self.file(r"C:\disks\root.vhdx"))
        with mock.patch.object(vhd, "open_disk", side_effect=AssertionError("a disk was read")):
            self.free(3 << 30)

    def test_a_fixed_disk_does_not_grow(self):
        self.machine_with(self.file(r"C:\disks\root.vhdx", vhd.FIXED))
        self.free(0)
        self.assertEqual((ENABLED, HEALTHY), (self.vmutils.get_vm_state("vm-1"), self.health()))
        self.assertEqual([], self.events())

    def test_the_host_looks_by_itself(self):
        with mock.patch.object(disk_space, "LOOK_EVERY", 0.01):
            disk_space.install(self.model)
            self.machine_with(self.file(r"C:\disks\root.vhdx"))
            self.fill_disk()
            self.wait_for(self.events)
        self.assertEqual(0, self.os_win.hostutils.get_volume_info("C:")[1])
        self.assertEqual(PAUSED, self.vmutils.get_vm_state("vm-1"))

    def test_a_checkpoint(self):
        path = self.file(r"C:\disks\root.vhdx")
        self.machine_with(path)
        self.fill_disk()
        with self.assertRaisesRegex(OsWinError, FULL):
            self.vmutils.take_vm_snapshot("vm-1")
        self.assertEqual(["root.vhdx"], self.files())

    def test_a_merge(self):
        """The machine goes on with the disks that it has."""
        path = self.file(r"C:\disks\root.vhdx")
        machine = self.machine_with(path)
        snapshot = self.vmutils.take_vm_snapshot("vm-1")
        (layer,) = self.vmutils.get_vm_storage_paths("vm-1")[0]
        with vhd.open_chain(layer, self.local, write=True) as disk:
            disk.write(MIB, b"written since")
        files = self.files()
        with mock.patch.object(vhd.shutil, "disk_usage", return_value=mock.Mock(free=MIB)):
            self.vmutils.remove_vm_snapshot(snapshot)
            self.wait_for(self.events)
        self.assertEqual((files, [layer]), (self.files(), self.vmutils.get_vm_storage_paths("vm-1")[0]))
        ((number, text),) = self.events()
        self.assertEqual(19100, number)
        self.assertRegex(text, f"'vm-1' background disk merge failed to complete: There is {FULL}")
        with vhd.open_chain(layer, self.local) as disk:
            self.assertEqual(b"written since", disk.read(MIB, 13))
        self.assertEqual(ENABLED, machine.state)
        self.vmutils.remove_vm_snapshot(self.vmutils.take_vm_snapshot("vm-1"))
        self.wait_for(lambda: self.files() == ["root.vhdx"])

    def test_an_export(self):
        base = self.file(r"C:\disks\base.vhd")
        machine = self.create("vm-1")
        self.attach(machine, self.file(r"C:\disks\child.vhd", parent=base))
        self.local("C:\\exports").mkdir()
        self.fill_disk(after=2)
        with self.assertRaisesRegex(OsWinError, f"'vm-1' cannot be exported: .*{FULL}"):
            self.os_win.migrationutils.export_vm("vm-1", r"C:\exports\vm-1", 1, copy_vm_storage=True)
        self.assertEqual([], self.files("C:\\exports"))
        self.fill_disk(after=100)
        self.os_win.migrationutils.export_vm("vm-1", r"C:\exports\vm-1", 1, copy_vm_storage=True)
        self.assertEqual(["Virtual Hard Disks", "Virtual Machines"], self.files(r"C:\exports\vm-1"))

    def test_a_disk_that_is_made_of_another(self):
        source = self.file(r"C:\disks\source.vhdx")
        with vhd.open_disk(self.local(source), write=True) as disk:
            disk.write(0, b"1")
        full = OSError(errno.ENOSPC, "No space left on device")
        with (
            mock.patch.object(vhd.vhd_format.Vhd, "_set_entry", side_effect=full),
            self.assertRaises(OSError),
        ):
            vhd.convert(r"C:\disks\copy.vhd", source, self.local)
        self.assertEqual(["source.vhdx"], self.files())
