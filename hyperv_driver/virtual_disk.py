# SPDX-License-Identifier: Apache-2.0
"""What the readers of the disk formats have in common: their result, their refusal, reading exactly."""

import dataclasses


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
