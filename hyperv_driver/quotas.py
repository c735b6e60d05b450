# SPDX-License-Identifier: Apache-2.0
"""How much a hard disk may do, as Hyper-V counts it: in operations of 8 KiB.

Source: Microsoft's documentation of Set-VMHardDiskDrive -MaximumIOPS.
"""

OPERATION = 8 * 1024
FLAVOR = "quota:disk_"
IOPS, BYTES = "total_iops_sec", "total_bytes_sec"


def iops_limit(limits):
    """The limit by these specs of a volume's, or of a flavor's without their prefix; 0: none.

    :param limits: text by name; of a number of operations and a number of bytes, the former counts
    :raises ValueError: a limit that Hyper-V does not have, or no number
    """
    unknown = sorted(limits.keys() - {IOPS, BYTES})
    if unknown:
        raise ValueError(f"Hyper-V has no limit {', '.join(unknown)}, but {IOPS} and {BYTES}")
    return int(limits.get(IOPS) or 0) or -(-int(limits.get(BYTES) or 0) // OPERATION)


def of_flavor(flavor):
    """The limit of each of an instance's own disks; 0: none. Raises as ``iops_limit``."""
    return iops_limit(
        {
            name.removeprefix(FLAVOR): value
            for name, value in flavor.extra_specs.items()
            if name.startswith(FLAVOR)
        }
    )
