# SPDX-License-Identifier: Apache-2.0
"""An instance's own disks: files in its folder."""

import dataclasses

import nova.conf
from nova import exception
from nova.compute import utils as compute_utils
from nova.virt import driver

from hyperv_driver import images, paths

CONF = nova.conf.CONF

MIB, GIB = 1024**2, 1024**3


@dataclasses.dataclass(frozen=True)
class Disks:
    """The files in the drives of a virtual machine.

    :ivar root: the disk that it boots from
    :ivar others: its further hard disks
    :ivar dvd: the ISO image in its DVD drive; None: it has no drive
    """

    root: str
    others: list
    dvd: str | None = None


class DiskOps:
    def __init__(self, vmutils, vhdutils, pathutils, imagecache):
        self._vmutils = vmutils
        self._vhdutils = vhdutils
        self._pathutils = pathutils
        self._imagecache = imagecache

    def create_root(self, context, instance, disk_format):
        """Make the root disk from the instance's image, at the size of its flavor (0: at the image's).

        Without use_cow_images it is a copy of the image; else a difference from it. Windows can grow a
        differencing VHDX, but no differencing VHD: that one is a difference from a grown copy, which the
        instances of that image and size share.

        :returns: its path.
        :raises nova.exception.FlavorDiskSmallerThanImage:
        """
        image_id, size_gb = instance.image_ref, instance.flavor.root_gb
        image = self._imagecache.get(context, image_id, disk_format)
        image_size = self._vhdutils.get_vhd_size(image)["VirtualSize"]
        size = size_gb * GIB or image_size
        if size < image_size:
            raise exception.FlavorDiskSmallerThanImage(flavor_size=size, image_size=image_size)
        path = paths.root_disk(instance.name, disk_format)
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
        return path

    def root(self, instance):
        """The path of an instance's root disk.

        :raises nova.exception.DiskNotFound:
        """
        candidates = [paths.root_disk(instance.name, disk_format) for disk_format in images.READERS]
        for path in candidates:
            if self._pathutils.exists(path):
                return path
        raise exception.DiskNotFound(location=" or ".join(candidates))

    def is_attached(self, instance, path):
        files, _volumes = self._vmutils.get_vm_storage_paths(instance.name)
        return path.lower() in (file.lower() for file in files)

    def create_others(self, instance, block_device_info):
        """Make an empty disk for each ephemeral disk of a block device mapping, and one for swap.

        :returns: their paths.
        """
        ephemerals = driver.block_device_info_get_ephemerals(block_device_info)
        wanted = [
            (paths.ephemeral_disk(instance.name, index), ephemeral["size"] * GIB)
            for index, ephemeral in enumerate(ephemerals)
        ]
        swap = driver.block_device_info_get_swap(block_device_info)
        if driver.swap_is_usable(swap):
            wanted.append((paths.swap_disk(instance.name), swap["swap_size"] * MIB))
        for path, size in wanted:
            self._vhdutils.create_dynamic_vhd(path, size)
        return [path for path, _size in wanted]

    def create_folder(self, instance):
        """Make the instance's folder, empty: what a former attempt left there is nobody's."""
        self.remove_folder(instance)
        self._pathutils.makedirs(paths.instance_folder(instance.name))

    def remove_folder(self, instance):
        self._pathutils.check_remove_dir(paths.instance_folder(instance.name))
