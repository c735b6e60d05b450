# SPDX-License-Identifier: Apache-2.0
"""Disks of the host in drives of virtual machines (physical disks, also called pass-through)."""

from lab.hyperv_model import disks, storage
from lab.hyperv_model.errors import CimError
from lab.hyperv_model.jobs import FAILED, JobFailure


def add_drive(model, machine, wanted):
    storage.check_slot(model, machine, wanted)
    check_disk(model, machine, wanted)
    return storage.insert_drive(model, machine, wanted)


def check_disk(model, machine, drive):
    """Refuse a drive whose disk is not there, is online or is another machine's (documented: it must be
    offline).
    """
    paths = drive["HostResource"] or []
    if len(paths) != 1:
        raise storage.failure(machine, drive, f"HostResource names {len(paths)} disks, expected 1")
    fault = _fault(model, machine, paths[0])
    if fault:
        raise storage.failure(machine, drive, fault, FAILED)


def check_start(model, machine, prefix):
    """Refuse to start a machine whose disks cannot be used."""
    for drive in machine.of(storage.RASD, storage.PHYSICAL_DRIVE):
        fault = _fault(model, machine, drive["HostResource"][0])
        if fault:
            raise JobFailure(f"{prefix} {fault}")


def user(model, number, without=None):
    """The active machine that has the disk of this number, or None."""
    return next(
        (
            machine
            for machine in model.machines.values()
            if machine.is_active and machine is not without and number in _numbers(model, machine)
        ),
        None,
    )


def _numbers(model, machine):
    found = (
        _disk(model, drive["HostResource"][0]) for drive in machine.of(storage.RASD, storage.PHYSICAL_DRIVE)
    )
    return [disk["Number"] for disk in found if disk]


def _fault(model, machine, path):
    disk = _disk(model, path)
    if disk is None:
        return f"Physical disk '{path}' not found. {storage.FILE_NOT_FOUND}"
    if not disk["IsOffline"]:
        return f"Disk {disk['Number']} is online, needs Offline. {storage.IN_USE}"
    other = user(model, disk["Number"], without=machine)
    if other:
        return f"Disk {disk['Number']} is used by '{other.name}'. {storage.IN_USE}"
    return None


def _disk(model, path):
    """The MSFT_Disk of an Msvm_DiskDrive's path; None: there is none."""
    try:
        drive = model.store.at(path)
    except CimError:
        return None
    return disks.of_number(model, drive["DriveNumber"]) if drive.class_name == "Msvm_DiskDrive" else None
