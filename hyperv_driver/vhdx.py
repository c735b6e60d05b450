# SPDX-License-Identifier: Apache-2.0
"""Reads VHDX files as [MS-VHDX] lays them out: an identifier, two headers of which the later one counts, two
equal region tables, and the regions: metadata, and a block allocation table. Numbers are little-endian.
"""

import struct
import uuid

from hyperv_driver.virtual_disk import (
    UnacceptableDisk,
    VirtualDisk,
    read_exactly,
    refuse_overlaps,
    refuse_unless,
    used_entries,
)

KI, MI = 1024, 1024**2
SIGNATURE = b"vhdxfile"
HEADERS_AT = (64 * KI, 128 * KI)
HEADER_SIZE = 4 * KI
REGION_TABLES_AT = (192 * KI, 256 * KI)
REGION_TABLE_SIZE = 64 * KI
REGION_ENTRIES = 2047
METADATA_TABLE_SIZE = 64 * KI
METADATA_ENTRIES = 2047
LARGEST = 64 * 1024**4

BAT = uuid.UUID("2dc27766-f623-4200-9d64-115e9bfd4a08")
METADATA = uuid.UUID("8b7ca206-4790-4b9a-b8fe-575f050f886e")

FILE_PARAMETERS = uuid.UUID("caa16737-fa36-4d43-b3b6-33f0aa44e76b")
VIRTUAL_DISK_SIZE = uuid.UUID("2fa54224-cd1b-4876-b211-5dbed83bf4b8")
LOGICAL_SECTOR_SIZE = uuid.UUID("8141bf1d-a96f-4709-ba47-f233a8faab5f")
PHYSICAL_SECTOR_SIZE = uuid.UUID("cda348c7-445d-4471-9cc9-e9885251c556")
VIRTUAL_DISK_ID = uuid.UUID("beca12ab-b2e6-4523-93ef-c309e000c746")
PARENT_LOCATOR = uuid.UUID("a8d35f2d-b30b-454d-abf7-d3d84834ab0c")
KNOWN_ITEMS = {
    FILE_PARAMETERS, VIRTUAL_DISK_SIZE, VIRTUAL_DISK_ID, LOGICAL_SECTOR_SIZE, PHYSICAL_SECTOR_SIZE,
    PARENT_LOCATOR,
}  # fmt: skip

HAS_PARENT = 2
FULLY_PRESENT, PARTIALLY_PRESENT = 6, 7
# Entries of blocks that have nothing in the file: not present, undefined, zero, unmapped.
NO_PLACE = {0, 1, 2, 3}


def has_signature(file, size):
    return size >= len(SIGNATURE) and read_exactly(file, 0, 8, "the identifier") == SIGNATURE


def read(file, size):
    """:returns: VirtualDisk; see ``images.inspect``, which calls this for a file with a VHDX's identifier."""
    log = _check_header(file)
    regions = _regions(file, size)
    items = _metadata(file, *regions[METADATA])
    refuse_unless(PARENT_LOCATOR not in items, "a disk that names a parent")
    block_size, flags = struct.unpack_from("<II", _item(items, FILE_PARAMETERS, 8))
    refuse_unless(not flags & HAS_PARENT, "a differencing disk, which names a parent of its own")
    refuse_unless(
        MI <= block_size <= 256 * MI and block_size & (block_size - 1) == 0,
        f"blocks of {block_size} bytes, expected a power of two from 1 to 256 MiB",
    )
    (sector_size,) = struct.unpack("<I", _item(items, LOGICAL_SECTOR_SIZE, 4))
    refuse_unless(sector_size in (512, 4096), f"sectors of {sector_size} bytes, expected 512 or 4096")
    (virtual_size,) = struct.unpack("<Q", _item(items, VIRTUAL_DISK_SIZE, 8))
    refuse_unless(
        0 < virtual_size <= LARGEST and virtual_size % sector_size == 0,
        f"virtual size of {virtual_size} bytes, expected whole sectors up to {LARGEST}",
    )
    blocks = _blocks(file, size, regions[BAT], virtual_size, block_size, sector_size)
    refuse_overlaps(
        [
            (0, MI, "the header section"),
            *([(*log, "the log")] if log[1] else []),
            *((*place, f"region {region}") for region, place in regions.items()),
            *((offset, length, "a block") for offset, length in blocks.items()),
        ]
    )
    return VirtualDisk("vhdx", virtual_size)


def _check_header(file):
    """:returns: where the log is, and its length; it is empty"""
    valid = {}
    for at in HEADERS_AT:
        header = read_exactly(file, at, HEADER_SIZE, "a header")
        if header[:4] == b"head" and _sum_is_right(header):
            (sequence,) = struct.unpack_from("<Q", header, 8)
            refuse_unless(
                valid.setdefault(sequence, header) == header,
                "its two headers differ, and neither is the later",
            )
    refuse_unless(valid, "no header whose checksum is right")
    current = valid[max(valid)]
    (version,) = struct.unpack_from("<H", current, 66)
    refuse_unless(version == 1, f"VHDX version {version}, expected 1")
    # Replaying a log can change everything that is checked here, a parent included.
    refuse_unless(not any(current[48:64]), "it was not closed cleanly: its log has entries to replay")
    length, offset = struct.unpack_from("<IQ", current, 68)
    return offset, length


def _regions(file, size):
    tables = [read_exactly(file, at, REGION_TABLE_SIZE, "a region table") for at in REGION_TABLES_AT]
    table = tables[0]
    refuse_unless(table[:4] == b"regi" and _sum_is_right(table), "no region table whose checksum is right")
    refuse_unless(table == tables[1], "its two region tables differ")
    (entries,) = struct.unpack_from("<I", table, 8)
    refuse_unless(entries <= REGION_ENTRIES, f"{entries} regions, expected {REGION_ENTRIES} at most")
    regions = {}
    for entry in range(entries):
        identifier, offset, length, required = struct.unpack_from("<16sQII", table, 16 + 32 * entry)
        region = uuid.UUID(bytes_le=identifier)
        refuse_unless(region not in regions, f"region {region} is there twice")
        refuse_unless(
            region in (BAT, METADATA) or not required & 1, f"unknown region {region}, marked as required"
        )
        refuse_unless(
            offset >= MI and offset + length <= size,
            f"truncated: region {region} is at byte {offset}, {length} bytes long, the file has {size}",
        )
        regions[region] = (offset, length)
    for region, name in ((BAT, "block allocation table"), (METADATA, "metadata")):
        refuse_unless(region in regions, f"it has no {name}")
    return regions


def _metadata(file, region_at, region_size):
    table = read_exactly(file, region_at, METADATA_TABLE_SIZE, "the metadata table")
    refuse_unless(table[:8] == b"metadata", f"no metadata table at byte {region_at}")
    (entries,) = struct.unpack_from("<H", table, 10)
    refuse_unless(
        entries <= METADATA_ENTRIES, f"{entries} metadata items, expected {METADATA_ENTRIES} at most"
    )
    items = {}
    for entry in range(entries):
        identifier, offset, length, flags = struct.unpack_from("<16sIII", table, 32 + 32 * entry)
        item = uuid.UUID(bytes_le=identifier)
        is_user, is_required = flags & 1, flags & 4
        refuse_unless(item not in items, f"metadata item {item} is there twice")
        refuse_unless(
            item in KNOWN_ITEMS or not is_required, f"unknown metadata item {item}, marked as required"
        )
        refuse_unless(not (item in KNOWN_ITEMS and is_user), f"metadata item {item} is marked as a user's")
        refuse_unless(
            offset + length <= region_size,
            f"metadata item {item} lies beyond the metadata's {region_size} bytes",
        )
        items[item] = (
            read_exactly(file, region_at + offset, length, f"metadata item {item}") if length else b""
        )
    return items


def _item(items, item, length):
    found = items.get(item)
    if found is None or len(found) != length:
        has = "is missing" if found is None else f"has {len(found)} bytes"
        raise UnacceptableDisk(f"metadata item {item} {has}, expected {length} bytes")
    return found


def _blocks(file, size, bat, virtual_size, block_size, sector_size):
    """:returns: {start: length} of the blocks that have a place in the file"""
    table_at, table_size = bat
    blocks = -(-virtual_size // block_size)
    # After each so many blocks comes an entry for their sectors' bitmap, which only differencing disks use.
    blocks_per_bitmap = 2**23 * sector_size // block_size
    entries = blocks + (blocks - 1) // blocks_per_bitmap
    refuse_unless(
        8 * entries <= table_size, f"a block table of {table_size} bytes, expected {8 * entries} or more"
    )
    places = {}
    table = used_entries(file, table_at, "<Q", entries, NO_PLACE, "the block allocation table")
    for number, entry in table:
        is_bitmap = number % (blocks_per_bitmap + 1) == blocks_per_bitmap
        state, offset, length = entry & 7, entry >> 20 << 20, MI if is_bitmap else block_size
        refuse_unless(
            is_bitmap or state != PARTIALLY_PRESENT,
            f"entry {number} of its block table is partly in a parent",
        )
        # One that is not in use any more may keep its place.
        refuse_unless(
            MI <= offset <= size - length,
            f"truncated: entry {number} of its block table is at byte {offset}, beyond the end of the file",
        )
        refuse_unless(offset not in places, f"entry {number} of its block table is at the place of another")
        places[offset] = length
    return places


def _sum_is_right(structure):
    (expected,) = struct.unpack_from("<I", structure, 4)
    return _crc32c(structure[:4] + bytes(4) + structure[8:]) == expected


def _crc32c_table():
    for byte in range(256):
        for _bit in range(8):
            byte = byte >> 1 ^ (0x82F63B78 if byte & 1 else 0)
        yield byte


CRC32C_TABLE = tuple(_crc32c_table())


def _crc32c(data):
    """Castagnoli's CRC-32, which [MS-VHDX] asks for; the standard library has the other one only."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc = CRC32C_TABLE[(crc ^ byte) & 0xFF] ^ crc >> 8
    return crc ^ 0xFFFFFFFF
