# SPDX-License-Identifier: Apache-2.0
"""An instance's root disk as a new image, while the instance runs on.

A checkpoint makes a machine that runs write elsewhere: its root disk rests, and is copied, together with all
that it is a difference from, into one disk of its own. Then the checkpoint goes, long before the upload ends.
"""

import contextlib
import os
import time

from nova import exception
from nova.compute import task_states
from nova.compute import utils as compute_utils
from oslo_concurrency import lockutils
from oslo_log import log as logging

from hyperv_driver import paths, powerops

LOG = logging.getLogger(__name__)

# Seconds that Hyper-V has for merging what was written meanwhile. It goes on after that, too.
MERGE_TIMEOUT = 600
LOOK_EVERY = 0.5
# The name by which a checkpoint of this driver is told from one of the operator's.
CHECKPOINT = "nova-snapshot"


def lock(instance):
    """Held while disks of an instance rest, and are read.

    A second snapshot waits for it, and so does the instance's deletion: Windows deletes no file in use. The
    name is not nova's for the instance, which it deletes under a lock of its uuid.
    """
    return lockutils.lock(f"hyperv-snapshot-{instance.uuid}")


class SnapshotOps:
    """
    :param image_api: nova's client of Glance.
    """

    def __init__(self, vmutils, vhdutils, pathutils, diskops, driveops, image_api):
        self._vmutils = vmutils
        self._vhdutils = vhdutils
        self._pathutils = pathutils
        self._diskops = diskops
        self._driveops = driveops
        self._image_api = image_api

    def snapshot(self, context, instance, image_id, update_task_state):
        with lock(instance):
            self._snapshot(context, instance, image_id, update_task_state)

    def _snapshot(self, context, instance, image_id, update_task_state):
        if not self._vmutils.vm_exists(instance.name):
            raise exception.InstanceNotRunning(instance_id=instance.uuid)
        root = self._diskops.root(instance)
        if not self._driveops.is_attached(instance.name, root):
            # Copied now it would lack what is written elsewhere, and there would be no merge to wait for.
            raise exception.NovaException(
                f"cannot snapshot {instance.name}: {root} is none of its disks, because Hyper-V still merges "
                "it after a snapshot or somebody took it away; needs it attached"
            )
        disk_format = paths.disk_format(root)
        export = paths.exported_disk(instance.name, image_id, disk_format)
        with contextlib.ExitStack() as cleanup:
            cleanup.callback(self._remove, export)
            update_task_state(task_state=task_states.IMAGE_PENDING_UPLOAD)
            with self._at_rest(instance), compute_utils.disk_ops_semaphore:
                self._vhdutils.convert_vhd(root, export)
            update_task_state(
                task_state=task_states.IMAGE_UPLOADING, expected_state=task_states.IMAGE_PENDING_UPLOAD
            )
            metadata = {
                "disk_format": disk_format,
                "container_format": "bare",
                "properties": {
                    "image_location": "snapshot",
                    "image_state": "available",
                    "owner_id": instance.project_id,
                },
            }
            with open(export, "rb") as data:
                self._image_api.update(context, image_id, metadata, data, purge_props=False)
        self._wait_until_merged(instance, root)

    def remove_leftovers(self, instance):
        """Remove what a snapshot left that ended with nova-compute; Hyper-V then merges."""
        name, folder = instance.name, paths.instance_folder(instance.name)
        if self._vmutils.vm_exists(name):
            for checkpoint in self._vmutils.get_vm_snapshots(name, CHECKPOINT):
                LOG.warning("Removing the checkpoint of an unfinished snapshot.", instance=instance)
                self._vmutils.remove_vm_snapshot(checkpoint)
        for file in os.listdir(folder) if self._pathutils.exists(folder) else ():
            if file.startswith(paths.EXPORTED):
                LOG.warning("Removing %s of an unfinished snapshot.", file, instance=instance)
                self._pathutils.remove(os.path.join(folder, file))

    @contextlib.contextmanager
    def _at_rest(self, instance):
        state = self._vmutils.get_vm_state(instance.name)
        if state == powerops.OFF:
            yield
            return
        if instance.image_meta.properties.get("os_require_quiesce"):
            raise exception.InstanceQuiesceNotSupported(
                f"cannot snapshot {instance.name}: it is {powerops.NAMES.get(state, state)}, its image has "
                "os_require_quiesce, and no checkpoint waits for its file systems; needs Off"
            )
        _files, disks = self._vmutils.get_vm_storage_paths(instance.name)
        if disks:
            raise exception.NovaException(
                f"cannot snapshot {instance.name}: it is {powerops.NAMES.get(state, state)} and has disks of "
                "the host, with which Hyper-V takes no checkpoint; needs Off"
            )
        checkpoint = self._vmutils.take_vm_snapshot(instance.name, CHECKPOINT)
        try:
            yield
        finally:
            self._vmutils.remove_vm_snapshot(checkpoint)

    def _wait_until_merged(self, instance, root):
        """Hyper-V merges in its own time; whoever comes next (a resize, a rescue) takes root for the disk."""
        deadline = time.monotonic() + MERGE_TIMEOUT
        while not self._driveops.is_attached(instance.name, root):
            if time.monotonic() > deadline:
                LOG.warning("Hyper-V still merges %s after %d s.", root, MERGE_TIMEOUT, instance=instance)
                return
            time.sleep(LOOK_EVERY)

    def _remove(self, path):
        if self._pathutils.exists(path):
            self._pathutils.remove(path)
