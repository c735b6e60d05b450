# SPDX-License-Identifier: Apache-2.0
"""Virtual disk files that are attached to the host itself: what virtdisk.dll asks of them."""

import ntpath

from lab import guesses
from lab.hyperv_model import disks, storage, vhd
from lab.hyperv_model.errors import CimError
from lab.hyperv_model.providers import serves

# winerror.h; that an unattached disk is "not ready" is inferred from os-win
NOT_READY, SHARING_VIOLATION = 21, 32


@serves("virtdisk.AttachVirtualDisk")
def attach(model, path, read_only):
    """A disk that is attached, or that a running machine has, is in use (documented: one writer)."""
    users = [
        machine.name
        for machine in model.machines.values()
        if machine.is_active and _folded(path) in map(_folded, storage.disk_paths(machine))
    ]
    if users or number_of(model, path) is not None:
        raise CimError(SHARING_VIOLATION, f"{path} is used by {', '.join(users) or 'this host'}")
    with vhd.open_chain(path, model.local_path) as disk:
        disks.attach(model, disks.AttachedFile(path, disk.identifier.hex.upper(), disk.size, read_only))


@serves("virtdisk.DetachVirtualDisk")
def detach(model, path):
    disks.leave(model, _number(model, path))


@serves("virtdisk.GetVirtualDiskPhysicalPath")
def physical_path(model, path):
    if number_of(model, path) is None:
        model.guesses.meet(guesses.UNATTACHED_HAS_NO_PATH)
    return rf"\\.\PhysicalDrive{_number(model, path)}"


@serves("virtdisk.IsLoaded")
def is_loaded(model, path):
    return number_of(model, path) is not None


def number_of(model, path):
    """The number of the host's disk of this file, or None."""
    return next(
        (
            number
            for number, disk in model.disks.items()
            if isinstance(disk, disks.AttachedFile) and _folded(disk.path) == _folded(path)
        ),
        None,
    )


def _number(model, path):
    number = number_of(model, path)
    if number is None:
        raise CimError(NOT_READY, f"{path} is not attached")
    return number


def _folded(path):
    return ntpath.normpath(path).lower()
