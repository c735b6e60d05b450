# SPDX-License-Identifier: Apache-2.0
"""Decides from a file's own bytes whether Hyper-V may be given it as a disk.

nova's deep inspection does not serve here: oslo.utils has no safety check for VHD and VHDX, so that it passes
an image that names a parent on the host (which Hyper-V would read for the guest), and takes a fixed VHD for a
raw disk. An uploaded image is therefore accepted only if it is whole, is what Glance says it is and nothing
else besides, and needs no other file. What the formats allow and honest tools do not write is refused, too.
"""

import os

from hyperv_driver import vhd, vhdx
from hyperv_driver.virtual_disk import UnacceptableDisk, VirtualDisk

__all__ = ["UnacceptableDisk", "VirtualDisk", "inspect"]

READERS = {"vhd": vhd, "vhdx": vhdx}


def inspect(path, claimed_format):
    """Read what a disk image is.

    :param path: the file.
    :param claimed_format: the disk_format that its image has in Glance.
    :returns: VirtualDisk.
    :raises UnacceptableDisk: it is not a whole and self-contained disk of that format.
    """
    if claimed_format not in READERS:
        raise UnacceptableDisk(f"disk format {claimed_format}, expected one of: {', '.join(READERS)}")
    with open(path, "rb") as file:
        file.seek(0, os.SEEK_END)
        size = file.tell()
        found = [name for name, reader in READERS.items() if reader.has_signature(file, size)]
        if found != [claimed_format]:
            raise UnacceptableDisk(
                f"its content is {' and '.join(found) or 'neither VHD nor VHDX'}, expected {claimed_format}"
            )
        return READERS[claimed_format].read(file, size)
