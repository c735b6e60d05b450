# SPDX-License-Identifier: Apache-2.0
"""Msvm_ImageManagementService: what is in a virtual disk file, and everything that can be done to one."""

import contextlib
import ntpath

from lab.hyperv_model import attached_disks, embedded, errors, storage, vhd
from lab.hyperv_model.errors import CimError
from lab.hyperv_model.jobs import INVALID_PARAMETER, INVALID_STATE, V2, JobFailure
from lab.hyperv_model.providers import provides

SERVICE = "Msvm_ImageManagementService"
FILE_NOT_FOUND = 32779  # documented
TYPES = {vhd.FIXED: 2, vhd.DYNAMIC: 3, vhd.DIFFERENCING: 4}  # documented
KINDS = {number: kind for kind, number in TYPES.items()}
FORMATS = {"vhd": 2, "vhdx": 3}  # documented
FULL, QUICK, RETRIM, PRETRIMMED, PREZEROED = range(5)  # Mode (documented)


def install(model):
    model.store.add_service(V2, SERVICE, "vhdsvc", "Hyper-V Image Management Service")


@provides(f"{SERVICE}.GetVirtualHardDiskSettingData")
def get_virtual_hard_disk_setting_data(model, service, Path):
    if refusal := _refusal(model, Path):
        return refusal
    file = model.local_path(Path)

    def work():
        with _failing(f"Failed to get the properties of '{Path}'."), vhd.open_disk(file) as disk:
            return {"SettingData": embedded.write(_settings(model, disk, Path))}

    return model.jobs.run(f"{SERVICE}.GetVirtualHardDiskSettingData", [], work)


@provides(f"{SERVICE}.CompactVirtualHardDisk")
def compact_virtual_hard_disk(model, service, Path, Mode):
    """Documented for Optimize-VHD: of a disk that is not attached, Full is Prezeroed, which looks for blocks
    of zeros, and Quick is Pretrimmed, which does not; Retrim reclaims nothing, and needs it attached.
    """
    if Mode not in range(5):
        return {"ReturnValue": INVALID_PARAMETER}
    if refusal := _refusal(model, Path):
        return refusal

    def work():
        prefix = f"The system failed to compact '{Path}'."
        _check_unused(model, Path, prefix)
        if Mode == RETRIM:
            if attached_disks.number_of(model, Path) is None:
                raise JobFailure(f"{prefix} Retrim needs it attached read-only.", INVALID_STATE)
            return
        with _failing(prefix):
            vhd.compact(Path, model.local_path, zeros=Mode in (FULL, PREZEROED))

    return model.jobs.run(f"{SERVICE}.CompactVirtualHardDisk", [], work)


@provides(f"{SERVICE}.ConvertVirtualHardDisk")
def convert_virtual_hard_disk(model, service, SourcePath, VirtualDiskSettingData):
    """Makes another disk with the same content; the source stays (documented)."""
    wanted = embedded.read(VirtualDiskSettingData, model.store, V2, "Msvm_VirtualHardDiskSettingData")
    path = wanted["Path"] or ""
    if wanted["ParentPath"] or wanted["Type"] == TYPES[vhd.DIFFERENCING]:
        raise CimError(errors.METHOD_NOT_IMPLEMENTED, "converting to a differencing disk is not simulated")
    extension = ntpath.splitext(path)[1][1:].lower()
    if wanted["Type"] not in KINDS or FORMATS.get(extension) != wanted["Format"]:
        return {"ReturnValue": INVALID_PARAMETER}
    if refusal := _refusal(model, SourcePath):
        return refusal

    def work():
        prefix = f"The system failed to convert '{SourcePath}'."
        _check_unused(model, SourcePath, prefix)
        with _failing(prefix):
            model.check_space()
            kind, block_size = KINDS[wanted["Type"]], wanted["BlockSize"] or 0
            physical = wanted["PhysicalSectorSize"] or 0
            vhd.convert(
                path,
                SourcePath,
                model.local_path,
                kind=kind,
                block_size=block_size,
                physical_sector_size=physical,
            )

    return model.jobs.run(f"{SERVICE}.ConvertVirtualHardDisk", [], work)


@provides(f"{SERVICE}.CreateVirtualHardDisk")
def create_virtual_hard_disk(model, service, VirtualDiskSettingData):
    wanted = embedded.read(VirtualDiskSettingData, model.store, V2, "Msvm_VirtualHardDiskSettingData")
    path, parent = wanted["Path"] or "", wanted["ParentPath"] or ""
    kind = KINDS.get(wanted["Type"])
    extension = ntpath.splitext(path)[1][1:].lower()
    if (
        kind is None
        or FORMATS.get(extension) != wanted["Format"]
        or bool(parent) != (kind == vhd.DIFFERENCING)
    ):
        return {"ReturnValue": INVALID_PARAMETER}
    if parent and (refusal := _refusal(model, parent)):
        return refusal
    size = wanted["MaxInternalSize"] or 0
    more = {
        "block_size": wanted["BlockSize"] or 0,
        "sector_size": wanted["LogicalSectorSize"] or 0,
        "physical_sector_size": wanted["PhysicalSectorSize"] or 0,
    }

    def work():
        with _failing(f"The system failed to create '{path}'."):
            model.check_space()
            if parent:
                vhd.create_differencing(path, parent, model.local_path, size=size, **more)
            else:
                vhd.create(model.local_path(path), size, kind, **more)

    return model.jobs.run(f"{SERVICE}.CreateVirtualHardDisk", [], work)


@provides(f"{SERVICE}.ResizeVirtualHardDisk")
def resize_virtual_hard_disk(model, service, Path, MaxInternalSize):
    """A VHDX on a SCSI controller grows while its machine runs (documented: "Online Virtual Hard Disk
    Resizing"); only growing is simulated.
    """

    def resize(prefix):
        if not (Path.lower().endswith(".vhdx") and _is_on_scsi(model, Path)):
            _check_unused(model, Path, prefix)
        model.check_space()
        with vhd.open_disk(model.local_path(Path), write=True) as disk:
            disk.resize(MaxInternalSize)

    return _change(model, "ResizeVirtualHardDisk", "resize", Path, resize)


@provides(f"{SERVICE}.MergeVirtualHardDisk")
def merge_virtual_hard_disk(model, service, SourcePath, DestinationPath):
    """Into its parents, up to one of them; what was merged goes (documented for Merge-VHD)."""

    def merge(prefix):
        links = storage.parents(model, SourcePath, prefix)
        folded = [link.lower() for link in links]
        if DestinationPath.lower() not in folded:
            raise JobFailure(f"{prefix} '{DestinationPath}' is none of its parents.", INVALID_PARAMETER)
        _check_unused(model, SourcePath, prefix)
        model.check_space()
        path = SourcePath
        for parent in links[: folded.index(DestinationPath.lower()) + 1]:
            vhd.merge(path, model.local_path)
            model.local_path(path).unlink()
            path = parent

    return _change(model, "MergeVirtualHardDisk", "merge", SourcePath, merge)


@provides(f"{SERVICE}.SetParentVirtualHardDisk")
def set_parent_virtual_hard_disk(model, service, ChildPath, ParentPath, LeafPath, IgnoreIDMismatch):
    """LeafPath is for a disk that is in use (documented), which is not simulated."""
    if LeafPath:
        raise CimError(
            errors.METHOD_NOT_IMPLEMENTED, "SetParentVirtualHardDisk of a disk in use is not simulated"
        )

    def reconnect(prefix):
        _check_unused(model, ChildPath, prefix)
        vhd.reconnect(ChildPath, ParentPath, model.local_path, merged=bool(IgnoreIDMismatch))

    return _change(model, "SetParentVirtualHardDisk", "set the parent of", ChildPath, reconnect)


@provides(f"{SERVICE}.ValidateVirtualHardDisk")
def validate_virtual_hard_disk(model, service, Path):
    """With its parents (documented for Test-VHD: a missing one is found)."""
    return _change(
        model,
        "ValidateVirtualHardDisk",
        "validate",
        Path,
        lambda prefix: storage.parents(model, Path, prefix),
    )


def _is_on_scsi(model, path):
    """Whether a running machine has a disk on a SCSI controller."""
    for machine in model.machines.values():
        for disk in machine.of(storage.SASD, storage.HARD_DISK) if machine.is_active else ():
            if disk["HostResource"][0].lower() == path.lower():
                drive = model.store.at(disk["Parent"], V2)
                return model.store.at(drive["Parent"], V2)["ResourceSubType"] == storage.SCSI
    return False


def _change(model, method, verb, path, act):
    """Run a method that is about the virtual disk at `path`; `act` takes what its failures begin with."""
    if refusal := _refusal(model, path):
        return refusal
    prefix = f"The system failed to {verb} '{path}'."

    def work():
        with _failing(prefix):
            act(prefix)

    return model.jobs.run(f"{SERVICE}.{method}", [], work)


def _refusal(model, path):
    """What a method returns if there is no such file, or None."""
    try:
        found = model.local_path(path).is_file()
    except OSError:
        return {"ReturnValue": INVALID_PARAMETER}
    return None if found else {"ReturnValue": FILE_NOT_FOUND}


def _check_unused(model, path, prefix):
    """Refuse a disk that a running machine has, itself or as a parent, or that is attached to be written
    (documented for Optimize-VHD: "must not be attached or must be attached in read-only mode").
    """
    for use in storage.uses(model):
        if use.path == storage.fold_path(path) and (use.writes or use.user != storage.HOST):
            raise JobFailure(f"{prefix} {storage.IN_USE}")


@contextlib.contextmanager
def _failing(prefix):
    try:
        yield
    except (OSError, vhd.VirtualDiskError) as error:
        raise JobFailure(f"{prefix} {storage.reason(error)}") from None


def _settings(model, disk, path):
    link = disk.parent_link
    return model.store.build(
        V2,
        "Msvm_VirtualHardDiskSettingData",
        Caption="Virtual Hard Disk Setting Data",
        Description="Setting Data for a Virtual Hard Disk",
        ElementName=path.rpartition("\\")[2],
        Path=path,
        Type=TYPES[disk.kind],
        Format=FORMATS[disk.format],
        ParentPath=vhd.parent_of(disk.path, path) if link else "",
        ParentIdentifier=str(link.identifier).upper() if link else "",
        MaxInternalSize=disk.size,
        BlockSize=disk.block_size,
        LogicalSectorSize=disk.sector_size,
        PhysicalSectorSize=disk.physical_sector_size,
        VirtualDiskId=str(disk.identifier).upper(),
    )
