# SPDX-License-Identifier: Apache-2.0
"""What the readers of the disk formats have in common: their result, their refusals, reading exactly."""

import dataclasses
import struct

# Entries of a table that are looked at together: the largest have 64 million, most of them unused.
CHUNK = 65536


class UnacceptableDisk(Exception):
    """A file that Hyper-V must not be given as a disk; the message says what was found and expected."""


@dataclasses.dataclass(frozen=True)
class VirtualDisk:
    """A whole, self-contained disk image.

    :param format: ``vhd`` or ``vhdx``.
    :param virtual_size: bytes that a guest sees.
    """

    format: str
    virtual_size: int


def read_exactly(file, offset, length, what):
    """Read ``length`` bytes at ``offset``; the refusal of a file that ends before calls them ``what``."""
    file.seek(offset)
    data = file.read(length)
    if len(data) != length:
        raise UnacceptableDisk(
            f"truncated: {what}, {length} bytes at byte {offset}, is beyond the end of the file"
        )
    return data


def refuse_unless(condition, message):
    if not condition:
        raise UnacceptableDisk(message)


def used_entries(file, offset, entry, count, unused, what):
    """Read a table of ``count`` numbers, each of the struct format ``entry``.

    :returns: (index, number) of those that are not of the set ``unused``, one by one
    """
    size, (order, kind) = struct.calcsize(entry), entry
    for first in range(0, count, CHUNK):
        length = min(CHUNK, count - first)
        numbers = struct.unpack(
            f"{order}{length}{kind}", read_exactly(file, offset + size * first, size * length, what)
        )
        if unused.issuperset(numbers):
            continue
        for index, number in enumerate(numbers, start=first):
            if number not in unused:
                yield index, number


def refuse_overlaps(parts):
    """Refuse a file of which two parts share bytes: a write to a block could change what describes the disk.

    :param parts: (start, length, what it is) of each
    """
    end, before = 0, None
    for start, length, what in sorted(parts):
        refuse_unless(start >= end, f"{what} at byte {start} overlaps {before}, which ends at byte {end}")
        end, before = start + length, what
