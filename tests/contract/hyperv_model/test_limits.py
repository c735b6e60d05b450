# SPDX-License-Identifier: Apache-2.0
"""What a host runs out of, and how os-win hears of it."""

import dataclasses
import errno
from unittest import mock

from lab.hyperv_model import vhd
from tests.contract.hyperv_model.os_win_case import DISABLED, ENABLED, OsWinCase, OsWinError
from tests.unit.hyperv_model.case import FAST

FIXED = 2  # os_win.constants.VHD_TYPE_FIXED
NIC = "Msvm_SyntheticEthernetPortSettingData"


class LimitsTest(OsWinCase):
    facts = dataclasses.replace(FAST, memory_mb=2048 + 1024, address="192.0.2.171")

    def start(self, name):
        self.vmutils.set_vm_state(name, ENABLED)

    def test_memory(self):
        for name in ("vm-1", "vm-2", "vm-3"):
            self.create(name)
        self.start("vm-1")
        self.start("vm-2")
        with self.assertRaisesRegex(OsWinError, "Not enough memory in the system .*0x8007000E"):
            self.start("vm-3")
        self.assertEqual(DISABLED, self.vmutils.get_vm_state("vm-3"))
        self.vmutils.set_vm_state("vm-1", DISABLED)
        self.start("vm-3")

    def test_dynamic_mac_addresses(self):
        """Documented: 256 of them, from the host's address."""
        machines = [self.define(f"full-{number}") for number in range(32)]
        for number, machine in enumerate(machines):
            for port in range(8):
                self.add(machine, NIC, "Synthetic Ethernet Port", ElementName=f"{number}-{port}")
            machine.of("Msvm_MemorySettingData")[0]["VirtualQuantity"] = 32
            self.start(machine.name)
        given = {adapter["Address"] for machine in machines for adapter in machine.of(NIC)}
        self.assertEqual({f"00155D02AB{number:02X}" for number in range(256)}, given)
        self.vmutils.set_vm_state("full-31", DISABLED)
        self.create("vm-1")
        self.add(self.machine("vm-1"), NIC, "Synthetic Ethernet Port", ElementName="one-more")
        self.vmutils.update_vm("vm-1", 32, None, 1, None, False, 1.0)
        with self.assertRaisesRegex(OsWinError, "access invalid address.*0x800701E7"):
            self.start("vm-1")
        self.vmutils.destroy_vm("full-31")
        self.start("vm-1")

    def test_space_for_a_fixed_disk(self):
        (self.c_drive / "disks").mkdir()
        create = self.os_win.vhdutils.create_vhd
        for ending in ("vhd", "vhdx"):
            path = rf"C:\disks\big.{ending}"
            most = {"vhd": 2040 << 30, "vhdx": 64 << 40}[ending]
            with self.assertRaisesRegex(OsWinError, "(112|0x70|not enough space)"):
                create(path, FIXED, max_internal_size=most)
            self.assertFalse(self.local(path).exists())

    def test_space_for_a_checkpoint(self):
        """All or nothing: what was made before the disk was full is gone, and the machine is as before."""
        machine = self.create("vm-1")
        paths = [self.file(rf"C:\disks\{name}.vhdx") for name in ("root", "more")]
        for slot, path in enumerate(paths):
            self.attach(machine, path, slot)
        full = OSError(errno.ENOSPC, "No space left on device")
        made = vhd.create_differencing
        with (
            mock.patch.object(vhd, "create_differencing", side_effect=[mock.DEFAULT, full], wraps=made),
            self.assertRaisesRegex(OsWinError, "not enough space on the disk.*0x80070070"),
        ):
            self.vmutils.take_vm_snapshot("vm-1")
        files = sorted(file.name for file in self.local("C:\\disks").iterdir())
        self.assertEqual(["more.vhdx", "root.vhdx"], files)
        self.assertEqual(paths, self.vmutils.get_vm_storage_paths("vm-1")[0])
        self.assertEqual([], self.vmutils.get_vm_snapshots("vm-1"))
        self.vmutils.take_vm_snapshot("vm-1")
