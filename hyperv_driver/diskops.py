# SPDX-License-Identifier: Apache-2.0
"""An instance's own disks: files in its folder."""

import nova.conf
from nova import exception
from nova.compute import utils as compute_utils
from nova.compute import vm_states
from nova.virt import driver

from hyperv_driver import images, paths, volumeops
from hyperv_driver.driveops import Disks

CONF = nova.conf.CONF

MIB, GIB = 1024**2, 1024**3
# https://learn.microsoft.com/windows/win32/api/virtdisk/ns-virtdisk-create_virtual_disk_parameters
SMALLEST = 3 * MIB


class DiskOps:
    def __init__(self, vhdutils, pathutils, imagecache, configdriveops):
        self._vhdutils = vhdutils
        self._pathutils = pathutils
        self._imagecache = imagecache
        self._configdriveops = configdriveops

    def create_root(self, context, instance, disk_format):
        """Make the root disk from the instance's image, at the size of its flavor (0: at the image's).

        An ISO image is put beside an empty root disk. Without use_cow_images the root disk is a copy of the
        image; else a difference from it. Windows can grow a differencing VHDX, but no differencing VHD: that
        one is a difference from a grown copy, which the instances of that image and size share. An instance
        that is unshelved has its image to itself: nova deletes that one then, and takes it for nobody's.

        :raises nova.exception.FlavorDiskSmallerThanImage:
        """
        image_id, size_gb, certs = instance.image_ref, instance.flavor.root_gb, instance.trusted_certs
        folder = paths.instance_folder(instance.name)
        if disk_format == "iso":
            image = self._imagecache.get(context, image_id, disk_format, certs)
            with compute_utils.disk_ops_semaphore:
                self._pathutils.copyfile(image, paths.boot_dvd(instance.name))
            self._vhdutils.create_dynamic_vhd(paths.root_disk(folder, "vhdx"), size_gb * GIB)
            return
        path = paths.root_disk(folder, disk_format)
        if instance.vm_state == vm_states.SHELVED_OFFLOADED:
            self._imagecache.fetch(context, image_id, disk_format, path, certs)
            image_size, size = self._sizes(path, size_gb)
        else:
            image = self._imagecache.get(context, image_id, disk_format, certs)
            image_size, size = self._sizes(image, size_gb)
            if CONF.use_cow_images and disk_format == "vhd" and size != image_size:
                image = self._imagecache.get_at_size(image_id, disk_format, size_gb)
                image_size = size
            if CONF.use_cow_images:
                self._vhdutils.create_differencing_vhd(path, image)
            else:
                with compute_utils.disk_ops_semaphore:
                    self._pathutils.copyfile(image, path)
        if size != image_size:
            self._vhdutils.resize_vhd(path, size, is_file_max_size=False)

    def _sizes(self, image, size_gb):
        """(bytes of an image's disk, bytes that the root disk is to have)."""
        image_size = self._vhdutils.get_vhd_size(image)["VirtualSize"]
        size = size_gb * GIB or image_size
        if size < image_size:
            raise exception.FlavorDiskSmallerThanImage(flavor_size=size, image_size=image_size)
        return image_size, size

    def create_instances_folder(self):
        self._pathutils.check_create_dir(CONF.instances_path)

    def root(self, instance):
        """The path of an instance's root disk.

        :raises nova.exception.DiskNotFound:
        """
        return self._existing_root(paths.instance_folder(instance.name))

    def has_folder(self, instance):
        """Whether this host has an instance's folder, be it that of a lost host on shared storage."""
        return self._pathutils.exists(paths.instance_folder(instance.name))

    def create_others(self, instance, block_device_info):
        """Make an empty disk for each ephemeral disk of a block device mapping, and one for swap."""
        for path, size in _others(instance, block_device_info).items():
            self._vhdutils.create_dynamic_vhd(path, size)

    def present(self, instance, block_device_info):
        """The Disks that an instance has already."""

        def if_exists(path):
            return path if self._pathutils.exists(path) else None

        return Disks(
            root=None if volumeops.root_volume(block_device_info) else self.root(instance),
            others=list(filter(if_exists, _others(instance, block_device_info))),
            config_drive=if_exists(paths.config_drive(instance.name)),
            boot_dvd=if_exists(paths.boot_dvd(instance.name)),
        )

    def take_from_aside(self, instance, block_device_info, keep):
        """Take the disks that a resize put aside, at the sizes of the instance's new flavor; make new ones.

        :param keep: leave those aside as they are
        :returns: the Disks.
        """
        take = self._pathutils.copyfile if keep else self._pathutils.rename
        self.create_folder(instance)
        aside, folder = paths.aside_folder(instance.name), paths.instance_folder(instance.name)
        if not volumeops.root_volume(block_device_info):
            root = self._existing_root(aside)
            self._take_grown(root, paths.moved(root, folder), instance.flavor.root_gb * GIB, take)
        wanted = _others(instance, block_device_info)
        swap, ephemeral = paths.swap_disk(instance.name), paths.ephemeral_disk(instance.name, 0)
        if wanted.get(ephemeral) == instance.old_flavor.ephemeral_gb * GIB:
            # All of the former flavor's; nova leaves the block device mapping as it was.
            wanted[ephemeral] = instance.flavor.ephemeral_gb * GIB
        for path, size in wanted.items():
            source = paths.moved(path, aside)
            if path != swap and self._pathutils.exists(source):
                self._take_grown(source, path, size, take)
            else:
                self._vhdutils.create_dynamic_vhd(path, size)
        for path, copy in (
            (paths.config_drive(instance.name), self._configdriveops.copy),
            (paths.boot_dvd(instance.name), self._pathutils.copyfile),
        ):
            if self._pathutils.exists(paths.moved(path, aside)):
                copy(paths.moved(path, aside), path)
        return self.present(instance, block_device_info)

    def _take_grown(self, source, path, size, take):
        disk = self._vhdutils.get_vhd_size(source)["VirtualSize"]
        with compute_utils.disk_ops_semaphore:
            if size > disk and paths.disk_format(path) == "vhd":
                # Windows grows no differencing VHD: it becomes a disk of its own.
                self._vhdutils.convert_vhd(source, path)
            else:
                take(source, path)
            if size > disk:
                self._vhdutils.resize_vhd(path, size, is_file_max_size=False)

    def _existing_root(self, folder):
        candidates = [paths.root_disk(folder, disk_format) for disk_format in images.HARD_DISKS]
        for path in candidates:
            if self._pathutils.exists(path):
                return path
        raise exception.DiskNotFound(location=" or ".join(candidates))

    def create_folder(self, instance):
        """Make the instance's folder, empty: what a former attempt left there is nobody's."""
        self.remove_folder(instance)
        self._pathutils.makedirs(paths.instance_folder(instance.name))

    def remove_folder(self, instance):
        self._remove(instance, paths.instance_folder)

    def remove_aside(self, instance):
        self._remove(instance, paths.aside_folder)

    def _remove(self, instance, folder):
        # Of another name it was refused, and what is there is not its own.
        if paths.is_safe(instance.name):
            self._pathutils.check_remove_dir(folder(instance.name))


def _others(instance, block_device_info):
    """Sizes by path of the disks beside the root disk."""
    wanted = {
        paths.ephemeral_disk(instance.name, index): ephemeral["size"] * GIB
        for index, ephemeral in enumerate(driver.block_device_info_get_ephemerals(block_device_info))
    }
    swap = driver.block_device_info_get_swap(block_device_info)
    if driver.swap_is_usable(swap):
        wanted[paths.swap_disk(instance.name)] = max(swap["swap_size"] * MIB, SMALLEST)
    return wanted
