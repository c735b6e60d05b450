# SPDX-License-Identifier: Apache-2.0
"""What Hyper-V's own image service does to virtual disks, asked by os-win's helpers for jobs."""

from lab.hyperv_model import vhd
from tests.contract.hyperv_model.os_win_case import ENABLED, OsWinCase, OsWinError

MIB = 1 << 20
FULL, QUICK, RETRIM, PREZEROED = 0, 1, 2, 4
FORMATS = ("vhd", "vhdx")


class ImageManagementCase(OsWinCase):
    def setUp(self):
        super().setUp()
        (self.c_drive / "disks").mkdir()
        self.os_win.wmi(
            """
            from os_win.utils import jobutils
            jobs = jobutils.JobUtils()
            connection = wmi.WMI(moniker="root/virtualization/v2")
            images = connection.Msvm_ImageManagementService()[0]

            def compact(path, mode):
                job, code = images.CompactVirtualHardDisk(Path=path, Mode=mode)
                jobs.check_ret_val(code, job)

            def convert(source, path, kind, number):
                settings = connection.Msvm_VirtualHardDiskSettingData.new()
                settings.Path, settings.Type, settings.Format = path, kind, number
                settings.BlockSize = settings.LogicalSectorSize = 0
                job, code = images.ConvertVirtualHardDisk(source, settings.GetText_(1))
                jobs.check_ret_val(code, job)
            """
        )

    def compact(self, path, mode=PREZEROED):
        self.os_win.wmi(f"compact({path!r}, {mode})")

    def fill(self, path):
        """Write all of a disk; of its 16 MB, all but the last four are zeros then.

        :returns: the size of its file
        """
        with vhd.open_chain(path, self.local, write=True) as disk:
            disk.write(0, b"\1" * disk.size)
            disk.write(0, bytes(12 * MIB))
        return self.size(path)

    def size(self, path):
        return self.local(path).stat().st_size

    def disk(self, name, kind=vhd.DYNAMIC, parent=None):
        path = f"C:\\disks\\{name}"
        if parent:
            vhd.create_differencing(path, parent, self.local, block_size=2 * MIB)
        else:
            more = {} if kind == vhd.FIXED else {"block_size": 2 * MIB}
            vhd.create(self.local(path), 16 * MIB, kind, **more)
        return path

    def assert_content(self, path):
        with vhd.open_chain(path, self.local) as disk:
            self.assertEqual(bytes(12 * MIB) + b"\1" * 4 * MIB, disk.read(0, disk.size))

    def assert_compacts(self, path):
        before = self.fill(path)
        self.compact(path, QUICK)
        self.assertEqual(before, self.size(path), "Quick looked for zeros")
        self.compact(path)
        self.assertLess(self.size(path), before - 11 * MIB)
        self.assert_content(path)

    def test_compact_releases_zeros_of_dynamic_disks(self):
        for extension in FORMATS:
            self.assert_compacts(self.disk(f"dynamic.{extension}"))

    def test_compact_releases_zeros_that_a_parent_shows_too(self):
        for extension in FORMATS:
            base = self.disk(f"base.{extension}")
            self.assert_compacts(self.disk(f"child.{extension}", parent=base))
            self.fill(base)
            other = self.disk(f"other.{extension}", parent=base)
            with vhd.open_chain(other, self.local, write=True) as disk:
                disk.write(12 * MIB, bytes(4 * MIB))
            self.compact(other)
            with vhd.open_chain(other, self.local) as disk:
                self.assertEqual(bytes(16 * MIB), disk.read(0, disk.size))

    def test_a_parent_that_was_compacted_is_its_childrens_still(self):
        for extension in FORMATS:
            base = self.disk(f"base.{extension}")
            self.fill(base)
            child = self.disk(f"child.{extension}", parent=base)
            self.compact(base, FULL)
            self.assert_content(child)

    def test_compact_of_fixed_disks(self):
        """Documented: of fixed disks, VHDX only; that it succeeds without an effect is, too."""
        before = self.fill(path := self.disk("fixed.vhdx", vhd.FIXED))
        self.compact(path)
        self.assertEqual(before, self.size(path))
        self.fill(path := self.disk("fixed.vhd", vhd.FIXED))
        with self.assertRaisesRegex(OsWinError, "failed to compact .*0xC03A001B"):
            self.compact(path)
        self.assert_content(path)

    def test_compact_needs_a_disk_that_nobody_writes(self):
        base = self.disk("base.vhdx")
        self.fill(base)
        root = self.disk("root.vhdx", parent=base)
        machine = self.create("vm-1")
        self.attach(machine, root)
        self.compact(root)
        self.vmutils.set_vm_state("vm-1", ENABLED)
        for path in (root, base):
            with self.assertRaisesRegex(OsWinError, "failed to compact .*0x80070020"):
                self.compact(path)

    def test_compact_of_attached_disks(self):
        """Documented for Optimize-VHD: attached, if read-only; Retrim needs that."""
        path = self.disk("attached.vhdx")
        before = self.fill(path)
        with self.assertRaisesRegex(OsWinError, "Retrim needs it attached"):
            self.compact(path, RETRIM)
        vhdutils = self.os_win.vhdutils
        vhdutils.attach_virtual_disk(path, read_only=False)
        with self.assertRaisesRegex(OsWinError, "0x80070020"):
            self.compact(path, FULL)
        vhdutils.detach_virtual_disk(path)
        vhdutils.attach_virtual_disk(path)
        self.compact(path, RETRIM)
        self.assertEqual(before, self.size(path))
        self.compact(path, FULL)
        self.assertLess(self.size(path), before)

    def test_compact_of_what_is_not_there(self):
        with self.assertRaisesRegex(OsWinError, "32779"):
            self.compact(r"C:\disks\none.vhdx")
        with self.assertRaisesRegex(OsWinError, "32773"):
            self.compact(self.disk("some.vhdx"), 5)

    def test_convert_makes_another_disk(self):
        source = self.disk("source.vhd")
        self.fill(source)
        for name, kind, number in (("new.vhdx", 3, 3), ("fixed.vhdx", 2, 3), ("new.vhd", 3, 2)):
            path = f"C:\\disks\\{name}"
            self.os_win.wmi(f"convert({source!r}, {path!r}, {kind}, {number})")
            self.assert_content(path)
            with vhd.open_disk(self.local(path)) as disk:
                self.assertEqual(
                    (name[-len(disk.format) :], kind == 2), (disk.format, disk.kind == vhd.FIXED)
                )
        self.assert_content(source)
        with self.assertRaisesRegex(OsWinError, "failed to convert .*0x80070050"):
            self.os_win.wmi(f"convert({source!r}, {path!r}, 3, 2)")
        with self.assertRaisesRegex(OsWinError, "32773"):
            self.os_win.wmi(rf"convert({source!r}, 'C:\\disks\\other.vhd', 3, 3)")
