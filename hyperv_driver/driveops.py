# SPDX-License-Identifier: Apache-2.0
"""The drives of a virtual machine, and the files in them.

Generation 1 boots from its first IDE controller and has DVD drives on the second, of which the first is tried
before any hard disk; generation 2 has SCSI only.
"""

import dataclasses

from nova import exception

from hyperv_driver import batches, oswin, paths
from hyperv_driver.oswin import constants, exceptions


@dataclasses.dataclass(frozen=True)
class Disks:
    """The files in the drives of a virtual machine.

    :ivar root: the disk that it boots from; None: that is a volume
    :ivar others: its further hard disks
    :ivar config_drive: the ISO image that is its config drive; None: it has none
    :ivar boot_dvd: the ISO image that it boots from rather than from its root disk; None: it does not
    """

    root: str | None
    others: list
    config_drive: str | None = None
    boot_dvd: str | None = None


@dataclasses.dataclass(frozen=True)
class Volume:
    """A volume that is connected to this host.

    :ivar serial: its id, which its drive bears
    :ivar path: of the Msvm_DiskDrive that it is, or of its virtual disk
    :ivar is_physical: whether it is the former
    """

    serial: str
    path: str
    is_physical: bool


class DriveOps:
    def __init__(self, vmutils):
        self._vmutils = vmutils

    def attach_root(self, name, generation, path):
        """Attach the disk to boot from."""
        if generation == constants.VM_GEN_1:
            self._vmutils.attach_ide_drive(name, path, 0, 0)
        else:
            self._vmutils.attach_scsi_drive(name, path)
            # Or its firmware tries the network first.
            self._vmutils.set_boot_order(name, [path])

    def attach_volume(self, name, volume):
        """Attach a volume to the SCSI controller.

        :raises nova.exception.TooManyDiskDevices:
        """
        if not volume.is_physical:
            self.attach_other(name, volume.path)
            return
        controller = self._vmutils.get_vm_scsi_controller(name)
        try:
            slot = self._vmutils.get_free_controller_slot(controller)
        except exceptions.HyperVException as error:
            raise exception.TooManyDiskDevices(maximum=constants.SCSI_CONTROLLER_SLOTS_NUMBER) from error
        self._vmutils.attach_volume_to_controller(name, controller, slot, volume.path, serial=volume.serial)

    def attach_root_volume(self, name, generation, volume):
        """Attach the volume to boot from."""
        if not volume.is_physical:
            self.attach_root(name, generation, volume.path)
        elif generation == constants.VM_GEN_1:
            controller = self._vmutils.get_vm_ide_controller(name, 0)
            self._vmutils.attach_volume_to_controller(name, controller, 0, volume.path, serial=volume.serial)
        else:
            self.attach_volume(name, volume)
            self._vmutils.set_boot_order(name, [volume.path])

    def detach_physical(self, name, serial):
        """Take away the drive of a volume; none is no error."""
        self._vmutils.detach_vm_disk(name, serial=serial)

    def point(self, name, volumes):
        """Have the drives of physical volumes pass through the disks that these are now.

        :raises nova.exception.DiskNotFound: one has no drive
        """
        drives = self._vmutils.get_vm_physical_disk_mapping(name)
        for volume in volumes:
            drive = drives.get(volume.serial)
            if drive is None:
                raise exception.DiskNotFound(location=f"the drive of volume {volume.serial} in {name}")
            if drive["mounted_disk_path"].lower() != volume.path.lower():
                self._vmutils.set_disk_host_res(drive["resource_path"], volume.path)

    def attach_first(self, name, generation, path, others, is_dvd=False):
        """Attach a disk to boot from, beside those that the virtual machine boots from otherwise.

        :param others: the paths of those, the first one first
        """
        if generation == constants.VM_GEN_1:
            # It tries the first DVD before any hard disk.
            for dvd in [other for other in others if paths.disk_format(other) == "iso"]:
                self.detach(name, dvd)
            if is_dvd:
                self.attach_boot_dvd(name, generation, path)
            else:
                self._move_on_ide(name, 0, 1)
                self.attach_root(name, generation, path)
            return
        if is_dvd:
            self.attach_boot_dvd(name, generation, path)
        else:
            self.attach_other(name, path)
        # os-win puts those that are not named in any order.
        self._vmutils.set_boot_order(name, [path, *others])

    def detach_first(self, name, generation, path):
        """Undo that, no matter how much of it was done, except for a DVD that it took away."""
        self.detach(name, path)
        # Of generation 2, the others are the first again once this one is gone.
        if generation == constants.VM_GEN_1:
            self._move_on_ide(name, 1, 0)

    def attach_boot_dvd(self, name, generation, path):
        self._attach_dvd(name, generation, path, slot=0)

    def attach_config_drive(self, name, generation, path):
        self._attach_dvd(name, generation, path, slot=1)

    def attach_other(self, name, path):
        self._vmutils.attach_scsi_drive(name, path)

    def limit(self, path, iops):
        """Limit an attached hard disk to so many operations in a second; 0: do not."""
        if iops:
            self._vmutils.set_disk_qos_specs(path, max_iops=iops)

    def detach(self, name, path):
        """Take away the drive that the file is in; none is no error."""
        self._vmutils.detach_vm_disk(name, path, is_physical=False)

    def is_attached(self, name, path):
        files, _volumes = self._vmutils.get_vm_storage_paths(name)
        return path.lower() in (file.lower() for file in files)

    def _move_on_ide(self, name, slot, new_slot):
        """Move a hard disk on the first IDE controller, if there is one in that slot."""
        files, disks = self._vmutils.get_vm_storage_paths(name)
        for path, is_physical in [*((path, False) for path in files), *((path, True) for path in disks)]:
            place = self._vmutils.get_disk_attachment_info(path, is_physical)
            if place["controller_type"] != constants.CTRL_TYPE_IDE:
                continue
            if (int(place["controller_addr"]), place["controller_slot"]) != (0, slot):
                continue
            if is_physical:
                self._move_physical(name, path, place["controller_path"], new_slot)
            else:
                limit = oswin.iops_limit(self._vmutils, path)
                self.detach(name, path)
                self._vmutils.attach_ide_drive(name, path, 0, new_slot)
                self.limit(path, limit)

    def _move_physical(self, name, path, controller, new_slot):
        drives = self._vmutils.get_vm_physical_disk_mapping(name)
        (serial,) = [serial for serial, drive in drives.items() if drive["mounted_disk_path"] == path]
        self.detach_physical(name, serial)
        self._vmutils.attach_volume_to_controller(name, controller, new_slot, path, serial=serial)

    def _attach_dvd(self, name, generation, path, slot):
        if generation == constants.VM_GEN_1:
            self._vmutils.attach_ide_drive(name, path, 1, slot, constants.DVD)
        else:
            self._vmutils.attach_scsi_drive(name, path, constants.DVD)


def drives(generation, disks, iops_limit=0):
    """The drives of a new virtual machine with these Disks.

    :param iops_limit: of each hard disk
    :returns: batches.Drives, and the paths of the files to boot from, the first one first
    """
    on_ide = generation == constants.VM_GEN_1
    found = [
        (disks.root, False, (0, 0)),
        (disks.boot_dvd, True, (1, 0)),
        (disks.config_drive, True, (1, 1)),
        *((path, False, None) for path in disks.others),
    ]
    boot_order = [path for path in (disks.boot_dvd, disks.root) if path]
    return [
        batches.Drive(path, is_dvd, place if on_ide else None, 0 if is_dvd else iops_limit)
        for path, is_dvd, place in found
        if path
    ], boot_order
