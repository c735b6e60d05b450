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

            def change(method, **arguments):
                job, code = getattr(images, method)(**arguments)
                jobs.check_ret_val(code, job)

            def make(path, kind, size=0, parent="", block_size=0, sectors=(0, 0)):
                settings = connection.Msvm_VirtualHardDiskSettingData.new()
                settings.Path, settings.Type, settings.ParentPath = path, kind, parent
                settings.Format = 3 if path.endswith("vhdx") else 2
                settings.MaxInternalSize, settings.BlockSize = size, block_size
                settings.LogicalSectorSize, settings.PhysicalSectorSize = sectors
                change("CreateVirtualHardDisk", VirtualDiskSettingData=settings.GetText_(1))

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

    def make(self, path, kind, **more):
        self.os_win.wmi(f"make({path!r}, {kind}, **{more})")
        return path

    def change(self, method, **arguments):
        self.os_win.wmi(f"change({method!r}, **{arguments})")

    def is_refused(self, reason, act, *arguments, **more):
        with self.assertRaisesRegex(OsWinError, reason):
            act(*arguments, **more)

    def test_disks_are_made(self):
        """Types 2, 3 and 4 are fixed, dynamic and differencing."""
        for extension in FORMATS:
            path = rf"C:\disks\{{}}.{extension}".format
            for name, number, kind in (("fixed", 2, vhd.FIXED), ("dynamic", 3, vhd.DYNAMIC)):
                with vhd.open_disk(self.local(self.make(path(name), number, size=16 * MIB))) as disk:
                    self.assertEqual((kind, 16 * MIB), (disk.kind, disk.size))
            child = self.make(path("child"), 4, parent=path("dynamic"))
            self.change("ValidateVirtualHardDisk", Path=child)
            self.is_refused("0x80070050", self.make, child, 3, size=16 * MIB)
            self.is_refused("32773", self.make, path("none"), 4)
            self.is_refused("32773", self.make, path("none"), 3, size=16 * MIB, parent=child)
            self.is_refused("32779", self.make, path("none"), 4, parent=path("missing"))
            self.is_refused("0xC03A000B", self.make, path("none"), 3, size=16 * MIB, block_size=3 * MIB)
            most = {"vhd": 2040 << 30, "vhdx": 64 << 40}[extension]
            self.is_refused("0x80070057", self.make, path("none"), 3, size=most + 512)
            self.assertFalse(self.local(path("none")).exists())

    def test_sectors_are_those_that_were_asked_for(self):
        """Logical and physical; what is written to disks with sectors of 4096 bytes is read."""
        path = r"C:\disks\{}".format
        for name, asked, told in (
            ("plain.vhdx", (0, 0), (512, 4096)),
            ("old.vhdx", (512, 512), (512, 512)),
            ("large.vhdx", (4096, 4096), (4096, 4096)),
            ("plain.vhd", (0, 0), (512, 512)),
        ):
            self.assertEqual(told, self.sectors(self.make(path(name), 3, size=16 * MIB, sectors=asked)))
        large = path("large.vhdx")
        self.assertEqual(4096, self.os_win.vhdutils.get_vhd_info(large)["SectorSize"])
        self.fill(large)
        child = self.make(path("child.vhdx"), 4, parent=large, sectors=(0, 512))
        self.assertEqual((4096, 512), self.sectors(child))
        self.assert_content(child)
        for wrong, kind, more in (
            ("wrong.vhd", 3, {"sectors": (4096, 0)}),
            ("wrong.vhd", 3, {"sectors": (0, 4096)}),
            ("wrong.vhdx", 3, {"sectors": (1024, 0)}),
            ("wrong.vhdx", 4, {"sectors": (512, 0), "parent": large}),
            ("wrong.vhdx", 3, {"sectors": (4096, 0), "size": 16 * MIB + 512}),
        ):
            self.is_refused("0x80070057", self.make, path(wrong), kind, **{"size": 16 * MIB, **more})
            self.assertFalse(self.local(path(wrong)).exists())
        convert = "convert({!r}, {!r}, {}, {})".format
        fixed = path("fixed.vhdx")
        self.os_win.wmi(convert(child, fixed, 2, 3))
        self.assertEqual(4096, self.sectors(fixed)[0])
        self.assert_content(fixed)
        self.is_refused("0x80070057", self.os_win.wmi, convert(child, path("wrong.vhd"), 3, 2))

    def sectors(self, path):
        return tuple(
            self.os_win.wmi(
                f"""
                job, code, text = images.GetVirtualHardDiskSettingData(Path={path!r})
                jobs.check_ret_val(code, job)
                import xml.etree.ElementTree
                told = xml.etree.ElementTree.fromstring(text)
                names = ("LogicalSectorSize", "PhysicalSectorSize")
                result = [int(told.find(f"PROPERTY[@NAME='{{name}}']/VALUE").text) for name in names]
                """
            )
        )

    def test_disks_grow(self):
        path = self.disk("root.vhdx")
        self.change("ResizeVirtualHardDisk", Path=path, MaxInternalSize=32 * MIB)
        self.is_refused(
            "0xC03A0012", self.change, "ResizeVirtualHardDisk", Path=path, MaxInternalSize=16 * MIB
        )
        machine = self.create("vm-1", generation=2)
        self.attach(machine, path)
        old = self.create("vm-2")
        on_ide = self.disk("ide.vhdx")
        self.attach(old, on_ide)
        for name in ("vm-1", "vm-2"):
            self.vmutils.set_vm_state(name, ENABLED)
        self.change("ResizeVirtualHardDisk", Path=path, MaxInternalSize=48 * MIB)
        self.is_refused(
            "0x80070020", self.change, "ResizeVirtualHardDisk", Path=on_ide, MaxInternalSize=48 * MIB
        )
        with vhd.open_disk(self.local(path)) as disk:
            self.assertEqual(48 * MIB, disk.size)

    def test_a_chain_is_merged_up_to_one_of_its_parents(self):
        for extension in FORMATS:
            base = self.disk(f"base.{extension}")
            middle = self.disk(f"middle.{extension}", parent=base)
            self.fill(middle)
            top = self.disk(f"top.{extension}", parent=middle)
            merge = "MergeVirtualHardDisk"
            self.is_refused("none of its parents", self.change, merge, SourcePath=middle, DestinationPath=top)
            self.change(merge, SourcePath=top, DestinationPath=base)
            self.assert_content(base)
            self.assertFalse(self.local(middle).exists() or self.local(top).exists())

    def test_a_parent_that_moved_is_told(self):
        for extension in FORMATS:
            base, moved = self.disk(f"base.{extension}"), rf"C:\disks\moved.{extension}"
            self.fill(base)
            child = self.disk(f"child.{extension}", parent=base)
            self.local(base).rename(self.local(moved))
            self.is_refused("0xC03A000D", self.change, "ValidateVirtualHardDisk", Path=child)
            other = self.disk(f"other.{extension}")
            connect = "SetParentVirtualHardDisk"
            self.is_refused("0xC03A000E", self.change, connect, ChildPath=child, ParentPath=other)
            self.change(connect, ChildPath=child, ParentPath=moved)
            self.change("ValidateVirtualHardDisk", Path=child)
            self.assert_content(child)
            self.change(connect, ChildPath=child, ParentPath=other, IgnoreIDMismatch=True)
            self.change("ValidateVirtualHardDisk", Path=child)
