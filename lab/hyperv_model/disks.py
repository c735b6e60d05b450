# SPDX-License-Identifier: Apache-2.0
"""The host's own disks: as they come, go and grow, in each of the three namespaces that show them."""

import dataclasses

from lab.hyperv_model.host import CIMV2, STORAGE
from lab.hyperv_model.jobs import V2
from lab.hyperv_model.providers import provides

FIBRE_CHANNEL, SCSI, ISCSI, FILE_BACKED = 6, 8, 9, 15  # MSFT_Disk.BusType
FCPH_NAME = 3  # MSFT_Disk.UniqueIdFormat of an NAA identifier
SYSTEM_DISK = 0
# MSFT_StorageSetting.NewDiskPolicy → bus types whose new disks stay offline (documented; these are shared).
SHARED = (FIBRE_CHANNEL, SCSI, ISCSI)
OFFLINE = {1: (), 2: SHARED, 3: SHARED, 4: ()}
OFFLINE_SHARED = 2  # what Windows Server Datacenter begins with (documented)
# The GUID is recorded in dumps of Windows Server 2012 by others; that the number follows is inferred: nova's
# drivers looked for it anew at each boot.
DRIVE_ID = "Microsoft:353B3BE8-310C-4cf4-839E-4E1B14616136"


@dataclasses.dataclass(frozen=True)
class AttachedFile:
    """A virtual disk file that the host has a disk of, for as long as it is attached."""

    path: str
    identifier: str
    size: int
    read_only: bool


def install(model):
    model.disks = {}
    model.new_disk_policy = OFFLINE_SHARED
    _add(model, SYSTEM_DISK, "SIMULATED0", 0, 1 << 40, SCSI, r"\\?\scsi#simulated#0", offline=False)


def of_unit(model, lun, bus):
    """The number of the disk that a new path to a logical unit is.

    With Multipath I/O all paths to a unit are one disk, else each path is a disk (documented).
    """
    known = [number for number, other in model.disks.items() if other is lun]
    return known[0] if model.facts.mpio and known else _arrive(model, lun, bus)


def _arrive(model, lun, bus):
    """Make a disk of a logical unit of the storage network."""
    number = _take_number(model, lun)
    path = f"\\\\?\\{'mpio' if model.facts.mpio else 'scsi'}#disk&ven_simulated&prod_lun#{number}"
    offline = bus in OFFLINE[model.new_disk_policy]
    _add(model, number, lun.identifier, FCPH_NAME, lun.size, bus, path, offline)
    return number


def attach(model, file):
    """Make a disk of a virtual disk file; its Location is the file (inferred: os-win finds it by that)."""
    number = _take_number(model, file)
    path = f"\\\\?\\scsi#disk&ven_msft&prod_virtual_disk#{number}"
    _add(model, number, file.identifier, 0, file.size, FILE_BACKED, path, offline=False)
    of_number(model, number).update(Location=file.path, IsReadOnly=file.read_only)


def attached_files(model):
    """The AttachedFiles that the host has disks of."""
    return [disk for disk in model.disks.values() if isinstance(disk, AttachedFile)]


def _take_number(model, of):
    """The lowest number that is free (inferred: numbers are used again) is that of this unit or file now."""
    number = next(number for number in range(1, len(model.disks) + 2) if number not in model.disks)
    model.disks[number] = of
    return number


def leave(model, number):
    del model.disks[number]
    for instance in _instances(model, number):
        model.store.remove(instance)


def _add(model, number, identifier, identifier_format, size, bus, path, offline):
    model.store.add(
        STORAGE,
        "MSFT_Disk",
        ObjectId=f"simulated disk {number}",
        Path=path,
        Number=number,
        BusType=bus,
        FriendlyName="Simulated Disk",
        UniqueId=identifier,
        UniqueIdFormat=identifier_format,
        Size=size,
        IsOffline=offline,
        IsReadOnly=False,
        IsSystem=number == SYSTEM_DISK,
    )
    name = device_name(number)
    model.store.add(CIMV2, "Win32_DiskDrive", DeviceID=name, Name=name, Index=number, Size=size)
    model.store.add(
        V2,
        "Msvm_DiskDrive",
        SystemCreationClassName="Msvm_ComputerSystem",
        SystemName=model.name,
        CreationClassName="Msvm_DiskDrive",
        DeviceID=f"{DRIVE_ID}\\{number}",
        ElementName=f"Disk {number}",
        DriveNumber=number,
        EnabledState=2,
    )


def device_name(number):
    return rf"\\.\PHYSICALDRIVE{number}"


def of_number(model, number):
    """The MSFT_Disk of this number."""
    return model.store.of(STORAGE, "MSFT_Disk", Number=number)[0]


def _instances(model, number):
    return [
        *model.store.of(STORAGE, "MSFT_Disk", Number=number),
        *model.store.of(CIMV2, "Win32_DiskDrive", Index=number),
        *model.store.of(V2, "Msvm_DiskDrive", DriveNumber=number),
    ]


@provides("MSFT_Disk.Online")
def online(model, disk):
    disk["IsOffline"] = False
    return {}


@provides("MSFT_Disk.Offline")
def offline(model, disk):
    disk["IsOffline"] = True
    return {}


@provides("MSFT_Disk.SetAttributes")
def set_attributes(model, disk, IsReadOnly):
    disk["IsReadOnly"] = IsReadOnly
    return {}


@provides("MSFT_Disk.Refresh")
def refresh(model, disk):
    """The disk shows a new size only now, or after a rescan (documented for Update-Disk)."""
    model.storage_network.refresh()
    lun = model.disks.get(disk["Number"])
    if lun:
        for instance in _instances(model, disk["Number"])[:2]:
            instance["Size"] = lun.size
    return {}


@provides("MSFT_StorageSetting.Get")
def get_setting(model, _class):
    setting = model.store.build(STORAGE, "MSFT_StorageSetting", NewDiskPolicy=model.new_disk_policy)
    return {"StorageSetting": setting}


@provides("MSFT_StorageSetting.Set")
def set_setting(model, _class, NewDiskPolicy):
    model.new_disk_policy = NewDiskPolicy
    return {}


@provides("MSFT_StorageSetting.UpdateHostStorageCache")
def update_host_storage_cache(model, _class):
    model.storage_network.refresh()
    for number in list(model.disks):
        refresh(model, of_number(model, number))
    model.initiator.look()
    model.fabric.look()
    return {}
