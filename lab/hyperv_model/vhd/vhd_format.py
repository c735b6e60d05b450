# SPDX-License-Identifier: Apache-2.0
"""VHD: "Virtual Hard Disk Image Format Specification" 1.0 (Microsoft, 2006). Numbers are big-endian."""

import ntpath
import os
import struct
import time
import uuid

from . import errors
from .disk import DIFFERENCING, DYNAMIC, FIXED, MIB, SECTOR, Disk, ParentLink, check_size

FOOTER = struct.Struct(">8sIIQI4sI4sQQHBBII16sB427s")
HEADER = struct.Struct(">8sQQIIII16sII512s192s256s")
LOCATOR = struct.Struct(">4sIIIQ")
COOKIE, HEADER_COOKIE = b"conectix", b"cxsparse"
KINDS = {2: FIXED, 3: DYNAMIC, 4: DIFFERENCING}
TYPES = {kind: number for number, kind in KINDS.items()}
NONE = 0xFFFFFFFFFFFFFFFF
UNUSED = 0xFFFFFFFF
BLOCK = 2 * MIB
LARGEST = 2040 * 1024 * MIB
EPOCH = 946684800  # 2000-01-01 UTC
HEADER_AT, TABLE_AT = 512, 1536


class Vhd(Disk):
    """An open VHD."""

    format = "vhd"

    def __init__(self, file, path):
        super().__init__(file, path)
        end = file.seek(0, 2)
        footer = self._at(end - SECTOR, SECTOR) if end >= SECTOR else b""
        if footer[:8] != COOKIE:
            raise errors.VirtualDiskError(
                errors.VHD_DRIVE_FOOTER_MISSING, f"{path}: no VHD footer at its end"
            )
        if checksum(footer, 64) != struct.unpack_from(">I", footer, 64)[0]:
            raise errors.VirtualDiskError(
                errors.VHD_DRIVE_FOOTER_CHECKSUM_MISMATCH, f"{path}: footer's checksum"
            )
        (_, _, _, self._header_at, _, _, _, _, _, self.size, _, _, _, kind, _, identifier, *_) = (
            FOOTER.unpack(footer)
        )
        if kind not in KINDS:
            raise errors.VirtualDiskError(
                errors.VHD_DRIVE_FOOTER_CORRUPT, f"{path}: VHD of type {kind}, expected {sorted(KINDS)}"
            )
        self.kind, self.identifier = KINDS[kind], uuid.UUID(bytes=identifier)
        self.block_size, self._table = 0, []
        if self.kind != FIXED:
            self._read_header()
        elif end != self.size + SECTOR:
            raise errors.VirtualDiskError(
                errors.VHD_INVALID_SIZE, f"{path}: {end} bytes, expected {self.size + SECTOR} of a fixed disk"
            )

    def _read_header(self):
        header = self._at(self._header_at, HEADER.size)
        if header[:8] != HEADER_COOKIE:
            raise errors.VirtualDiskError(
                errors.VHD_SPARSE_HEADER_CORRUPT, f"{self.path}: no dynamic disk header"
            )
        if checksum(header, 36) != struct.unpack_from(">I", header, 36)[0]:
            raise errors.VirtualDiskError(
                errors.VHD_SPARSE_HEADER_CHECKSUM_MISMATCH, f"{self.path}: dynamic disk header's checksum"
            )
        (_, _, self._table_at, _, entries, self.block_size, _, parent, _, _, _, locators, _) = HEADER.unpack(
            header
        )
        _check_block_size(self.path, self.block_size)
        if entries < -(-self.size // self.block_size):
            raise errors.VirtualDiskError(
                errors.VHD_BLOCK_ALLOCATION_TABLE_CORRUPT,
                f"{self.path}: a table of {entries} blocks is too short",
            )
        self._table = list(struct.unpack(f">{entries}I", self._at(self._table_at, 4 * entries)))
        self._bitmap = bitmap_size(self.block_size)
        if self.kind == DIFFERENCING:
            self.parent_link = self._read_locators(uuid.UUID(bytes=parent), locators)

    def _read_locators(self, parent, locators):
        found = {}
        for code, _space, length, _, at in LOCATOR.iter_unpack(locators):
            if code in (b"W2ru", b"W2ku"):
                found[code] = self._at(at, length).decode("utf-16-le").rstrip("\0")
        return ParentLink(parent, found.get(b"W2ru"), found.get(b"W2ku"))

    def _is_allocated(self, block):
        return self.kind == FIXED or self._table[block] != UNUSED

    def _read_piece(self, block, start, length):
        if self.kind == FIXED:
            return self._at(block * self._step + start, length)
        if not self._is_allocated(block):
            return self._read_parent(block * self.block_size + start, length)
        at = self._table[block] * SECTOR
        data = self._at(at + self._bitmap + start, length)
        if self.kind == DYNAMIC:
            return data
        bits = self._at(at, self._bitmap)
        return b"".join(
            data[offset : offset + n] if bits[sector // 8] >> (7 - sector % 8) & 1
            else self._read_parent(block * self.block_size + start + offset, n)
            for sector, offset, n in sectors_of(start, length, SECTOR)
        )  # fmt: skip

    def _write_piece(self, block, start, data):
        if self.kind == FIXED:
            self._put(block * self._step + start, data)
            return
        if not self._is_allocated(block):
            offset = block * self.block_size
            length = min(self.block_size, self.size - offset)
            content = self._read_parent(offset, length).ljust(self.block_size, b"\0")
            at = self._file.seek(0, 2) - SECTOR
            footer = self._at(at, SECTOR)
            bits = b"\xff" * (self.block_size // SECTOR // 8)
            self._put(at, bits.ljust(self._bitmap, b"\0") + content + footer)
            self._set_entry(block, at // SECTOR)
        elif self.kind == DIFFERENCING:
            self._mark_present(self._table[block] * SECTOR, block, start, len(data))
        self._put(self._table[block] * SECTOR + self._bitmap + start, data)

    def _mark_present(self, at, block, start, length):
        bits = bytearray(self._at(at, self._bitmap))
        for sector, _offset, _n in sectors_of(start, length, SECTOR):
            if not bits[sector // 8] >> (7 - sector % 8) & 1:
                whole = self._read_parent(block * self.block_size + sector * SECTOR, SECTOR)
                self._put(at + self._bitmap + sector * SECTOR, whole)
                bits[sector // 8] |= 1 << (7 - sector % 8)
        self._put(at, bits)

    def _set_entry(self, block, sector):
        self._table[block] = sector
        self._put(self._table_at + 4 * block, struct.pack(">I", sector))

    def _release(self, block):
        self._set_entry(block, UNUSED)

    def compact(self):
        """Of fixed disks, VHDX files only can be compacted (documented: CompactVirtualHardDisk)."""
        if self.kind == FIXED:
            raise errors.VirtualDiskError(errors.VHD_INVALID_TYPE, f"{self.path}: a fixed VHD has no compact")
        end = self._file.seek(0, 2)
        footer = self._at(end - SECTOR, SECTOR)
        whole = self._bitmap + self.block_size
        at = self._table_at + -(-4 * len(self._table) // SECTOR) * SECTOR
        allocated = [(sector, block) for block, sector in enumerate(self._table) if sector != UNUSED]
        for sector, block in sorted(allocated):
            if sector * SECTOR != at:
                self._put(at, self._at(sector * SECTOR, whole))
                self._set_entry(block, at // SECTOR)
            at += whole
        self._put(at, footer)
        self._file.truncate(at + SECTOR)
        if self.parent_link:
            # Where its paths were may be a block now.
            self.set_parent_link(self.parent_link)

    def resize(self, size):
        """Grow a fixed or dynamic disk; Windows cannot resize a differencing VHD (documented: Resize-VHD)."""
        if self.kind == DIFFERENCING:
            raise errors.VirtualDiskError(
                errors.VHD_INVALID_TYPE, f"{self.path}: a differencing VHD has no resize"
            )
        self._refuse_growth(size, LARGEST)
        end = self._file.seek(0, 2)
        footer = bytearray(self._at(end - SECTOR, SECTOR))
        footer[48:60] = struct.pack(">QHBB", size, *geometry(size))
        footer[64:68] = struct.pack(">I", checksum(footer, 64))
        if self.kind == FIXED:
            self._put(end - SECTOR, bytes(SECTOR))
            self._file.truncate(size)
            self._put(size, footer)
        else:
            self._grow_table(-(-size // self.block_size))
            self._put(0, footer)
            self._put(self._file.seek(0, 2) - SECTOR, footer)
        self.size = size

    def set_parent_link(self, link):
        """The new paths go to the end, before the footer; the space of the former ones is lost."""
        at = self._file.seek(0, 2) - SECTOR
        footer = self._at(at, SECTOR)
        locators, texts = pack_locators(link, at)
        self._put(at, texts + footer)
        header = bytearray(self._at(self._header_at, HEADER.size))
        header[40:56] = link.identifier.bytes
        header[64:576] = ntpath.basename(link.absolute).encode("utf-16-be").ljust(512, b"\0")
        header[576:768] = locators
        header[36:40] = struct.pack(">I", checksum(header, 36))
        self._put(self._header_at, header)
        self.parent_link = link

    def _grow_table(self, entries):
        if entries <= len(self._table):
            return
        table_end = self._table_at + -(-4 * entries // SECTOR) * SECTOR
        whole = self._bitmap + self.block_size
        for block, sector in sorted(enumerate(self._table), key=lambda entry: entry[1]):
            if sector != UNUSED and sector * SECTOR < table_end:
                at = self._file.seek(0, 2) - SECTOR
                self._put(at, self._at(sector * SECTOR, whole) + self._at(at, SECTOR))
                self._set_entry(block, at // SECTOR)
        footer_at = self._file.seek(0, 2) - SECTOR
        if footer_at < table_end:
            self._put(table_end, self._at(footer_at, SECTOR))
        self._table += [UNUSED] * (entries - len(self._table))
        self._put(self._table_at, padded_table(self._table))
        header = bytearray(self._at(self._header_at, HEADER.size))
        header[28:32] = struct.pack(">I", entries)
        header[36:40] = struct.pack(">I", checksum(header, 36))
        self._put(self._header_at, header)


def create(
    path: str, size: int, kind: str, *, identifier: uuid.UUID, block_size=0, sector_size=0,
    physical_sector_size=0, link: ParentLink | None = None, parent: Disk | None = None,
) -> None:  # fmt: skip
    """Make the new file `path`, `size` in bytes; a differencing disk needs `parent` and the `link` to it.

    Its sectors have 512 bytes, and others are refused (documented: CREATE_VIRTUAL_DISK_PARAMETERS; of the
    physical ones inferred, as the format does not tell their size).
    """
    for each in (sector_size, physical_sector_size):
        if each not in (0, SECTOR):
            raise errors.VirtualDiskError(
                errors.INVALID_PARAMETER, f"{path}: sectors of {each} bytes, a VHD has sectors of {SECTOR}"
            )
    check_size(path, size, LARGEST)
    with open(path, "xb") as file:
        footer = pack_footer(size, kind, identifier)
        if kind == FIXED:
            file.truncate(size)
            file.seek(size)
            file.write(footer)
            return
        block_size = block_size or BLOCK
        _check_block_size(path, block_size)
        entries = -(-size // block_size)
        table = padded_table([UNUSED] * entries)
        locators, texts = pack_locators(link, TABLE_AT + len(table)) if link else (b"", b"")
        header = bytearray(HEADER.pack(
            HEADER_COOKIE, NONE, TABLE_AT, 0x00010000, entries, block_size, 0,
            link.identifier.bytes if link else bytes(16),
            int(os.path.getmtime(parent.path)) - EPOCH if parent else 0, 0,
            ntpath.basename(link.absolute).encode("utf-16-be") if link else b"", locators, b"",
        ))  # fmt: skip
        header[36:40] = struct.pack(">I", checksum(header, 36))
        file.write(footer + header + table + texts + footer)


def _check_block_size(path: str, size: int) -> None:
    if size < SECTOR or size & (size - 1):
        raise errors.VirtualDiskError(errors.VHD_INVALID_BLOCK_SIZE, f"{path}: blocks of {size} bytes")


def pack_footer(size: int, kind: str, identifier: uuid.UUID) -> bytes:
    """Return the footer of a new disk; creator "win " tells readers to trust the size, not the geometry."""
    footer = bytearray(FOOTER.pack(
        COOKIE, 2, 0x00010000, NONE if kind == FIXED else HEADER_AT, int(time.time()) - EPOCH, b"win ",
        0x000A0000, b"Wi2k", size, size, *geometry(size), TYPES[kind], 0, identifier.bytes, 0, b"",
    ))  # fmt: skip
    footer[64:68] = struct.pack(">I", checksum(footer, 64))
    return bytes(footer)


def pack_locators(link: ParentLink, at: int) -> tuple[bytes, bytes]:
    """Return the header's locator entries, and the text that they say is at byte `at` of the file."""
    entries = texts = b""
    for code, path in ((b"W2ru", link.relative), (b"W2ku", link.absolute)):
        if path:
            text = path.encode("utf-16-le")
            space = -(-len(text) // SECTOR) * SECTOR
            entries += LOCATOR.pack(code, space, len(text), 0, at + len(texts))
            texts += text.ljust(space, b"\0")
    return entries.ljust(8 * LOCATOR.size, b"\0"), texts


def geometry(size: int) -> tuple[int, int, int]:
    """Return cylinders, heads and sectors per track for `size` bytes (the specification's appendix)."""
    sectors = min(size // SECTOR, 65535 * 16 * 255)
    if sectors >= 65535 * 16 * 63:
        return sectors // 255 // 16, 16, 255
    tracks = sectors // 17
    heads = max(4, -(-tracks // 1024))
    if tracks < heads * 1024 and heads <= 16:
        return tracks // heads, heads, 17
    for per_track in (31, 63):
        tracks = sectors // per_track
        if tracks < 16 * 1024 or per_track == 63:
            break
    return tracks // 16, 16, per_track


def checksum(data: bytes, at: int) -> int:
    """Return the one's complement of the sum of all bytes but the checksum's own four at `at`."""
    return ~(sum(data) - sum(data[at : at + 4])) & 0xFFFFFFFF


def bitmap_size(block_size: int) -> int:
    """Return the bytes of a block's sector bitmap: one bit for each sector, padded to a sector."""
    return -(-block_size // SECTOR // 8 // SECTOR) * SECTOR


def padded_table(table: list[int]) -> bytes:
    """Return the block allocation table, padded to a sector."""
    packed = struct.pack(f">{len(table)}I", *table)
    return packed.ljust(-(-len(packed) // SECTOR) * SECTOR, b"\xff")


def sectors_of(start: int, length: int, sector_size: int):
    """Yield (sector, offset from `start`, bytes) of each sector that a range of a block touches."""
    offset = 0
    while offset < length:
        sector, within = divmod(start + offset, sector_size)
        n = min(sector_size - within, length - offset)
        yield sector, offset, n
        offset += n
