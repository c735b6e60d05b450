# SPDX-License-Identifier: Apache-2.0
"""Memory that functions hand out and LocalFree takes back; what it means is kept beside it."""

import ctypes

_blocks: dict[int, object] = {}
_meanings: dict[int, object] = {}


def allocate(data: bytes, meaning=None) -> int:
    """Return the address of a block with this content."""
    block = ctypes.create_string_buffer(data, len(data))
    address = ctypes.addressof(block)
    _blocks[address], _meanings[address] = block, meaning
    return address


def meaning(address: int):
    """Return what a block at this address means; KeyError if there is none."""
    return _meanings[address]


def free(address: int) -> bool:
    """Give a block back; say whether there was one."""
    _meanings.pop(address, None)
    return _blocks.pop(address, None) is not None
