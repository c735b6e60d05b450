# SPDX-License-Identifier: Apache-2.0
"""Images as Glance has them, fetched once; instances' disks are differences from them, or copies."""

import os
import time

import nova.conf
from nova import exception
from nova.compute import utils as compute_utils
from nova.virt import images as nova_images
from oslo_concurrency import lockutils
from oslo_log import log as logging
from oslo_utils import uuidutils

from hyperv_driver import images, paths

CONF = nova.conf.CONF
LOG = logging.getLogger(__name__)

GIB = 1024**3


class ImageCache:
    """Files in ``_base``, written under another name first: what has its name is whole and inspected.

    Hosts that share the folder may fetch the same image at the same time: who comes later drops its own.
    """

    def __init__(self, vhdutils, pathutils):
        self._vhdutils = vhdutils
        self._pathutils = pathutils
        self._inspected = set()

    def get(self, context, image_id, disk_format, trusted_certs=None):
        """The path of an image's file, fetched from Glance if need be.

        :param trusted_certs: nova's, of which one must have signed what is fetched; a file that is there
            already is taken as it is, as by nova's other drivers
        :raises nova.exception.CertificateValidationFailed: none did
        :raises nova.exception.ImageUnacceptable: see ``images.inspect``.
        """
        path = paths.cached_image(image_id, disk_format)
        with lockutils.lock(path):
            if not self._pathutils.exists(path):
                self._pathutils.check_create_dir(paths.image_cache())
                self.fetch(context, image_id, disk_format, path, trusted_certs)
            elif path not in self._inspected:
                # Another driver's, perhaps, which inspected nothing.
                _inspect(image_id, path, disk_format)
            self._inspected.add(path)
            os.utime(path)  # it is in use: see remove_unused
        return path

    def fetch(self, context, image_id, disk_format, path, trusted_certs=None):
        """Fetch an image to ``path``, past the cache; raises as ``get``."""
        part = f"{path}.{uuidutils.generate_uuid()}{paths.PART}"
        nova_images.fetch(context, image_id, part, trusted_certs)
        try:
            disk = _inspect(image_id, part, disk_format)
        except exception.ImageUnacceptable:
            self._pathutils.remove(part)
            raise
        LOG.info("Fetched image %s: %s of %d bytes", image_id, disk.format, disk.virtual_size)
        self._put(part, path)

    def get_ahead(self, context, image_id, disk_format):
        """Fetch an image before an instance needs it; return whether that was to be done."""
        is_new = not self._pathutils.exists(paths.cached_image(image_id, disk_format))
        self.get(context, image_id, disk_format)
        return is_new

    def get_at_size(self, image_id, disk_format, size_gb):
        """The path of a cached image's copy that was grown to ``size_gb``."""
        path = paths.cached_image_at_size(image_id, disk_format, size_gb)
        with lockutils.lock(path):
            if self._pathutils.exists(path):
                os.utime(path)
                return path
            # os-win tells formats by the extension.
            part = f"{path}.{uuidutils.generate_uuid()}{paths.PART}.{disk_format}"
            with compute_utils.disk_ops_semaphore:
                self._pathutils.copyfile(paths.cached_image(image_id, disk_format), part)
                self._vhdutils.resize_vhd(part, size_gb * GIB, is_file_max_size=False)
            self._put(part, path)
        return path

    def _put(self, part, path):
        try:
            self._pathutils.rename(part, path)
        except FileExistsError:
            self._pathutils.remove(part)

    def remove_unused(self, used_image_ids):
        """Delete the files of images that no instance of this host uses and that nobody asked for of late.

        An instance that was resized to another host, and may come back, is none of this host's: its disks are
        aside here, and what they are differences from is in use.
        """
        if not self._pathutils.exists(paths.image_cache()):
            return
        parents = self._parents_of_disks_aside()
        oldest = time.time() - CONF.image_cache.remove_unused_original_minimum_age_seconds
        for name in os.listdir(paths.image_cache()):
            path = os.path.join(paths.image_cache(), name)
            is_used = name.lower() in parents or paths.image_of(name) in used_image_ids
            if (
                is_used
                and not name.endswith(paths.UNFINISHED[paths.CACHE])
                or os.stat(path).st_mtime > oldest
            ):
                continue
            LOG.info("Removing unused image file %s", path)
            try:
                self._pathutils.remove(path)
            except OSError as error:
                # A virtual machine that nova does not have here, perhaps.
                LOG.warning("%s is in use: %s", path, error)

    def _parents_of_disks_aside(self):
        """The names of the cache's files that they are differences from."""
        found = set()
        for name in os.listdir(CONF.instances_path):
            folder = os.path.join(CONF.instances_path, name)
            for root in (paths.root_disk(folder, disk_format) for disk_format in images.HARD_DISKS):
                if name.endswith(paths.ASIDE) and self._pathutils.exists(root):
                    parent = self._vhdutils.get_vhd_parent_path(root)
                    found.add(os.path.basename(parent or "").lower())
        return found


def _inspect(image_id, path, disk_format):
    try:
        return images.inspect(path, disk_format)
    except images.UnacceptableDisk as error:
        raise exception.ImageUnacceptable(image_id=image_id, reason=str(error)) from error
