# SPDX-License-Identifier: Apache-2.0
"""Msvm_ImageManagementService: what is in a virtual disk file, compacting and converting it."""

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
            vhd.convert(path, SourcePath, model.local_path, kind=kind, block_size=block_size)

    return model.jobs.run(f"{SERVICE}.ConvertVirtualHardDisk", [], work)


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
    number = attached_disks.number_of(model, path)
    if number is not None and not model.disks[number].read_only:
        raise JobFailure(f"{prefix} {storage.IN_USE}")
    for machine in model.machines.values():
        for disk in machine.of(storage.SASD, storage.HARD_DISK) if machine.is_active else ():
            top = disk["HostResource"][0]
            chain = [top, *storage.parents(model, top, prefix)]
            if path.lower() in map(str.lower, chain):
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
