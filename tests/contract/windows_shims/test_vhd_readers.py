# SPDX-License-Identifier: Apache-2.0
"""Other programs read our virtual disks, and we read theirs."""

import hashlib
import json
import random
import subprocess
from pathlib import Path

import testtools
from fixtures import TempDir

from lab.hyperv_model import vhd

MIB = 1024 * 1024
QEMU_FORMATS = {"vhd": "vpc", "vhdx": "vhdx"}

# libvhdi's binding is Debian's, for Debian's Python: it runs in a process of its own.
LIBVHDI = """
import json, pyvhdi, sys
disks = []
for path in sys.argv[2:]:
    disk = pyvhdi.file()
    disk.open(path)
    disks.append(disk)
for child, parent in zip(disks, disks[1:]):
    child.set_parent(parent)
child = disks[0]
with open(sys.argv[1], "wb") as raw:
    while data := child.read_buffer(1 << 20):
        raw.write(data)
print(json.dumps([child.get_media_size(), child.get_parent_filename(), child.get_parent_identifier()]))
"""


class ReadersTest(testtools.TestCase):
    def setUp(self):
        super().setUp()
        self.folder = Path(self.useFixture(TempDir()).path)

    def local(self, windows_path):
        return self.folder.joinpath(*windows_path[3:].split("\\"))

    def run_program(self, *command):
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
        self.assertEqual(0, done.returncode, done.stderr)
        return done.stdout

    def create(self, name, kind, size=20 * MIB):
        """Make a disk with something in it and return what it must read as."""
        path = self.folder / name
        vhd.create(path, size, kind)
        return self.fill(path)

    def fill(self, path):
        chance = random.Random(3)
        with vhd.open_disk(path, write=True) as disk:
            content = bytearray(disk.size)
            for offset in (0, 3 * MIB + 5, disk.size - 7000):
                content[offset : offset + 7000] = data = chance.randbytes(7000)
                disk.write(offset, data)
        return bytes(content)

    def assert_same(self, content, read, disk=""):
        self.assertEqual(len(content), len(read), disk)
        self.assertEqual(*(hashlib.sha256(data).hexdigest() for data in (content, read)), disk)

    def read_with_libvhdi(self, *chain):
        raw = self.folder / "libvhdi.raw"
        shown = json.loads(self.run_program("/usr/bin/python3", "-c", LIBVHDI, raw, *map(self.local, chain)))
        return raw.read_bytes(), *shown

    def test_qemu_img_reads_what_we_write(self):
        for extension, qemu_format in QEMU_FORMATS.items():
            for kind in (vhd.DYNAMIC, vhd.FIXED):
                path = self.folder / f"{kind}.{extension}"
                content = self.create(path.name, kind)
                shown = self.run_program("qemu-img", "info", "-f", qemu_format, "--output", "json", path)
                info = json.loads(shown)
                self.assertEqual(20 * MIB, info["virtual-size"])
                # qemu-img tells a fixed VHD from a raw disk only when it is told.
                raw = self.folder / "qemu.raw"
                self.run_program("qemu-img", "convert", "-f", qemu_format, "-O", "raw", path, raw)
                self.assert_same(content, raw.read_bytes(), path.name)
                if extension == "vhdx":
                    self.run_program("qemu-img", "check", "-f", qemu_format, path)

    def test_qemu_img_reads_what_we_grew(self):
        for extension, qemu_format in QEMU_FORMATS.items():
            path = self.folder / f"grown.{extension}"
            content = self.create(path.name, vhd.DYNAMIC)
            with vhd.open_disk(path, write=True) as disk:
                disk.resize(1024 * MIB)
            raw = self.folder / "qemu.raw"
            self.run_program("qemu-img", "convert", "-f", qemu_format, "-O", "raw", path, raw)
            self.assertEqual(1024 * MIB, raw.stat().st_size)
            with open(raw, "rb") as file:
                self.assert_same(content, file.read(len(content)), extension)

    def test_libvhdi_reads_what_we_write(self):
        for extension in QEMU_FORMATS:
            for kind in (vhd.DYNAMIC, vhd.FIXED):
                content = self.create(f"{kind}.{extension}", kind)
                read = self.read_with_libvhdi(f"C:\\{kind}.{extension}")[0]
                self.assert_same(content, read, f"{kind} {extension}")

    def test_libvhdi_reads_sectors_of_4096_bytes(self):
        """Qemu-img knows none but 512."""
        base, child = "C:\\base.vhdx", "C:\\child.vhdx"
        vhd.create(self.local(base), 20 * MIB, vhd.DYNAMIC, sector_size=4096)
        content = bytearray(self.fill(self.local(base)))
        self.assert_same(content, self.read_with_libvhdi(base)[0])
        vhd.create_differencing(child, base, self.local)
        with vhd.open_chain(child, self.local, write=True) as disk:
            content[9 * MIB : 9 * MIB + 8192] = data = b"4" * 8192
            disk.write(9 * MIB, data)
            self.assertEqual(4096, disk.sector_size)
        self.assert_same(content, self.read_with_libvhdi(child, base)[0])
        with vhd.open_chain(child, self.local) as disk:
            self.assert_same(content, disk.read(0, disk.size))

    def test_libvhdi_follows_a_child_to_its_parent(self):
        for extension in QEMU_FORMATS:
            content = bytearray(self.create(f"base.{extension}", vhd.DYNAMIC))
            child, base = f"C:\\child.{extension}", f"C:\\base.{extension}"
            vhd.create_differencing(child, base, self.local)
            read, size, parent, _identifier = self.read_with_libvhdi(child, base)
            self.assertEqual(len(content), size)
            self.assert_same(content, read, extension)
            self.assertIn(f"base.{extension}", parent)
            with vhd.open_chain(child, self.local, write=True) as disk:
                disk.write(5 * MIB, b"child's own")
            content[5 * MIB : 5 * MIB + 11] = b"child's own"
            self.assert_same(content, self.read_with_libvhdi(child, base)[0], extension)

    def test_we_read_what_qemu_img_writes(self):
        raw = self.folder / "image.raw"
        content = bytearray(12 * MIB)
        content[MIB : MIB + 5000] = random.Random(1).randbytes(5000)
        raw.write_bytes(content)
        for extension, qemu_format in QEMU_FORMATS.items():
            for subformat in ("dynamic", "fixed"):
                path = self.folder / f"{subformat}.{extension}"
                options = f"subformat={subformat}" + (",force_size=on" if extension == "vhd" else "")
                self.run_program("qemu-img", "convert", "-O", qemu_format, "-o", options, raw, path)
                with vhd.open_disk(path) as disk:
                    self.assertEqual((subformat, len(content)), (disk.kind, disk.size))
                    self.assert_same(content, disk.read(0, disk.size), path.name)
                with vhd.open_disk(path, write=True) as disk:
                    disk.resize(64 * MIB)
                vhd.create_differencing(
                    f"C:\\child-{subformat}.{extension}", f"C:\\{subformat}.{extension}", self.local
                )
