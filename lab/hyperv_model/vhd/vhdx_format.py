# SPDX-License-Identifier: Apache-2.0
"""VHDX files: reads, writes, grows and links them; see vhdx_structures for the layout."""

import struct
import uuid

from . import errors
from . import vhdx_structures as parts
from .disk import DIFFERENCING, DYNAMIC, FIXED, MIB, SECTOR, Disk, ParentLink, check_size
from .vhd_format import sectors_of

LARGEST = 64 * 1024 * 1024 * MIB
# What CreateVirtualDisk chooses (documented: CREATE_VIRTUAL_DISK_PARAMETERS; a differencing disk: 2 MB).
BLOCK, DIFFERENCING_BLOCK = 32 * MIB, 2 * MIB
# The physical sectors of a new disk that nobody asked for others (recorded: what others show of New-VHD).
PHYSICAL_SECTOR = 4096
LOG_AT, METADATA_AT, BAT_AT = MIB, 2 * MIB, 3 * MIB
SECTORS_PER_BITMAP = 1 << 23
SECTOR_SIZES = (512, 4096)
FULLY_PRESENT, PARTIALLY_PRESENT, BITMAP_PRESENT = 6, 7, 6
UNREADABLE = {4: "reserved", 5: "reserved"}


class Vhdx(Disk):
    """An open VHDX."""

    format = "vhdx"

    def __init__(self, file, path):
        super().__init__(file, path)
        if self._at(0, 8) != parts.SIGNATURE:
            raise errors.VirtualDiskError(errors.VHD_FORMAT_UNKNOWN, f"{path}: no VHDX signature")
        self._read_current_header()
        regions = parts.parse_regions(self._at(parts.REGIONS_AT[0], parts.REGION_TABLE_SIZE), self.path)
        self._bat_region, self._metadata_region = regions[parts.BAT_REGION], regions[parts.METADATA_REGION]
        self._items = parts.parse_metadata(self._at(*self._metadata_region), self.path)
        self.block_size, flags = struct.unpack("<II", self._item(parts.FILE_PARAMETERS))
        (self.size,) = struct.unpack("<Q", self._item(parts.DISK_SIZE))
        (self.sector_size,) = struct.unpack("<I", self._item(parts.LOGICAL_SECTOR))
        (self.physical_sector_size,) = struct.unpack("<I", self._item(parts.PHYSICAL_SECTOR))
        self.virtual_disk_id = uuid.UUID(bytes_le=self._item(parts.DISK_ID))
        if flags & parts.HAS_PARENT:
            self.kind = DIFFERENCING
            self.parent_link = parts.parse_locator(self._item(parts.PARENT_LOCATOR), self.path)
        else:
            self.kind = FIXED if flags & parts.LEAVE_BLOCKS_ALLOCATED else DYNAMIC
        _check_block_size(path, self.block_size)
        count = table_length(self.size, self.block_size, self.sector_size, self.kind)
        self._table = list(struct.unpack(f"<{count}Q", self._at(self._bat_region[0], 8 * count)))

    def _read_current_header(self):
        found = {}
        for number, at in enumerate(parts.HEADERS_AT):
            raw = self._at(at, parts.HEADER_SIZE)
            if raw[:4] == b"head" and parts.sealed(raw) == raw:
                found[number] = parts.HEADER.unpack(raw[: parts.HEADER.size])
        if not found:
            raise errors.VirtualDiskError(
                errors.VHD_SPARSE_HEADER_CORRUPT, f"{self.path}: no valid VHDX header"
            )
        self._header_number, header = max(found.items(), key=lambda entry: entry[1][2])
        (_, _, self._sequence, _, data_write, log, _, version, self._log_size, self._log_at) = header
        if version != 1:
            raise errors.VirtualDiskError(
                errors.VHD_FORMAT_UNSUPPORTED_VERSION, f"{self.path}: VHDX version {version}, expected 1"
            )
        if log != bytes(16):
            raise errors.VirtualDiskError(
                errors.VHDX_LOG_NOT_EMPTY, f"{self.path}: was not closed, and its log cannot be replayed here"
            )
        self.identifier = uuid.UUID(bytes_le=data_write)

    def _item(self, name):
        if name not in self._items:
            raise errors.VirtualDiskError(
                errors.VHD_SPARSE_HEADER_CORRUPT, f"{self.path}: no VHDX metadata {name}"
            )
        return self._items[name][1]

    def _entry_number(self, block):
        return block + block // chunk_ratio(self.block_size, self.sector_size)

    def _is_allocated(self, block):
        return self._state(block)[0] >= FULLY_PRESENT

    def _state(self, block):
        entry = self._table[self._entry_number(block)]
        state = entry & 7
        if state in UNREADABLE:
            raise errors.VirtualDiskError(
                errors.VHD_BLOCK_ALLOCATION_TABLE_CORRUPT, f"{self.path}: block {block} has state {state}"
            )
        return state, entry >> 20 << 20

    def _read_piece(self, block, start, length):
        state, at = self._state(block)
        offset = block * self.block_size + start
        if state == FULLY_PRESENT:
            return self._at(at + start, length)
        if state == PARTIALLY_PRESENT:
            present = self._sectors_present(block)
            return b"".join(
                self._at(at + start + piece, n) if present(sector) else self._read_parent(offset + piece, n)
                for sector, piece, n in sectors_of(start, length, self.sector_size)
            )
        # Only a block that was never written shows the parent; zero, unmapped, undefined ones are zeros.
        return self._read_parent(offset, length) if state == 0 else bytes(length)

    def _sectors_present(self, block):
        at, size = self._bitmap_of(block)
        bits = self._at(at, size)
        return lambda sector: bits[sector // 8] >> sector % 8 & 1

    def _bitmap_of(self, block):
        """Return where the sector bitmap of a differencing disk's block is, and its length."""
        ratio = chunk_ratio(self.block_size, self.sector_size)
        chunk, within = divmod(block, ratio)
        entry = self._table[chunk * (ratio + 1) + ratio]
        if entry & 7 != BITMAP_PRESENT:
            raise errors.VirtualDiskError(
                errors.VHD_BLOCK_ALLOCATION_TABLE_CORRUPT, f"{self.path}: block {block} has no sector bitmap"
            )
        size = self.block_size // self.sector_size // 8
        return (entry >> 20 << 20) + within * size, size

    def _write_piece(self, block, start, data):
        state, at = self._state(block)
        if state != FULLY_PRESENT:
            # The whole block comes here: a bitmap is not needed then, but libvhdi looks at it all the same.
            length = min(self.block_size, self.size - block * self.block_size)
            content = self._read_piece(block, 0, length)
            at = at if state == PARTIALLY_PRESENT else self._allocate(self.block_size)
            self._put(at, content)
            if self.kind == DIFFERENCING:
                bitmap_at, size = self._bitmap_of(block)
                self._put(bitmap_at, b"\xff" * size)
            self._set_entry(self._entry_number(block), at | FULLY_PRESENT)
        self._put(at + start, data)
        self._change_identity()

    def _allocate(self, length):
        at = -(-self._file.seek(0, 2) // MIB) * MIB
        self._file.truncate(at + length)
        return at

    def _allocate_bitmaps(self):
        # The format allows none where no sector is present; libvhdi then takes the file's start for one.
        ratio = chunk_ratio(self.block_size, self.sector_size)
        for number in range(ratio, len(self._table), ratio + 1):
            if self._table[number] & 7 != BITMAP_PRESENT:
                self._set_entry(number, self._allocate(MIB) | BITMAP_PRESENT)

    def _set_entry(self, number, entry):
        self._table[number] = entry
        self._put(self._bat_region[0] + 8 * number, struct.pack("<Q", entry))

    def _change_identity(self):
        """Change the GUIDs of the header, once for each time the file is opened ([MS-VHDX] 2.2.2)."""
        if getattr(self, "_identity_changed", False):
            return
        self._identity_changed = True
        self.identifier = uuid.uuid4()
        self._write_headers()

    def _write_headers(self):
        """Write both with a new FileWriteGuid."""
        for _copy in parts.HEADERS_AT:
            self._sequence += 1
            self._header_number = 1 - self._header_number
            header = parts.pack_header(
                self._sequence, uuid.uuid4(), self.identifier, self._log_at, self._log_size
            )
            self._put(parts.HEADERS_AT[self._header_number], header)

    def _set_item(self, name, value):
        offset, old = self._items[name]
        if len(value) != len(old):
            raise ValueError(f"{name}: {len(value)} bytes, expected {len(old)}")
        self._items[name] = (offset, value)
        self._put(self._metadata_region[0] + offset, value)

    def set_parent_link(self, link):
        items = {name: value for name, (_, value) in self._items.items()}
        items[parts.PARENT_LOCATOR] = parts.pack_locator(link)
        region = parts.pack_metadata(items)
        self._items = parts.parse_metadata(region, self.path)
        self._put(self._metadata_region[0], region)
        self.parent_link = link

    def set_virtual_disk_id(self, identifier: uuid.UUID) -> None:
        """Change what the guest sees as the disk's identity; children do not mind."""
        self._set_item(parts.DISK_ID, identifier.bytes_le)
        self.virtual_disk_id = identifier

    def _release(self, block):
        self._set_entry(self._entry_number(block), 0)

    def compact(self):
        """What a guest reads stays, and with it the identity that children know ([MS-VHDX] 2.2.2)."""
        if self.kind == FIXED:
            return
        pieces = []
        ratio = chunk_ratio(self.block_size, self.sector_size)
        for number, entry in enumerate(self._table):
            is_bitmap = number % (ratio + 1) == ratio
            if is_bitmap and entry & 7 == BITMAP_PRESENT:
                pieces.append((entry >> 20 << 20, MIB, number))
            elif not is_bitmap and entry & 7 >= FULLY_PRESENT:
                pieces.append((entry >> 20 << 20, self.block_size, number))
            elif entry >> 20:
                # An unmapped block may have kept its place ([MS-VHDX] 2.5.1.1).
                self._set_entry(number, entry & 7)
        fixed = sorted([self._bat_region, self._metadata_region, (self._log_at, self._log_size)])
        at = MIB
        for former, length, number in sorted(pieces):
            at = _free_from(at, length, fixed)
            if at != former:
                self._put(at, self._at(former, length))
                self._set_entry(number, at | self._table[number] & 7)
            at += length
        self._file.truncate(max(at, *(sum(region) for region in fixed)))
        self._write_headers()

    def resize(self, size):
        """Grow the disk, a differencing one too (documented: Resize-VHD)."""
        self._refuse_growth(size, LARGEST)
        count = table_length(size, self.block_size, self.sector_size, self.kind)
        if 8 * count > self._bat_region[1]:
            length = -(-8 * count // MIB) * MIB
            self._bat_region = (self._allocate(length), length)
            regions = parts.pack_regions(self._bat_region, self._metadata_region)
            for at in parts.REGIONS_AT:
                self._put(at, regions)
        first_new = len(self._table)
        self._table += [0] * (count - first_new)
        self._put(self._bat_region[0], struct.pack(f"<{count}Q", *self._table))
        self.size = size
        self._set_item(parts.DISK_SIZE, struct.pack("<Q", size))
        if self.kind == FIXED:
            for block in range(-(-size // self.block_size)):
                if not self._is_allocated(block):
                    self._set_entry(
                        self._entry_number(block), self._allocate(self.block_size) | FULLY_PRESENT
                    )
        self._change_identity()


def create(
    path: str, size: int, kind: str, *, identifier: uuid.UUID, block_size=0, sector_size=0,
    physical_sector_size=0, link: ParentLink | None = None, parent: Disk | None = None,
) -> None:  # fmt: skip
    """Make the new file `path`, `size` in bytes; a differencing disk needs `parent` and the `link` to it.

    Its sectors are the parent's, or of 512 bytes (logical) and 4096 (physical); each may be asked to be the
    other (documented: CREATE_VIRTUAL_DISK_PARAMETERS), but not the logical ones of a differencing disk
    ([MS-VHDX] 2.6.2.4).
    """
    sector_size = sector_size or (parent.sector_size if parent else SECTOR)
    physical_sector_size = physical_sector_size or (
        parent.physical_sector_size if parent else PHYSICAL_SECTOR
    )
    for each in (sector_size, physical_sector_size):
        if each not in SECTOR_SIZES:
            raise errors.VirtualDiskError(
                errors.INVALID_PARAMETER, f"{path}: sectors of {each} bytes, expected 512 or 4096"
            )
    if parent and sector_size != parent.sector_size:
        raise errors.VirtualDiskError(
            errors.INVALID_PARAMETER,
            f"{path}: sectors of {sector_size} bytes, its parent's have {parent.sector_size}",
        )
    check_size(path, size, LARGEST, sector_size)
    block_size = block_size or (DIFFERENCING_BLOCK if kind == DIFFERENCING else BLOCK)
    _check_block_size(path, block_size)
    flags = {FIXED: parts.LEAVE_BLOCKS_ALLOCATED, DYNAMIC: 0, DIFFERENCING: parts.HAS_PARENT}[kind]
    items = {
        parts.FILE_PARAMETERS: struct.pack("<II", block_size, flags),
        parts.DISK_SIZE: struct.pack("<Q", size),
        parts.DISK_ID: identifier.bytes_le,
        parts.LOGICAL_SECTOR: struct.pack("<I", sector_size),
        parts.PHYSICAL_SECTOR: struct.pack("<I", physical_sector_size),
    }
    if link:
        items[parts.PARENT_LOCATOR] = parts.pack_locator(link)
    count = table_length(size, block_size, sector_size, kind)
    bat = (BAT_AT, -(-8 * count // MIB) * MIB)
    end = sum(bat)
    table = [0] * count
    if kind == FIXED:
        ratio = chunk_ratio(block_size, sector_size)
        for block in range(-(-size // block_size)):
            table[block + block // ratio] = end + block * block_size | FULLY_PRESENT
        end += -(-size // block_size) * block_size
    regions = parts.pack_regions(bat, (METADATA_AT, MIB))
    data_write = uuid.uuid4()
    with open(path, "xb") as file:
        file.truncate(end)
        file.write(parts.SIGNATURE + "hyperv-ci lab".encode("utf-16-le"))
        for sequence, (header_at, regions_at) in enumerate(
            zip(parts.HEADERS_AT, parts.REGIONS_AT, strict=True)
        ):
            file.seek(header_at)
            file.write(parts.pack_header(sequence, uuid.uuid4(), data_write, LOG_AT, MIB))
            file.seek(regions_at)
            file.write(regions)
        file.seek(METADATA_AT)
        file.write(parts.pack_metadata(items))
        file.seek(BAT_AT)
        file.write(struct.pack(f"<{count}Q", *table))
    if kind == DIFFERENCING:
        with open(path, "r+b") as file:
            Vhdx(file, path)._allocate_bitmaps()


def _check_block_size(path: str, size: int) -> None:
    """Documented: [MS-VHDX] 2.6.2.1."""
    if not MIB <= size <= 256 * MIB or size & (size - 1):
        raise errors.VirtualDiskError(errors.VHD_INVALID_BLOCK_SIZE, f"{path}: blocks of {size} bytes")


def _free_from(at: int, length: int, regions: list[tuple[int, int]]) -> int:
    """Return the first place from `at` on where `length` bytes overlap none of the (offset, length)."""
    for start, size in regions:
        if at < start + size and start < at + length:
            at = start + size
    return at


def chunk_ratio(block_size: int, sector_size: int) -> int:
    """Return how many payload blocks one sector bitmap block describes."""
    return SECTORS_PER_BITMAP * sector_size // block_size


def table_length(size: int, block_size: int, sector_size: int, kind: str) -> int:
    """Return the number of entries of the block allocation table ([MS-VHDX] 2.5)."""
    blocks, ratio = -(-size // block_size), chunk_ratio(block_size, sector_size)
    if kind == DIFFERENCING:
        return -(-blocks // ratio) * (ratio + 1)
    return blocks + (blocks - 1) // ratio
