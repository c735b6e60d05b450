# SPDX-License-Identifier: Apache-2.0
"""ISO images (ECMA-119): recognized, and found whole. What is in them is the guest's affair."""

import struct

from hyperv_driver.virtual_disk import VirtualDisk, read_exactly, refuse_unless

SECTOR = 2048
DESCRIPTORS_AT = 16 * SECTOR
PRIMARY = b"\1CD001\1"


def has_signature(file, size):
    file.seek(DESCRIPTORS_AT)
    return file.read(len(PRIMARY)) == PRIMARY


def read(file, size):
    descriptor = read_exactly(file, DESCRIPTORS_AT, SECTOR, "the primary volume descriptor")
    (sectors,) = struct.unpack_from("<I", descriptor, 80)
    (block_size,) = struct.unpack_from("<H", descriptor, 128)
    refuse_unless(block_size == SECTOR, f"its blocks have {block_size} bytes, expected {SECTOR}")
    volume = sectors * SECTOR
    refuse_unless(volume <= size, f"truncated: its volume has {volume} bytes, the file {size}")
    return VirtualDisk("iso", size)
