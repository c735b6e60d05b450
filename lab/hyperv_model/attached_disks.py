# SPDX-License-Identifier: Apache-2.0
"""Virtual disk files that are attached to the host itself: what virtdisk.dll asks of them."""

from lab import guesses
from lab.hyperv_model import disks, storage, vhd
from lab.hyperv_model.errors import CimError
from lab.hyperv_model.providers import serves

# winerror.h; that an unattached disk is "not ready" is inferred from os-win
NOT_READY, SHARING_VIOLATION = 21, 32


@serves("virtdisk.AttachVirtualDisk")
def attach(model, path, read_only):
    """A disk that is attached, or that a running machine writes, is in use, and so is a parent of such a disk
    if it is to be written (documented: one writer).
    """
    use = storage.conflict(storage.uses(model), path, write=not read_only)
    if use or number_of(model, path) is not None:
        raise CimError(SHARING_VIOLATION, f"{path} is used by {use.user if use else storage.HOST}")
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
            if isinstance(disk, disks.AttachedFile)
            and storage.fold_path(disk.path) == storage.fold_path(path)
        ),
        None,
    )


def _number(model, path):
    number = number_of(model, path)
    if number is None:
        raise CimError(NOT_READY, f"{path} is not attached")
    return number
