# SPDX-License-Identifier: Apache-2.0
"""Controllers, drives and the virtual disks in them."""

import contextlib
import errno
import ntpath
import time
import typing
import uuid

from lab.hyperv_model import disks, vhd
from lab.hyperv_model.jobs import FAILED, INVALID_PARAMETER, V2, JobFailure

RASD = "Msvm_ResourceAllocationSettingData"
SASD = "Msvm_StorageAllocationSettingData"

IDE = "Microsoft:Hyper-V:Emulated IDE Controller"
SCSI = "Microsoft:Hyper-V:Synthetic SCSI Controller"
DISK_DRIVE = "Microsoft:Hyper-V:Synthetic Disk Drive"
DVD_DRIVE = "Microsoft:Hyper-V:Synthetic DVD Drive"
PHYSICAL_DRIVE = "Microsoft:Hyper-V:Physical Disk Drive"
HARD_DISK = "Microsoft:Hyper-V:Virtual Hard Disk"
DVD_DISK = "Microsoft:Hyper-V:Virtual CD/DVD Disk"
CHUNK = 1 << 20
SETTLED_NS = 100_000_000  # a file that was changed earlier has another time when it is changed again
HOST = "this host"  # who has the disks that are attached


class Limits(typing.NamedTuple):
    slots: int
    per_machine: int
    evidence: str


CONTROLLERS = {IDE: Limits(2, 2, "documented"), SCSI: Limits(64, 4, "documented")}
EXTENSIONS = {HARD_DISK: (".vhd", ".vhdx", ".avhd", ".avhdx", ".vhds"), DVD_DISK: (".iso",)}
# Errors of the file system and of the virtual disk service, as the last words of ErrorDescription.
FILE_NOT_FOUND = "The system cannot find the file specified. ('0x80070002')"
PATH_NOT_FOUND = "The system cannot find the path specified. ('0x80070003')"
FILE_EXISTS = "The file exists. ('0x80070050')"
INVALID_NAME = "The filename, directory name, or volume label syntax is incorrect. ('0x8007007B')"
DISK_FULL = "There is not enough space on the disk. ('0x80070070')"
IN_USE = "The process cannot access the file because it is being used by another process. ('0x80070020')"


def add_controller(model, machine, wanted):
    present = machine.of(RASD, SCSI)
    if len(present) >= CONTROLLERS[SCSI].per_machine:
        raise failure(machine, wanted, f"it has {len(present)} already")
    return machine.add(named(machine, wanted, f"{new_device()}\\0"))


def add_drive(model, machine, wanted):
    controller = check_slot(model, machine, wanted)
    if (
        wanted["ResourceSubType"] == DVD_DRIVE
        and controller["ResourceSubType"] == SCSI
        and machine.generation == 1
    ):
        raise failure(machine, wanted, "generation 1 takes DVD drives on IDE controllers only")
    return insert_drive(model, machine, wanted)


def check_slot(model, machine, wanted):
    """Refuse a drive that is on no controller of this machine, or in a slot that is taken.

    :returns: its controller
    """
    controller = parent(model, machine, wanted, RASD, tuple(CONTROLLERS))
    slots = CONTROLLERS[controller["ResourceSubType"]].slots
    slot = wanted["AddressOnParent"] or ""
    if not slot.isdecimal() or int(slot) >= slots:
        raise failure(machine, wanted, f"AddressOnParent is {slot or 'missing'}, expected 0 to {slots - 1}")
    wanted["AddressOnParent"] = slot = str(int(slot))
    if any(drive["AddressOnParent"] == slot for drive in children(machine, controller)):
        raise failure(machine, wanted, f"slot {slot} of the controller is occupied")
    return controller


def insert_drive(model, machine, wanted):
    """Add a drive that has been checked; generation 2 can boot from it."""
    controller = parent(model, machine, wanted, RASD, tuple(CONTROLLERS))
    slot = wanted["AddressOnParent"]
    device = controller["InstanceID"].partition("\\")[2]
    wanted.update(Parent=controller.path)
    drive = machine.add(named(machine, wanted, f"{device}\\{slot}\\D"))
    if machine.generation == 2:
        add_boot_source(model, machine, drive)
    return drive


def add_disk(model, machine, wanted):
    drives = {HARD_DISK: (DISK_DRIVE,), DVD_DISK: (DVD_DRIVE,)}[wanted["ResourceSubType"]]
    drive = parent(model, machine, wanted, RASD, drives)
    if children(machine, drive):
        raise failure(machine, wanted, "there is a disk in the drive already")
    check_file(model, machine, wanted)
    if wanted["ResourceSubType"] == HARD_DISK:
        path = wanted["HostResource"][0]
        if path.lower() in (other["HostResource"][0].lower() for other in machine.of(SASD, HARD_DISK)):
            # Inferred: the file can be open for writing once.
            raise failure(machine, wanted, f"it has '{path}' already. {IN_USE}", FAILED)
        if machine.is_active:
            open_disks(model, machine, f"'{machine.name}' failed to add device '{path}'.", [wanted])
    device = drive["InstanceID"].partition("\\")[2].removesuffix("D")
    wanted.update(Parent=drive.path)
    return machine.add(named(machine, wanted, f"{device}L"))


def check_file(model, machine, disk):
    """Refuse a disk whose file is missing or is not what it says it is."""
    files = disk["HostResource"] or []
    if len(files) != 1:
        raise failure(machine, disk, f"HostResource names {len(files)} files, expected 1")
    extension = ntpath.splitext(files[0])[1].lower()
    if extension not in EXTENSIONS[disk["ResourceSubType"]]:
        raise failure(
            machine,
            disk,
            f"{files[0]} has the extension {extension or 'none'}, expected "
            f"{' or '.join(EXTENSIONS[disk['ResourceSubType']])}",
        )
    if machine.generation == 2 and extension in (".vhd", ".avhd"):
        raise failure(machine, disk, f"generation 2 does not support the VHD format: {files[0]}")
    try:
        file = model.local_path(files[0])
    except OSError as error:
        raise failure(machine, disk, str(error), FAILED) from None
    if not file.is_file():
        raise failure(machine, disk, f"{files[0]}: {FILE_NOT_FOUND}", FAILED)


def disk_paths(machine):
    """The files and disks in its drives, hard disks first, in the order they were attached."""
    return [
        path
        for class_name, sub_type in ((SASD, HARD_DISK), (RASD, PHYSICAL_DRIVE), (SASD, DVD_DISK))
        for disk in machine.of(class_name, sub_type)
        for path in disk["HostResource"]
    ]


class Use(typing.NamedTuple):
    """A file that is open: its path, folded by fold_path(), who has it, and whether to write."""

    path: str
    user: str
    writes: bool


def fold_path(path):
    """The path as it compares with other spellings of it."""
    return ntpath.normpath(path).lower()


def uses(model, without=None):
    """The virtual disk files, and images of DVDs, that running machines and the host have open.

    A disk is open to be written, unless it is attached read-only; its parents are read (documented for
    OPEN_VIRTUAL_DISK_PARAMETERS: RWDepth), and so are DVDs.

    :param without: a machine whose disks do not count
    """
    active = [
        machine for machine in model.machines.values() if machine is not without and machine.is_active
    ]
    tops = [
        (disk["HostResource"][0], machine.name, True)
        for machine in active
        for disk in machine.of(SASD, HARD_DISK)
    ]
    tops += [(file.path, HOST, not file.read_only) for file in disks.attached_files(model)]
    found = [
        Use(fold_path(disk["HostResource"][0]), machine.name, False)
        for machine in active
        for disk in machine.of(SASD, DVD_DISK)
    ]
    for path, user, writes in tops:
        found.append(Use(fold_path(path), user, writes))
        # Who has files open that are out of reach by now keeps nobody from others.
        with contextlib.suppress(OSError, vhd.VirtualDiskError):
            found += [Use(fold_path(link), user, False) for link in _links(model, path)]
    return found


def conflict(present, path, write):
    """The Use that keeps a file from being opened: who writes it is alone, readers share it (inferred: many
    disks have the same parent).

    :param present: list of Use
    """
    return next((use for use in present if use.path == fold_path(path) and (write or use.writes)), None)


def open_disks(model, machine, prefix, added=None):
    """Check, as starting a machine does, that its disks and all their parents can be opened.

    :param added: the disks that a running machine is to have as well; None: those that it has
    """
    present = uses(model, without=machine if added is None else None)
    for disk in machine.of(SASD, HARD_DISK) if added is None else added:
        path = disk["HostResource"][0]
        if use := conflict(present, path, write=True):
            raise JobFailure(f"{prefix} Attachment '{path}' is used by '{use.user}'. {IN_USE}")
        for link in parents(model, path, prefix):
            if use := conflict(present, link, write=False):
                raise JobFailure(
                    f"{prefix} Attachment '{path}' needs '{link}', which '{use.user}' writes. {IN_USE}"
                )


def parents(model, path, prefix):
    """The Windows paths of a virtual disk's parents, the nearest first.

    :raises JobFailure: the disk cannot be opened: it or a parent is missing, damaged, or not the one it was
        made from
    """
    try:
        vhd.open_chain(path, model.local_path).close()
    except (OSError, vhd.VirtualDiskError) as error:
        what = "not found." if isinstance(error, FileNotFoundError) else "cannot be opened:"
        raise JobFailure(f"{prefix} Attachment '{path}' {what} {reason(error)}") from None
    return list(_links(model, path))


def _links(model, path):
    while parent_path := _parent_of(model, path):
        yield parent_path
        path = parent_path


def _parent_of(model, path):
    """As vhd.parent_of, but what was read is known for as long as the file stays the same: whoever starts a
    machine or deletes a disk asks this of every disk in use.
    """
    file = model.local_path(path)
    now, stat = time.time_ns(), file.stat()
    seen = (stat.st_ino, stat.st_mtime_ns, stat.st_size)
    known = model.known_parents.get(path)
    if known and known[0] == seen:
        return known[1]
    parent_path = vhd.parent_of(file, path)
    if now - stat.st_mtime_ns > SETTLED_NS:
        model.known_parents[path] = (seen, parent_path)
    return parent_path


def reason(error):
    """What Hyper-V says of an OSError or VirtualDiskError."""
    if isinstance(error, vhd.VirtualDiskError):
        return f"{error} ('0x{hresult(error.code):08X}')"
    known = {
        errno.ENOENT: FILE_NOT_FOUND,
        errno.ENOTDIR: PATH_NOT_FOUND,  # inferred: of a folder below a file
        errno.EEXIST: FILE_EXISTS,
        errno.ENOSPC: DISK_FULL,
    }
    return known.get(error.errno, str(error))


def hresult(code):
    """The HRESULT of a Win32 error code; those of virtual disks are HRESULTs already."""
    return code if code >> 31 else 0x80070000 | code


def copy_file(source, target, check):
    """Copy a file to one that is not there yet.

    :param check: called now and then; what it raises ends the copying
    :raises OSError: it cannot be copied
    """
    with source.open("rb") as reader, target.open("xb") as writer:
        while chunk := reader.read(CHUNK):
            check()
            writer.write(chunk)


def add_boot_source(model, machine, device):
    source = model.store.add(
        V2,
        "Msvm_BootSourceSettingData",
        InstanceID=f"{device['InstanceID']}\\BootSource",
        BootSourceType=1,
        ElementName=device["ElementName"],
        BootSourceDescription="EFI device (simulated)",
    )
    model.store.add(V2, "Msvm_LogicalIdentity", SystemElement=device.path, SameElement=source.path)
    machine.settings["BootSourceOrder"] = [*machine.settings["BootSourceOrder"], source.path]


def remove_boot_source(model, machine, device):
    for source in model.store.associators(device, "Msvm_LogicalIdentity"):
        order = machine.settings["BootSourceOrder"]
        machine.settings["BootSourceOrder"] = [path for path in order if path != source.path]
        model.store.remove(source)


def children(machine, part):
    return [other for other in machine.parts.values() if (other["Parent"] or "").lower() == part.path.lower()]


def parent(model, machine, wanted, class_name, sub_types):
    """The resource that Parent names.

    :raises JobFailure: Parent is missing, or no resource of this machine of one of the expected kinds
    """
    found = next(
        (part for part in machine.of(class_name) if part.path.lower() == (wanted["Parent"] or "").lower()),
        None,
    )
    if found is None or found["ResourceSubType"] not in sub_types:
        kinds = " or ".join(sub_type.rpartition(":")[2] for sub_type in sub_types)
        raise failure(
            machine, wanted, f"Parent is {wanted['Parent'] or 'missing'}, expected a {kinds} of this machine"
        )
    return found


def failure(machine, wanted, reason, code=INVALID_PARAMETER):
    kind = (wanted["ResourceSubType"] or wanted.class_name).rpartition(":")[2]
    return JobFailure(f"'{machine.name}' failed to add or modify device '{kind}'. {reason}", code)


def new_device():
    return str(uuid.uuid4()).upper()


def named(machine, wanted, device):
    """The wanted instance with the InstanceID of a device of this machine (pattern inferred)."""
    wanted["InstanceID"] = f"Microsoft:{machine.guid}\\{device}"
    return wanted
