# SPDX-License-Identifier: Apache-2.0
"""The drives of a virtual machine, and the files in them.

Generation 1 boots from its first IDE controller and has DVD drives on the second, of which the first is tried
before any hard disk; generation 2 has SCSI only.
"""

import dataclasses

from hyperv_driver.oswin import constants


@dataclasses.dataclass(frozen=True)
class Disks:
    """The files in the drives of a virtual machine.

    :ivar root: the disk that it boots from
    :ivar others: its further hard disks
    :ivar config_drive: the ISO image that is its config drive; None: it has none
    :ivar boot_dvd: the ISO image that it boots from rather than from its root disk; None: it does not
    """

    root: str
    others: list
    config_drive: str | None = None
    boot_dvd: str | None = None


class DriveOps:
    def __init__(self, vmutils):
        self._vmutils = vmutils

    def attach(self, name, generation, disks):
        self.attach_root(name, generation, disks.root)
        if disks.boot_dvd:
            self._attach_dvd(name, generation, disks.boot_dvd, slot=0)
        if disks.config_drive:
            self.attach_config_drive(name, generation, disks.config_drive)
        for path in disks.others:
            self.attach_other(name, path)
        if disks.boot_dvd and generation == constants.VM_GEN_2:
            self._vmutils.set_boot_order(name, [disks.boot_dvd, disks.root])

    def attach_root(self, name, generation, path):
        """Attach the disk to boot from."""
        if generation == constants.VM_GEN_1:
            self._vmutils.attach_ide_drive(name, path, 0, 0)
        else:
            self._vmutils.attach_scsi_drive(name, path)
            # Or its firmware tries the network first.
            self._vmutils.set_boot_order(name, [path])

    def attach_config_drive(self, name, generation, path):
        self._attach_dvd(name, generation, path, slot=1)

    def attach_other(self, name, path):
        self._vmutils.attach_scsi_drive(name, path)

    def detach(self, name, path):
        """Take away the drive that the file is in; none is no error."""
        self._vmutils.detach_vm_disk(name, path, is_physical=False)

    def is_attached(self, name, path):
        files, _volumes = self._vmutils.get_vm_storage_paths(name)
        return path.lower() in (file.lower() for file in files)

    def _attach_dvd(self, name, generation, path, slot):
        if generation == constants.VM_GEN_1:
            self._vmutils.attach_ide_drive(name, path, 1, slot, constants.DVD)
        else:
            self._vmutils.attach_scsi_drive(name, path, constants.DVD)
