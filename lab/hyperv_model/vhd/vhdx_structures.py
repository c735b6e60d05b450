# SPDX-License-Identifier: Apache-2.0
"""The parts of a VHDX file (documented: "[MS-VHDX]: Virtual Hard Disk v2 (VHDX) File Format").

Numbers are little-endian.
"""

import functools
import struct
import uuid

from . import errors
from .disk import MIB, ParentLink

KIB = 1024
SIGNATURE = b"vhdxfile"
HEADERS_AT = (64 * KIB, 128 * KIB)
REGIONS_AT = (192 * KIB, 256 * KIB)
REGION_TABLE_SIZE = 64 * KIB
HEADER = struct.Struct("<4sIQ16s16s16sHHIQ")
HEADER_SIZE = 4 * KIB
REGION = struct.Struct("<16sQII")
ITEM = struct.Struct("<16sIIII")
ITEMS_AT = 64 * KIB

BAT_REGION = uuid.UUID("2dc27766-f623-4200-9d64-115e9bfd4a08")
METADATA_REGION = uuid.UUID("8b7ca206-4790-4b9a-b8fe-575f050f886e")
FILE_PARAMETERS = uuid.UUID("caa16737-fa36-4d43-b3b6-33f0aa44e76b")
DISK_SIZE = uuid.UUID("2fa54224-cd1b-4876-b211-5dbed83bf4b8")
DISK_ID = uuid.UUID("beca12ab-b2e6-4523-93ef-c309e000c746")
LOGICAL_SECTOR = uuid.UUID("8141bf1d-a96f-4709-ba47-f233a8faab5f")
PHYSICAL_SECTOR = uuid.UUID("cda348c7-445d-4471-9cc9-e9885251c556")
PARENT_LOCATOR = uuid.UUID("a8d35f2d-b30b-454d-abf7-d3d84834ab0c")
LOCATOR_TYPE = uuid.UUID("b04aefb7-d19e-4a81-b789-25b8e9445913")
IS_VIRTUAL_DISK, IS_REQUIRED = 2, 4
LEAVE_BLOCKS_ALLOCATED, HAS_PARENT = 1, 2


def _crc_table():
    for byte in range(256):
        for _bit in range(8):
            byte = byte >> 1 ^ (0x82F63B78 if byte & 1 else 0)
        yield byte


_CRC = tuple(_crc_table())


@functools.lru_cache(maxsize=64)
def crc32c(data: bytes) -> int:
    """Return the CRC-32C (Castagnoli) of `data`; most disks have the same region table, which is long."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc = crc >> 8 ^ _CRC[(crc ^ byte) & 0xFF]
    return crc ^ 0xFFFFFFFF


def sealed(data: bytes) -> bytes:
    """Return a structure with its checksum (bytes 4 to 8) filled in."""
    zeroed = data[:4] + bytes(4) + data[8:]
    return data[:4] + struct.pack("<I", crc32c(zeroed)) + data[8:]


def pack_header(
    sequence: int, file_write: uuid.UUID, data_write: uuid.UUID, log_at: int, log_size: int
) -> bytes:
    """Return a header with an empty log."""
    packed = HEADER.pack(
        b"head", 0, sequence, file_write.bytes_le, data_write.bytes_le, bytes(16), 0, 1, log_size, log_at
    )
    return sealed(packed.ljust(HEADER_SIZE, b"\0"))


def pack_regions(bat: tuple[int, int], metadata: tuple[int, int]) -> bytes:
    """Return the region table; `bat` and `metadata` are (offset, length) in the file."""
    packed = struct.pack("<4sIII", b"regi", 0, 2, 0)
    # The BAT first, as Windows writes it: os-win 5.9.0 expects the metadata's entry to be the second.
    packed += REGION.pack(BAT_REGION.bytes_le, *bat, 1) + REGION.pack(METADATA_REGION.bytes_le, *metadata, 1)
    return sealed(packed.ljust(REGION_TABLE_SIZE, b"\0"))


def parse_regions(table: bytes, path: str) -> dict[uuid.UUID, tuple[int, int]]:
    """Return (offset, length) by region; VirtualDiskError if the table is damaged or names an unknown one."""
    if table[:4] != b"regi" or sealed(table) != table:
        raise errors.VirtualDiskError(errors.VHD_SPARSE_HEADER_CORRUPT, f"{path}: damaged VHDX region table")
    (count,) = struct.unpack_from("<I", table, 8)
    found = {}
    for number in range(count):
        name, offset, length, required = REGION.unpack_from(table, 16 + number * REGION.size)
        region = uuid.UUID(bytes_le=name)
        if required and region not in (BAT_REGION, METADATA_REGION):
            raise errors.VirtualDiskError(
                errors.VHD_FORMAT_UNSUPPORTED_VERSION, f"{path}: unknown required VHDX region {region}"
            )
        found[region] = (offset, length)
    return found


def pack_metadata(items: dict[uuid.UUID, bytes]) -> bytes:
    """Return the metadata region, padded to its 1 MiB; items keep their order."""
    table = struct.pack("<8sHH20s", b"metadata", 0, len(items), b"")
    content = b""
    for name, value in items.items():
        flags = IS_REQUIRED if name in (FILE_PARAMETERS, PARENT_LOCATOR) else IS_REQUIRED | IS_VIRTUAL_DISK
        table += ITEM.pack(name.bytes_le, ITEMS_AT + len(content), len(value), flags, 0)
        content += value
    return (table.ljust(ITEMS_AT, b"\0") + content).ljust(MIB, b"\0")


def parse_metadata(region: bytes, path: str) -> dict[uuid.UUID, tuple[int, bytes]]:
    """Return (offset in the region, value) by item; VirtualDiskError if the table is damaged."""
    if region[:8] != b"metadata":
        raise errors.VirtualDiskError(
            errors.VHD_SPARSE_HEADER_CORRUPT, f"{path}: damaged VHDX metadata table"
        )
    (count,) = struct.unpack_from("<H", region, 10)
    items = {}
    for number in range(count):
        name, offset, length, _flags, _ = ITEM.unpack_from(region, 32 + number * ITEM.size)
        items[uuid.UUID(bytes_le=name)] = (offset, region[offset : offset + length])
    return items


def pack_locator(link: ParentLink) -> bytes:
    """Return the parent locator item."""
    pairs = {
        "parent_linkage": f"{{{link.identifier}}}", "relative_path": link.relative,
        "absolute_win32_path": link.absolute,
    }  # fmt: skip
    pairs = {key: value for key, value in pairs.items() if value}
    at = 20 + 12 * len(pairs)
    entries = texts = b""
    for pair in pairs.items():
        key, value = (text.encode("utf-16-le") for text in pair)
        entries += struct.pack("<IIHH", at + len(texts), at + len(texts) + len(key), len(key), len(value))
        texts += key + value
    return LOCATOR_TYPE.bytes_le + struct.pack("<HH", 0, len(pairs)) + entries + texts


def parse_locator(item: bytes, path: str) -> ParentLink:
    """Return what the parent locator item says; VirtualDiskError if it is damaged."""
    kind = uuid.UUID(bytes_le=item[:16])
    (count,) = struct.unpack_from("<H", item, 18)
    pairs = {}
    for number in range(count):
        key, value, key_length, value_length = struct.unpack_from("<IIHH", item, 20 + 12 * number)
        name = item[key : key + key_length].decode("utf-16-le")
        pairs[name] = item[value : value + value_length].decode("utf-16-le")
    if kind != LOCATOR_TYPE or "parent_linkage" not in pairs:
        raise errors.VirtualDiskError(
            errors.VHD_SPARSE_HEADER_CORRUPT, f"{path}: damaged VHDX parent locator"
        )
    absolute = pairs.get("absolute_win32_path") or pairs.get("volume_path")
    return ParentLink(uuid.UUID(pairs["parent_linkage"]), pairs.get("relative_path"), absolute)
