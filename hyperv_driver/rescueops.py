# SPDX-License-Identifier: Apache-2.0
"""An instance boots from another disk and has its own beside it, until it is said to be rescued.

The other disk is a hard disk, or a DVD if its image is an ISO: then each of its own disks stays where it is.
So it does in generation 2 anyway; generation 1 boots from one hard disk's place only.
"""

import contextlib

from nova import exception
from nova.compute import utils as compute_utils

from hyperv_driver import images, paths, specs, volumeops
from hyperv_driver.oswin import constants

GIB = 1024**3
# What a virtual machine boots from, disks and DVDs, by its generation.
BUSES = {constants.VM_GEN_1: "ide", constants.VM_GEN_2: "scsi"}


class RescueOps:
    def __init__(
        self, vmutils, vhdutils, pathutils, imagecache, diskops, driveops, volumeops, configdriveops,
        powerops,
    ):  # fmt: skip
        self._vmutils = vmutils
        self._vhdutils = vhdutils
        self._pathutils = pathutils
        self._imagecache = imagecache
        self._diskops = diskops
        self._driveops = driveops
        self._volumeops = volumeops
        self._configdriveops = configdriveops
        self._powerops = powerops

    def rescue(self, context, instance, network_info, image_meta, password, block_device_info):
        """Boot a copy of an image; the instance's root disk stays with it, and is not booted from.

        With a config drive it gets another one, which has this password.

        :raises nova.exception.InstanceNotRescuable: that image cannot boot this virtual machine, or is larger
            than its root disk may be; the instance runs on.
        """
        name, generation = instance.name, self._vmutils.get_vm_generation(instance.name)
        root_volume = volumeops.root_volume(block_device_info)
        if root_volume:
            root = self._volumeops.drive_path(name, root_volume["connection_info"])
        else:
            root = self._diskops.root(instance)
        root_format = None if root_volume else paths.disk_format(root)
        image_id, disk_format = _image(instance, image_meta, generation, root_format)
        image = self._imagecache.get(context, image_id, disk_format, instance.trusted_certs)
        is_dvd = disk_format == "iso"
        if not is_dvd:
            self._check_size(instance, image)
        self._powerops.power_off(instance)
        with contextlib.ExitStack() as undo:
            undo.callback(self._restore, instance, generation)
            rescue_disk = paths.rescue_disk(name, disk_format)
            with compute_utils.disk_ops_semaphore:
                # A copy: the cache keeps no image because an instance is being rescued with it.
                self._pathutils.copyfile(image, rescue_disk)
            boot_dvd = paths.boot_dvd(name)
            others = [boot_dvd, root] if self._pathutils.exists(boot_dvd) else [root]
            self._driveops.attach_first(name, generation, rescue_disk, others, is_dvd)
            dvd = self._configdriveops.create(
                instance, network_info, admin_password=password, path=paths.rescue_config_drive(name)
            )
            if dvd:
                self._driveops.detach(name, paths.config_drive(name))
                self._driveops.attach_config_drive(name, generation, dvd)
            self._powerops.power_on(instance)
            undo.pop_all()

    def _check_size(self, instance, image):
        size, most = self._vhdutils.get_vhd_size(image)["VirtualSize"], instance.flavor.root_gb * GIB
        if 0 < most < size:
            # It grows as the guest writes, on a disk of which nova gave the instance so much.
            raise exception.InstanceNotRescuable(
                instance_id=instance.uuid,
                reason=f"the rescue image's disk has {size} bytes, the flavor's root disk {most}",
            )

    def unrescue(self, instance):
        """Boot the instance's own root disk again; no matter how far its rescue got."""
        self._powerops.power_off(instance)
        self._restore(instance, self._vmutils.get_vm_generation(instance.name))
        self._powerops.power_on(instance)

    def _restore(self, instance, generation):
        name = instance.name
        for path in [paths.rescue_disk(name, disk_format) for disk_format in images.READERS]:
            if self._pathutils.exists(path):
                self._driveops.detach_first(name, generation, path)
                self._pathutils.remove(path)
        boot_dvd = paths.boot_dvd(name)
        if self._pathutils.exists(boot_dvd) and not self._driveops.is_attached(name, boot_dvd):
            self._driveops.attach_boot_dvd(name, generation, boot_dvd)
        rescue_dvd = paths.rescue_config_drive(name)
        if self._pathutils.exists(rescue_dvd):
            self._driveops.detach(name, rescue_dvd)
            self._pathutils.remove(rescue_dvd)
        dvd = paths.config_drive(name)
        if self._pathutils.exists(dvd) and not self._driveops.is_attached(name, dvd):
            self._driveops.attach_config_drive(name, generation, dvd)


def _image(instance, image_meta, generation, root_format):
    """(id, format) of the image to boot; what is left out is as with the instance's own."""
    image_id = image_meta.id if image_meta.obj_attr_is_set("id") else instance.image_ref
    disk_format = image_meta.disk_format if image_meta.obj_attr_is_set("disk_format") else root_format
    machine_type = image_meta.properties.get("hw_machine_type")

    def refuse_if(condition, reason):
        if condition:
            raise exception.InstanceNotRescuable(instance_id=instance.uuid, reason=reason)

    refuse_if(
        disk_format not in images.READERS,
        f"the rescue image is {disk_format}, expected one of: {', '.join(images.READERS)}",
    )
    device, bus = (image_meta.properties.get(f"hw_rescue_{name}") for name in ("device", "bus"))
    expected = "cdrom" if disk_format == "iso" else "disk"
    refuse_if(
        device not in (None, expected),
        f"the rescue image is {disk_format}, and its hw_rescue_device {device}, expected {expected}",
    )
    refuse_if(
        bus not in (None, BUSES[generation]),
        f"it is of generation {generation}, and hw_rescue_bus is {bus}, expected {BUSES[generation]}",
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
