# SPDX-License-Identifier: Apache-2.0
"""An instance gets another flavor, or another virtual machine of the same, on this host or another.

Its disks are set aside, and copied for the new machine: they come back if the user reverts, and go when the
user confirms.
"""

import contextlib

import nova.conf
from nova import exception
from nova.compute import power_state
from nova.virt import hardware

from hyperv_driver import paths, specs, volumeops

CONF = nova.conf.CONF

GIB = 1024**3
COPIED = "copied"


class MigrationOps:
    def __init__(self, vhdutils, pathutils, diskops, driveops, shareops, powerops, vmops):
        self._vhdutils = vhdutils
        self._pathutils = pathutils
        self._diskops = diskops
        self._driveops = driveops
        self._shareops = shareops
        self._powerops = powerops
        self._vmops = vmops

    def set_aside(self, instance, dest, flavor, block_device_info, timeout, retry_interval):
        """Power an instance off, delete its virtual machine, disconnect its volumes and put its disks aside.

        :returns: what ``finish`` has to know: COPIED, if all went to the host ``dest`` as well; else nothing
        :raises nova.exception.InstanceFaultRollback: it cannot become so, and is what it was.
        """
        self._check(instance, flavor, block_device_info)
        copies = dest != CONF.my_ip and not self._is_shared(dest)
        was_on = self._powerops.state(instance.name) == power_state.RUNNING
        self._powerops.power_off(instance, timeout, retry_interval)
        if copies:
            try:
                self._shareops.put_aside(instance, dest)
            except exception.MigrationError as error:
                if was_on:
                    self._vmops.power_on(instance, block_device_info)
                raise exception.InstanceFaultRollback(error) from error
        # While the machine is there still, so that `revert` can tell what is aside: not of an earlier resize.
        self._diskops.remove_aside(instance)
        self._vmops.destroy(instance, block_device_info, destroy_disks=False)
        self._pathutils.rename(paths.instance_folder(instance.name), paths.aside_folder(instance.name))
        return COPIED if copies else ""

    def finish(self, instance, image_meta, network_info, block_device_info, power_on, disk_info):
        """Make the new virtual machine, on the disks that are aside, at the new flavor's sizes.

        :param disk_info: what ``set_aside`` returned; COPIED: a revert needs none of what is aside here
        """
        spec = specs.spec_of(instance, image_meta, block_device_info)
        with contextlib.ExitStack() as undo:
            undo.callback(self._diskops.remove_folder, instance)
            undo.callback(self._vmops.destroy, instance, block_device_info, destroy_disks=False)
            disks = self._diskops.take_from_aside(instance, block_device_info, keep=disk_info != COPIED)
            self._vmops.build(instance, spec, disks, block_device_info, network_info, power_on)
            undo.pop_all()
        if disk_info == COPIED:
            self._diskops.remove_aside(instance)

    def revert(self, instance, network_info, block_device_info, power_on):
        """Make the former virtual machine again, on the disks aside; nova has deleted the new one.

        nova asks for this at its start, too, if it died in ``set_aside``: then the former machine may be
        there still, or its disks be where they were.
        """
        if instance.name in self._vmops.names():
            if power_on:
                self._vmops.power_on(instance, block_device_info)
            return
        spec = specs.spec_of(instance, instance.image_meta, block_device_info)
        aside = paths.aside_folder(instance.name)
        if self._pathutils.exists(aside):
            self._diskops.remove_folder(instance)
            self._pathutils.rename(aside, paths.instance_folder(instance.name))
        disks = self._diskops.present(instance, block_device_info)
        self._vmops.build(instance, spec, disks, block_device_info, network_info, power_on)

    def confirm(self, instance):
        self._diskops.remove_aside(instance)

    def _is_shared(self, dest):
        try:
            return self._shareops.is_shared(dest)
        except exception.MigrationPreCheckError as error:
            raise exception.InstanceFaultRollback(error) from error

    def _check(self, instance, flavor, block_device_info):
        def refuse_if(condition, reason):
            if condition:
                raise exception.InstanceFaultRollback(exception.ResizeError(reason=reason))

        if not volumeops.root_volume(block_device_info):
            root = self._diskops.root(instance)
            size = self._vhdutils.get_vhd_size(root)["VirtualSize"]
            refuse_if(
                not self._driveops.is_attached(instance.name, root),
                "Hyper-V still merges its disk after a snapshot",
            )
            refuse_if(
                flavor.root_gb and flavor.root_gb * GIB < size,
                f"its root disk has {size // GIB} GiB, the flavor {flavor.root_gb}",
            )
        refuse_if(
            hardware.get_vtpm_constraint(instance.flavor, instance.image_meta),
            "its virtual machine would be made again, and the state of its TPM lost",
        )
        refuse_if(
            flavor.ephemeral_gb < instance.flavor.ephemeral_gb,
            f"its ephemeral disks have {instance.flavor.ephemeral_gb} GiB, the flavor {flavor.ephemeral_gb}",
        )
