# SPDX-License-Identifier: Apache-2.0
"""An instance boots from another disk and has its own beside it, until it is said to be rescued."""

import contextlib

from nova import exception
from nova.compute import utils as compute_utils

from hyperv_driver import images, paths, specs
from hyperv_driver.oswin import constants


class RescueOps:
    def __init__(self, vmutils, pathutils, imagecache, diskops, driveops, configdriveops, powerops):
        self._vmutils = vmutils
        self._pathutils = pathutils
        self._imagecache = imagecache
        self._diskops = diskops
        self._driveops = driveops
        self._configdriveops = configdriveops
        self._powerops = powerops

    def rescue(self, context, instance, network_info, image_meta, password):
        """Boot a copy of an image; the instance's root disk becomes its last data disk.

        With a config drive it gets another one, which has this password.

        :raises nova.exception.InstanceNotRescuable: that image cannot boot this virtual machine.
        """
        name, root = instance.name, self._diskops.root(instance)
        generation = self._vmutils.get_vm_generation(name)
        image_id, disk_format = _image(instance, image_meta, generation, paths.disk_format(root))
        self._powerops.power_off(instance)
        with contextlib.ExitStack() as undo:
            undo.callback(self._restore, instance, generation, root)
            image = self._imagecache.get(context, image_id, disk_format)
            rescue_disk = paths.rescue_disk(name, disk_format)
            with compute_utils.disk_ops_semaphore:
                # A copy: the cache keeps no image because an instance is being rescued with it.
                self._pathutils.copyfile(image, rescue_disk)
            self._driveops.detach(name, root)
            self._driveops.attach_root(name, generation, rescue_disk)
            self._driveops.attach_other(name, root)
            dvd = self._configdriveops.create(
                instance, network_info, admin_password=password, path=paths.rescue_config_drive(name)
            )
            if dvd:
                self._driveops.detach(name, paths.config_drive(name))
                self._driveops.attach_config_drive(name, generation, dvd)
            self._powerops.power_on(instance)
            undo.pop_all()

    def unrescue(self, instance):
        """Boot the instance's own root disk again; no matter how far its rescue got."""
        self._powerops.power_off(instance)
        generation = self._vmutils.get_vm_generation(instance.name)
        self._restore(instance, generation, self._diskops.root(instance))
        self._powerops.power_on(instance)

    def _restore(self, instance, generation, root):
        name = instance.name
        self._driveops.detach(name, root)
        for path in [paths.rescue_disk(name, disk_format) for disk_format in images.HARD_DISKS]:
            self._remove(name, path)
        self._driveops.attach_root(name, generation, root)
        self._remove(name, paths.rescue_config_drive(name))
        dvd = paths.config_drive(name)
        if self._pathutils.exists(dvd) and not self._driveops.is_attached(name, dvd):
            self._driveops.attach_config_drive(name, generation, dvd)

    def _remove(self, name, path):
        if self._pathutils.exists(path):
            self._driveops.detach(name, path)
            self._pathutils.remove(path)


def _image(instance, image_meta, generation, root_format):
    """(id, format) of the image to boot; what is left out is as with the instance's own."""
    image_id = image_meta.id if image_meta.obj_attr_is_set("id") else instance.image_ref
    disk_format = image_meta.disk_format if image_meta.obj_attr_is_set("disk_format") else root_format
    machine_type = image_meta.properties.get("hw_machine_type")

    def refuse_if(condition, reason):
        if condition:
            raise exception.InstanceNotRescuable(instance_id=instance.uuid, reason=reason)

    refuse_if(
        disk_format not in images.HARD_DISKS,
        f"the rescue image is {disk_format}, expected one of: {', '.join(images.HARD_DISKS)}",
    )
    refuse_if(
        generation == constants.VM_GEN_2 and disk_format == "vhd",
        "it is of generation 2, which cannot have VHD disks, and the rescue image is one",
    )
    refuse_if(
        machine_type and specs.GENERATIONS.get(machine_type) != generation,
        f"it is of generation {generation}, and the rescue image's hw_machine_type is {machine_type}",
    )
    return image_id, disk_format
