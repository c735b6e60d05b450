# SPDX-License-Identifier: Apache-2.0
"""Decides from a file's own bytes whether Hyper-V may be given it as a disk.

nova's deep inspection does not serve here: oslo.utils has no safety check for VHD and VHDX, so that it passes
an image that names a parent on the host (which Hyper-V would read for the guest), and takes a fixed VHD for a
raw disk. An uploaded image is therefore accepted only if it is whole, is what Glance says it is and nothing
else besides, and needs no other file. What the formats allow and honest tools do not write is refused, too.
"""

import os

from hyperv_driver import iso, vhd, vhdx
from hyperv_driver.virtual_disk import UnacceptableDisk, VirtualDisk

__all__ = ["UnacceptableDisk", "VirtualDisk", "inspect"]

HARD_DISKS = {"vhd": vhd, "vhdx": vhdx}
READERS = {**HARD_DISKS, "iso": iso}


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
        # A hard disk may hold what an ISO image holds (a stick that boots does), but not the other way round.
        looked_for = {**HARD_DISKS, claimed_format: READERS[claimed_format]}
        found = [name for name, reader in looked_for.items() if reader.has_signature(file, size)]
        if found != [claimed_format]:
            nothing = f"none of {', '.join(looked_for)}"
            raise UnacceptableDisk(
                f"its content is {' and '.join(found) or nothing}, expected {claimed_format}"
            )
        return READERS[claimed_format].read(file, size)
