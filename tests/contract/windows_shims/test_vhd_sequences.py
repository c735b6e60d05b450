# SPDX-License-Identifier: Apache-2.0
"""Whatever is done to virtual disks, other programs read in them what a guest would."""

import itertools
import subprocess
import tempfile
from pathlib import Path

import testtools
from hypothesis import example, given
from hypothesis import strategies as st

from lab.hyperv_model import vhd
from tests.contract.windows_shims.test_vhd_readers import LIBVHDI, QEMU_FORMATS
from tests.unit.hyperv_model.test_properties import same

MIB = 1 << 20
# Small blocks: many of them, and tables that outgrow their place, in small files.
BLOCKS = {"vhd": MIB // 16, "vhdx": MIB}
LARGEST = 6 * MIB

SECTORS = LARGEST // 512
writes = st.tuples(st.sampled_from(["write", "zero"]), st.integers(0, SECTORS - 1), st.integers(1, 3000))
compactions = st.tuples(st.just("compact"), st.booleans(), st.none())
sizes = st.one_of(st.just(LARGEST), st.integers(3 * MIB, LARGEST))
growths = st.tuples(st.just("resize"), sizes, st.booleans())
others = st.tuples(st.sampled_from(["layer", "merge", "reconnect"]), st.none(), st.none())
steps = st.lists(st.one_of(writes, growths, compactions, others), min_size=3, max_size=10)


class Chain:
    """A disk with its parents, and what a guest must read of it."""

    def __init__(self, folder, extension, kind):
        self.folder, self.extension = folder, extension
        self.names, self.made = [], 0
        self.content = bytearray(4 * MIB)
        self.has_grown = False
        vhd.create(self.local(self.add()), len(self.content), kind, block_size=BLOCKS[extension])

    def local(self, path):
        return self.folder / path.rpartition("\\")[2]

    def add(self):
        self.made += 1
        self.names.append(rf"C:\{self.made}.{self.extension}")
        return self.names[-1]

    def open(self, write=False):
        return vhd.open_chain(self.names[-1], self.local, write=write)

    def write(self, sector, count):
        self.put(1 + sector % 255, sector, count)

    def zero(self, sector, count):
        self.put(0, sector, count)

    def put(self, byte, sector, count):
        first = sector * 512 % len(self.content)
        data = bytes([byte]) * min(count * 512, len(self.content) - first)
        with self.open(write=True) as disk:
            disk.write(first, data)
        self.content[first : first + len(data)] = data

    def resize(self, size, whole):
        size = size // 512 * 512 if whole else size
        layered_vhd = self.extension == "vhd" and len(self.names) > 1
        legal = size % 512 == 0 and size >= len(self.content) and not layered_vhd
        with self.open(write=True) as disk:
            try:
                disk.resize(size)
            except vhd.VirtualDiskError:
                assert not legal, f"refused to grow from {len(self.content)} to {size} bytes"
            else:
                assert legal, f"took {size} bytes in the place of {len(self.content)}"
                self.has_grown |= size > len(self.content)
                self.content.extend(bytes(size - len(self.content)))

    def compact(self, zeros, _):
        top = self.local(self.names[-1])
        before = top.stat().st_size
        with vhd.open_disk(top) as disk:
            is_fixed_vhd = (disk.format, disk.kind) == ("vhd", vhd.FIXED)
        try:
            vhd.compact(self.names[-1], self.local, zeros=zeros)
        except vhd.VirtualDiskError:
            assert is_fixed_vhd, "refused to compact"
        else:
            assert not is_fixed_vhd, "took a fixed VHD"
            assert top.stat().st_size <= before, f"grew from {before} bytes"

    def layer(self, _1, _2):
        if len(self.names) < 4:
            parent = self.names[-1]
            vhd.create_differencing(self.add(), parent, self.local, block_size=BLOCKS[self.extension])

    def merge(self, _1, _2):
        if len(self.names) > 1:
            assert vhd.merge(self.names[-1], self.local) == self.names[-2]
            self.names.pop()

    def reconnect(self, _1, _2):
        """Move the parent away."""
        if len(self.names) > 1:
            child, former = self.names.pop(), self.names.pop()
            moved = self.add()
            self.local(former).rename(self.local(moved))
            vhd.reconnect(child, moved, self.local)
            self.names.append(child)


class SequencesTest(testtools.TestCase):
    def test_other_programs_read_what_a_guest_would(self):
        for extension, kind in itertools.product(BLOCKS, (vhd.DYNAMIC, vhd.FIXED)):
            with self.subTest(extension=extension, kind=kind):
                self.hold(extension, kind)

    def hold(self, extension, kind):
        @same(8)
        @example([("write", 0, 3000), ("resize", 20 * MIB, False)])
        @example([("write", 0, 8000), ("layer", None, None), ("zero", 0, 8000), ("compact", True, None)])
        @example([("write", 0, 8000), ("zero", 300, 5000), ("compact", True, None), ("write", 3000, 3000)])
        @given(steps)
        def holds(steps):
            with tempfile.TemporaryDirectory() as folder:
                chain = Chain(Path(folder), extension, kind)
                for step, *arguments in steps:
                    getattr(chain, step)(*arguments)
                self.check(chain)

        holds()

    def check(self, chain):
        with chain.open() as disk:
            self.assertTrue(disk.read(0, disk.size) == chain.content, "we read something else")
        raw = chain.folder / "raw"
        files = [chain.local(name) for name in reversed(chain.names)]
        # libvhdi takes a VHD that has grown for as large as it was made, and reads past a parent's end.
        if not chain.has_grown or (chain.extension == "vhdx" and len(files) == 1):
            self.run_program("/usr/bin/python3", "-c", LIBVHDI, raw, *files)
            self.assertTrue(raw.read_bytes() == chain.content, "libvhdi reads something else")
        if len(files) == 1:
            qemu_format = QEMU_FORMATS[chain.extension]
            self.run_program("qemu-img", "convert", "-f", qemu_format, "-O", "raw", files[0], raw)
            self.assertTrue(raw.read_bytes() == chain.content, "qemu-img reads something else")
        if chain.extension == "vhdx":
            # It knows no parents, but whether the tables are sound.
            base = chain.local(chain.names[0])
            self.run_program("qemu-img", "check", "-f", "vhdx", base)

    def run_program(self, *command):
        done = subprocess.run(command, capture_output=True, text=True, timeout=120)
        self.assertEqual(0, done.returncode, done.stdout + done.stderr)
        return done.stdout

    def test_a_table_that_outgrows_its_place(self):
        path = Path(self.enterContext(tempfile.TemporaryDirectory()), "large.vhdx")
        vhd.create(path, 4 * MIB, vhd.DYNAMIC, block_size=MIB)
        size = 300 << 30
        with vhd.open_disk(path, write=True) as disk:
            disk.write(MIB, b"before")
            disk.resize(size)
            disk.write(size - 512, b"after")
        self.run_program("qemu-img", "check", "-f", "vhdx", path)
        for where, expected in ((MIB, "before"), (size - 512, "after")):
            pattern = f"read -v {where} 512"
            shown = self.run_program("qemu-io", "-r", "-f", "vhdx", "-c", pattern, path)
            self.assertIn(expected, shown.splitlines()[0])
