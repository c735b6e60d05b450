# SPDX-License-Identifier: Apache-2.0
"""Reads VHD files, fixed and dynamic, as "Virtual Hard Disk Image Format Specification" 1.0 (Microsoft, 2006)
lays them out: a footer of 512 bytes at the end; in a dynamic disk a copy of it at the start, then a header of
1024 bytes, a block allocation table, and blocks of a sector bitmap and data. Numbers are big-endian.
"""

import struct

from hyperv_driver.virtual_disk import VirtualDisk, read_exactly, refuse_overlaps, refuse_unless, used_entries

SECTOR = 512
FOOTER_SIZE = 512
FOOTER_COOKIE = b"conectix"
FIXED, DYNAMIC, DIFFERENCING = 2, 3, 4
KINDS = {FIXED: "fixed", DYNAMIC: "dynamic", DIFFERENCING: "differencing"}
HEADER_SIZE = 1024
HEADER_COOKIE = b"cxsparse"
UNUSED_BLOCK = 0xFFFFFFFF
# https://learn.microsoft.com/windows/win32/api/virtdisk/ns-virtdisk-create_virtual_disk_parameters
SMALLEST_BLOCK = 512 * 1024
# Hyper-V's own limit for this format.
LARGEST = 2040 * 1024**3


def has_signature(file, size):
    return size >= FOOTER_SIZE and read_exactly(file, size - FOOTER_SIZE, 8, "the footer") == FOOTER_COOKIE


def read(file, size):
    """:returns: VirtualDisk; see ``images.inspect``, which calls this for a file with a VHD's footer."""
    footer = read_exactly(file, size - FOOTER_SIZE, FOOTER_SIZE, "the footer")
    _check_sum(footer, 64, "the footer")
    (header_at,) = struct.unpack_from(">Q", footer, 16)
    virtual_size, _geometry, kind = struct.unpack_from(">QII", footer, 48)
    refuse_unless(kind != DIFFERENCING, "a differencing disk, which names a parent of its own")
    refuse_unless(kind in KINDS, f"VHD of type {kind}, expected fixed (2) or dynamic (3)")
    refuse_unless(
        0 < virtual_size <= LARGEST and virtual_size % SECTOR == 0,
        f"virtual size of {virtual_size} bytes, expected whole sectors up to {LARGEST}",
    )
    if kind == FIXED:
        refuse_unless(
            size == virtual_size + FOOTER_SIZE,
            f"fixed disk of {virtual_size} bytes in a file of {size}, expected {virtual_size + FOOTER_SIZE}",
        )
    else:
        refuse_unless(
            read_exactly(file, 0, FOOTER_SIZE, "the footer's copy") == footer,
            "the footer and its copy at the start of the file differ",
        )
        _check_dynamic(file, size, header_at, virtual_size)
    return VirtualDisk("vhd", virtual_size)


def _check_dynamic(file, size, header_at, virtual_size):
    header = read_exactly(file, header_at, HEADER_SIZE, "the dynamic disk's header")
    refuse_unless(header[:8] == HEADER_COOKIE, f"no dynamic disk's header at byte {header_at}")
    _check_sum(header, 36, "the dynamic disk's header")
    # Parent's id, time stamp, name (40 to 576) and locators (576 to 768): only a differencing disk has them.
    refuse_unless(not any(header[40:768]), "a dynamic disk that names a parent")
    (table_at,) = struct.unpack_from(">Q", header, 16)
    entries, block_size = struct.unpack_from(">II", header, 28)
    refuse_unless(
        block_size >= SMALLEST_BLOCK and block_size & (block_size - 1) == 0,
        f"blocks of {block_size} bytes, expected a power of two from {SMALLEST_BLOCK}",
    )
    blocks = -(-virtual_size // block_size)
    refuse_unless(
        blocks <= entries <= LARGEST // SMALLEST_BLOCK,
        f"{entries} entries in its block table, expected {blocks} to {LARGEST // SMALLEST_BLOCK}",
    )
    parts = [
        (0, FOOTER_SIZE, "the footer's copy"),
        (header_at, HEADER_SIZE, "the dynamic disk's header"),
        (table_at, 4 * entries, "the block allocation table"),
        (size - FOOTER_SIZE, FOOTER_SIZE, "the footer"),
    ]
    table = used_entries(file, table_at, ">I", blocks, {UNUSED_BLOCK}, "the block allocation table")
    bitmap_size = -(-block_size // SECTOR // 8 // SECTOR) * SECTOR
    last_start = (size - FOOTER_SIZE - bitmap_size - block_size) // SECTOR
    for number, sector in table:
        refuse_unless(
            sector <= last_start,
            f"truncated: block {number} is at sector {sector}, beyond the end of the file",
        )
        parts.append((sector * SECTOR, bitmap_size + block_size, "a block"))
    refuse_overlaps(parts)


def _check_sum(data, at, what):
    (expected,) = struct.unpack_from(">I", data, at)
    found = ~(sum(data) - sum(data[at : at + 4])) & 0xFFFFFFFF
    refuse_unless(found == expected, f"checksum of {what} is {found:#x}, expected {expected:#x}")
