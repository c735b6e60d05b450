# SPDX-License-Identifier: Apache-2.0
"""A virtual disk as both formats have it: blocks that are allocated or not, and perhaps a parent."""

import dataclasses
import uuid
from typing import BinaryIO

from . import errors

FIXED, DYNAMIC, DIFFERENCING = "fixed", "dynamic", "differencing"
SECTOR = 512
MIB = 1024 * 1024
SMALLEST = 3 * MIB


@dataclasses.dataclass(frozen=True)
class ParentLink:
    """What a differencing disk says of its parent: its identity, and its Windows paths."""

    identifier: uuid.UUID
    relative: str | None
    absolute: str | None


class Disk:
    """An open virtual disk; a context manager that closes the file.

    Attributes: `path` (of the file on this machine), `kind`, `size`, `block_size` (0: fixed VHD),
    `sector_size`, `physical_sector_size` (all in bytes), `identifier` (what a child calls its parent by),
    `parent_link` (differencing disks only), `parent` (open; None unless it was opened by vhd.open_chain).
    """

    format: str
    kind: str
    size: int
    block_size: int
    sector_size = SECTOR
    physical_sector_size = SECTOR
    identifier: uuid.UUID
    parent_link: ParentLink | None = None

    def __init__(self, file: BinaryIO, path: str):
        self._file = file
        self.path = str(path)
        self.parent: Disk | None = None

    def __enter__(self):
        return self

    def __exit__(self, *exc_info):
        self.close()

    def close(self) -> None:
        """Close the file, and the parent's if it is open."""
        self._file.close()
        if self.parent:
            self.parent.close()

    def read(self, offset: int, length: int) -> bytes:
        """Return what a guest would read; needs the opened parent where the disk itself has no data."""
        return b"".join(self._read_piece(*piece) for piece in self._pieces(offset, length))

    def write(self, offset: int, data: bytes) -> None:
        """Write as a guest would; a missing block is allocated first, from the parent's data if any."""
        for block, start, length in self._pieces(offset, len(data)):
            at = block * self._step + start - offset
            self._write_piece(block, start, data[at : at + length])

    def has_data(self, block: int) -> bool:
        """Say whether block number `block` is allocated here or, as far as opened, in a parent."""
        if self._is_allocated(block):
            return True
        if self.parent is None:
            return False
        first = block * self._step // self.parent._step
        last = min((block + 1) * self._step, self.parent.size) - 1
        return any(self.parent.has_data(number) for number in range(first, last // self.parent._step + 1))

    def data_ranges(self):
        """Yield (offset, length) of everything that may be other than zero."""
        for block in range(-(-self.size // self._step)):
            if self.has_data(block):
                offset = block * self._step
                yield offset, min(self._step, self.size - offset)

    def own_ranges(self):
        """Yield (offset, length) of what is allocated in this file itself, not in a parent."""
        for block in range(-(-self.size // self._step)):
            if self._is_allocated(block):
                offset = block * self._step
                yield offset, min(self._step, self.size - offset)

    def growth(self, ranges) -> int:
        """Return by how many bytes the file grows if these (offset, length) are written."""
        blocks = {
            block
            for offset, length in ranges
            for block in range(offset // self._step, -(-(offset + length) // self._step))
        }
        missing = [
            block for block in blocks if block * self._step >= self.size or not self._is_allocated(block)
        ]
        return len(missing) * self._step

    @property
    def _step(self) -> int:
        return self.block_size or 2 * MIB

    def _pieces(self, offset: int, length: int):
        if offset < 0 or offset + length > self.size:
            raise ValueError(f"{self.path}: bytes {offset} to {offset + length} of a disk of {self.size}")
        while length:
            block, start = divmod(offset, self._step)
            piece = min(length, self._step - start)
            yield block, start, piece
            offset += piece
            length -= piece

    def _read_parent(self, offset: int, length: int) -> bytes:
        if self.parent_link and self.parent is None:
            raise errors.VirtualDiskError(
                errors.VHD_PARENT_VHD_NOT_FOUND,
                f"{self.path}: its parent is needed for byte {offset}, and not open",
            )
        inside = max(0, min(length, self.parent.size - offset)) if self.parent else 0
        return (self.parent.read(offset, inside) if inside else b"").ljust(length, b"\0")

    def _at(self, offset: int, length: int) -> bytes:
        """Read the file, and fail if it ends early."""
        self._file.seek(offset)
        data = self._file.read(length)
        if len(data) != length:
            raise errors.VirtualDiskError(
                errors.VHD_DRIVE_FOOTER_CORRUPT,
                f"{self.path}: truncated, {len(data)} of {length} bytes at byte {offset}",
            )
        return data

    def _put(self, offset: int, data: bytes) -> None:
        self._file.seek(offset)
        self._file.write(data)

    def _is_allocated(self, block: int) -> bool:
        raise NotImplementedError

    def _read_piece(self, block: int, start: int, length: int) -> bytes:
        raise NotImplementedError

    def _write_piece(self, block: int, start: int, data: bytes) -> None:
        raise NotImplementedError

    def _release(self, block: int) -> None:
        raise NotImplementedError

    def compact(self) -> None:
        """Move the blocks that are allocated together, and end the file after them.

        A fixed VHDX stays as it is; VirtualDiskError for a fixed VHD.
        """
        raise NotImplementedError

    def release_zeros(self) -> None:
        """Have blocks allocated no longer that read as zeros without that; needs the opened parents."""
        for block in range(-(-self.size // self._step)):
            offset = block * self._step
            length = min(self._step, self.size - offset)
            if (
                self._is_allocated(block)
                and _is_zero(self.read(offset, length))
                and _is_zero(self._read_parent(offset, length))
            ):
                self._release(block)

    def resize(self, size: int) -> None:
        """Grow the disk to `size` bytes; VirtualDiskError if it would shrink or the format cannot."""
        raise NotImplementedError

    def set_parent_link(self, link: ParentLink) -> None:
        """Say that the parent is elsewhere; differencing disks only."""
        raise NotImplementedError

    def _refuse_growth(self, size: int, largest: int) -> None:
        if size < self.size or size > largest or size % self.sector_size:
            raise errors.VirtualDiskError(
                errors.VHD_INVALID_SIZE,
                f"{self.path}: cannot resize from {self.size} to {size} bytes, "
                f"expected whole sectors, not fewer, up to {largest} bytes",
            )


def _is_zero(data: bytes) -> bool:
    return data.count(0) == len(data)


def check_size(path: str, size: int, largest: int, sector_size: int = SECTOR) -> None:
    """Raise VirtualDiskError unless a new disk may have `size` bytes."""
    if not SMALLEST <= size <= largest or size % sector_size:
        raise errors.VirtualDiskError(
            errors.INVALID_PARAMETER,
            f"{path}: a disk of {size} bytes, expected whole sectors, {SMALLEST} to {largest} bytes",
        )
