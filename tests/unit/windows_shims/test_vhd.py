# SPDX-License-Identifier: Apache-2.0
import random
import uuid
from pathlib import Path

import testtools
from fixtures import TempDir

from lab.hyperv_model import vhd
from lab.hyperv_model.vhd import errors, vhd_format, vhdx_structures

MIB = 1024 * 1024


class VirtualDisksTest(testtools.TestCase):
    def setUp(self):
        super().setUp()
        self.folder = Path(self.useFixture(TempDir()).path)

    def local(self, windows_path):
        return self.folder.joinpath(*windows_path[3:].split("\\"))

    def write_at_random(self, path, count=8):
        """Write `count` pieces and return what the whole disk must read as."""
        chance = random.Random(7)
        with vhd.open_disk(path, write=True) as disk:
            content = bytearray(disk.size)
            for _ in range(count):
                offset, length = chance.randrange(disk.size - 9000), chance.randrange(1, 9000)
                content[offset : offset + length] = data = chance.randbytes(length)
                disk.write(offset, data)
        return bytes(content)

    def read(self, windows_path):
        with vhd.open_chain(windows_path, self.local) as disk:
            return disk.read(0, disk.size)

    def assert_refused(self, code, function, *args, **named):
        error = self.assertRaises(vhd.VirtualDiskError, function, *args, **named)
        self.assertEqual(hex(code), hex(error.code))
        return str(error)

    def test_what_is_written_is_read(self):
        for name in ("a.vhd", "b.vhdx"):
            for kind in (vhd.DYNAMIC, vhd.FIXED):
                path = self.folder / f"{kind}-{name}"
                vhd.create(path, 40 * MIB + 512, kind)
                content = self.write_at_random(path)
                self.assertEqual(content, self.read(f"C:\\{kind}-{name}"), path.name)
                with vhd.open_disk(path) as disk:
                    self.assertEqual((kind, 40 * MIB + 512, 512), (disk.kind, disk.size, disk.sector_size))

    def test_merged_parent_reads_as_its_child(self):
        for extension in ("vhd", "vhdx"):
            base, middle, child = (rf"C:\{name}.{extension}" for name in ("base", "middle", "child"))
            vhd.create(self.local(base), 5 * MIB, vhd.DYNAMIC)
            self.write_at_random(self.local(base))
            for parent, made in ((base, middle), (middle, child)):
                vhd.create_differencing(made, parent, self.local)
                with vhd.open_chain(made, self.local, write=True) as disk:
                    disk.write(MIB + 77, made.encode())
            content, base_content = self.read(child), self.read(base)
            self.assertEqual(middle, vhd.merge(child, self.local))
            self.assertTrue(content == self.read(middle))
            self.assertTrue(base_content == self.read(base))

    def test_a_child_shows_its_parent_until_it_is_written(self):
        for extension in ("vhd", "vhdx"):
            (self.folder / extension / "_base").mkdir(parents=True)
            (self.folder / extension / "vm").mkdir()
            base, child = (rf"C:\{extension}\{name}.{extension}" for name in (r"_base\image", r"vm\root"))
            vhd.create(self.local(base), 5 * MIB, vhd.DYNAMIC)
            content = bytearray(self.write_at_random(self.local(base)))
            vhd.create_differencing(child, base, self.local)
            self.assertEqual(base, vhd.parent_of(self.local(child), child))
            self.assertEqual(bytes(content), self.read(child))
            with vhd.open_chain(child, self.local, write=True) as disk:
                disk.write(3 * MIB - 100, b"new" * 100)
            content[3 * MIB - 100 : 3 * MIB + 200] = b"new" * 100
            self.assertEqual(bytes(content), self.read(child))

    def test_growing_keeps_the_content(self):
        disks = {"a.vhd": "dynamic", "b.vhd": "fixed", "c.vhdx": "dynamic", "d.vhdx": "fixed"}
        for name, kind in disks.items():
            path = self.folder / name
            vhd.create(path, 5 * MIB, kind)
            content = self.write_at_random(path)
            with vhd.open_disk(path, write=True) as disk:
                disk.resize(9 * MIB)
            self.assertEqual(content.ljust(9 * MIB, b"\0"), self.read(f"C:\\{name}"), name)

    def test_growing_beyond_the_block_table_moves_what_is_in_the_way(self):
        path = self.folder / "a.vhd"
        vhd.create(path, 5 * MIB, vhd.DYNAMIC)
        content = self.write_at_random(path)
        with vhd.open_disk(path, write=True) as disk:
            disk.resize(2000 * 1024 * MIB)
        with vhd.open_disk(path) as disk:
            self.assertEqual(content, disk.read(0, len(content)))
            self.assertEqual(2000 * 1024 * MIB, disk.size)
        path = self.folder / "a.vhdx"
        vhd.create(path, 5 * MIB, vhd.DYNAMIC, block_size=MIB)
        content = self.write_at_random(path)
        with vhd.open_disk(path, write=True) as disk:
            disk.resize(200 * 1024 * MIB)
        with vhd.open_disk(path) as disk:
            self.assertEqual(content, disk.read(0, len(content)))

    def test_a_child_may_be_larger_than_its_parent(self):
        vhd.create(self.folder / "p.vhdx", 5 * MIB, vhd.DYNAMIC)
        content = self.write_at_random(self.folder / "p.vhdx")
        vhd.create_differencing(r"C:\c.vhdx", r"C:\p.vhdx", self.local)
        with vhd.open_disk(self.folder / "c.vhdx", write=True) as disk:
            disk.resize(40 * MIB)
        self.assertEqual(content.ljust(40 * MIB, b"\0"), self.read(r"C:\c.vhdx"))

    def test_converting_flattens_a_chain_into_either_format(self):
        vhd.create(self.folder / "p.vhdx", 5 * MIB, vhd.DYNAMIC)
        content = self.write_at_random(self.folder / "p.vhdx")
        vhd.create_differencing(r"C:\c.vhdx", r"C:\p.vhdx", self.local)
        for name in ("flat.vhd", "flat.vhdx"):
            vhd.convert(f"C:\\{name}", r"C:\c.vhdx", self.local)
            self.assertIsNone(vhd.parent_of(self.folder / name, f"C:\\{name}"))
            self.assertEqual(content, self.read(f"C:\\{name}"))

    def test_a_chain_must_be_whole_and_its_own(self):
        vhd.create(self.folder / "p.vhdx", 5 * MIB, vhd.DYNAMIC)
        vhd.create_differencing(r"C:\c.vhdx", r"C:\p.vhdx", self.local)
        self.write_at_random(self.folder / "p.vhdx")
        self.assert_refused(errors.VHD_CHILD_PARENT_ID_MISMATCH, self.read, r"C:\c.vhdx")
        (self.folder / "p.vhdx").unlink()
        said = self.assert_refused(errors.VHD_PARENT_VHD_NOT_FOUND, self.read, r"C:\c.vhdx")
        self.assertIn(r"its parent is missing, looked for C:\p.vhdx", said)

    def test_what_is_no_disk_is_refused(self):
        (self.folder / "x.vhdx").write_bytes(bytes(4096))
        self.assert_refused(errors.VHD_FORMAT_UNKNOWN, self.read, r"C:\x.vhdx")
        vhd.create(self.folder / "a.vhd", 5 * MIB, vhd.DYNAMIC)
        raw = bytearray((self.folder / "a.vhd").read_bytes())
        raw[-100] ^= 1
        (self.folder / "a.vhd").write_bytes(raw)
        self.assert_refused(errors.VHD_DRIVE_FOOTER_CHECKSUM_MISMATCH, self.read, r"C:\a.vhd")
        vhd.create(self.folder / "b.vhdx", 5 * MIB, vhd.DYNAMIC)
        with open(self.folder / "b.vhdx", "r+b") as file:
            for at in vhdx_structures.HEADERS_AT:
                file.seek(at + 9)
                file.write(b"?")
        self.assert_refused(errors.VHD_SPARSE_HEADER_CORRUPT, self.read, r"C:\b.vhdx")

    def test_what_a_disk_cannot_do_is_refused(self):
        for name, size, code in (
            ("small.vhdx", 1000, errors.INVALID_PARAMETER),
            ("large.vhd", 2041 << 30, errors.INVALID_PARAMETER),
            ("disk.raw", 4 * MIB, errors.VHD_FORMAT_UNKNOWN),
        ):
            self.assert_refused(code, vhd.create, self.folder / name, size, vhd.DYNAMIC)
        vhd.create(self.folder / "p.vhd", 5 * MIB, vhd.DYNAMIC)
        self.assertRaises(FileExistsError, vhd.create, self.folder / "p.vhd", 5 * MIB, vhd.DYNAMIC)
        vhd.create_differencing(r"C:\c.vhd", r"C:\p.vhd", self.local)
        with vhd.open_disk(self.folder / "c.vhd", write=True) as disk:
            self.assert_refused(errors.VHD_INVALID_TYPE, disk.resize, 9 * MIB)
        with vhd.open_disk(self.folder / "p.vhd", write=True) as disk:
            self.assert_refused(errors.VHD_INVALID_SIZE, disk.resize, 4 * MIB)
        self.assert_refused(
            errors.VHD_FORMAT_UNKNOWN, vhd.create_differencing, r"C:\c.vhdx", r"C:\p.vhd", self.local
        )

    def test_the_published_examples(self):
        # CRC-32C of RFC 3720, B.4; geometries of the specification's algorithm worked out by hand.
        self.assertEqual(0x8A9136AA, vhdx_structures.crc32c(bytes(32)))
        self.assertEqual((602, 4, 17), vhd_format.geometry(20 * MIB))
        self.assertEqual((65535, 16, 255), vhd_format.geometry(2040 << 30))

    def test_an_identity_is_kept(self):
        identifier = uuid.uuid4()
        vhd.create(self.folder / "a.vhd", 5 * MIB, vhd.FIXED, identifier=identifier)
        with vhd.open_disk(self.folder / "a.vhd") as disk:
            self.assertEqual(identifier, disk.identifier)
