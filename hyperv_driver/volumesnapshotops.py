# SPDX-License-Identifier: Apache-2.0
"""Snapshots of volumes over SMB that are attached, which cinder has nova take and delete.

A volume over SMB is a chain of virtual disks on its share: a snapshot makes its drive write to a new one,
whose parents are what the snapshot holds; deleting one merges a disk into its parent. Nobody may have the
chain open meanwhile, and Hyper-V lets no drive have another disk while the machine runs: such a machine is
saved and resumed, so that its drive, what that is limited to and the order to boot in stay what they are
(source: compute-hyperv 16, which does so where the drive is on IDE).
"""

import contextlib
import ntpath

from nova import exception, objects
from nova.compute import task_states, vm_states
from oslo_log import log as logging
from oslo_serialization import jsonutils

from hyperv_driver import oswin, paths, pciops, powerops, snapshotops
from hyperv_driver.connectors import SMBFS

LOG = logging.getLogger(__name__)


class VolumeSnapshotOps:
    """
    :param volume_api: nova's client of cinder
    """

    def __init__(self, vmutils, vhdutils, pathutils, volumeops, driveops, powerops, volume_api):
        self._vmutils = vmutils
        self._vhdutils = vhdutils
        self._pathutils = pathutils
        self._volumeops = volumeops
        self._driveops = driveops
        self._powerops = powerops
        self._volume_api = volume_api

    def create(self, context, instance, volume_id, create_info):
        """Have an attached volume's drive write to a new disk.

        :param create_info: `snapshot_id`, and the name of the disk, `new_file`, that cinder's driver does not
            make; its `type` says qcow2 always, as nova's API takes no other
        """

        def add(path, new):
            with contextlib.ExitStack() as undo:
                self._vhdutils.create_differencing_vhd(new, path)
                undo.callback(self._pathutils.remove, new)
                self._point(path, new)
                undo.pop_all()
            return new

        self._change(
            context, instance, volume_id, create_info["snapshot_id"], add, create_info.get("new_file"),
            "creating", "error",
        )  # fmt: skip

    def delete(self, context, instance, volume_id, snapshot_id, delete_info):
        """Merge a disk of an attached volume's into its parent.

        :param delete_info: the name of the disk, `file_to_merge`; cinder's driver reads it once more, and
            removes it
        """

        def merge(path, merged):
            child = self._child(path, merged)
            parent = self._vhdutils.get_vhd_parent_path(merged)
            self._vhdutils.merge_vhd(merged, delete_merged_image=False)
            if child:
                oswin.set_merged_parent(self._vmutils, child, parent)
                return path
            self._point(path, parent)
            return parent

        self._change(
            context, instance, volume_id, snapshot_id, merge, delete_info.get("file_to_merge"),
            "deleting", "error_deleting",
        )  # fmt: skip

    def resume_leftover(self, instance):
        """Resume a machine saved for a snapshot that ended with nova-compute; nova would stop it."""
        if (instance.vm_state, instance.task_state) != (vm_states.ACTIVE, task_states.IMAGE_SNAPSHOT_PENDING):
            return
        if self._vmutils.vm_exists(instance.name) and self._is(powerops.SAVED, instance):
            LOG.warning("Resuming it, which was saved for an unfinished snapshot.", instance=instance)
            self._powerops.resume(instance)

    def _change(self, context, instance, volume_id, snapshot_id, change, file, done, failed):
        """Change a volume's chain, and tell cinder, which waits for it, how that went.

        :param change: function(path of the disk that the drive has, path of `file` beside it) that returns
            the path of the disk that the drive has then
        """
        status = failed
        try:
            # One after the other, as each leaves another path in nova's record.
            with snapshotops.lock(instance):
                record = objects.BlockDeviceMapping.get_by_volume_and_instance(
                    context, volume_id, instance.uuid
                )
                connection_info = jsonutils.loads(record.connection_info)
                path = self._path(instance, volume_id, connection_info)
                beside = _beside(path, file)
                self._check_state(instance, volume_id)
                with _task(instance), self._at_rest(instance):
                    connection_info["data"]["name"] = ntpath.basename(change(path, beside))
                    # Whatever fails from here on, the chain is what cinder asked for.
                    status = done
                    record.connection_info = jsonutils.dumps(connection_info)
                    record.save()
        finally:
            self._volume_api.update_snapshot_status(context, snapshot_id, status)

    def _path(self, instance, volume_id, connection_info):
        protocol = connection_info["driver_volume_type"]
        if protocol != SMBFS:
            raise exception.InvalidVolume(
                reason=f"volume {volume_id} is attached over {protocol}, expected {SMBFS}: cinder takes the "
                "snapshots of any other by itself"
            )
        path = self._volumeops.drive_path(instance.name, connection_info)
        if not self._driveops.is_attached(instance.name, path):
            raise exception.DiskNotFound(
                location=f"{path}, volume {volume_id}, in a drive of {instance.name}"
            )
        return path

    def _check_state(self, instance, volume_id):
        state = self._vmutils.get_vm_state(instance.name)
        if state not in (powerops.RUNNING, powerops.SAVED, powerops.OFF):
            # A paused one that is saved cannot be paused again without running.
            raise exception.NovaException(
                f"cannot give volume {volume_id} of {instance.name} another disk: the machine is "
                f"{powerops.NAMES.get(state, state)}, expected Running, Saved or Off"
            )
        if state == powerops.RUNNING:
            pciops.check_saving(instance)

    @contextlib.contextmanager
    def _at_rest(self, instance):
        if not self._is(powerops.RUNNING, instance):
            yield
            return
        self._powerops.suspend(instance)
        try:
            yield
        finally:
            self._powerops.resume(instance)

    def _is(self, state, instance):
        return self._vmutils.get_vm_state(instance.name) == state

    def _point(self, path, new):
        self._vmutils.update_vm_disk_path(path, new, is_physical=False)

    def _child(self, top, wanted):
        """The disk whose parent is the wanted one, in the chain below `top`; None: that is the wanted one."""
        child, path = None, top
        while path.lower() != wanted.lower():
            child, path = path, self._vhdutils.get_vhd_parent_path(path)
            if path is None:
                raise exception.DiskNotFound(location=f"{wanted}, of which {top} is made")
        return child


def _beside(path, name):
    _root, extension = ntpath.splitext(path)
    if not name or not paths.is_safe(name) or not name.lower().endswith(extension.lower()):
        raise exception.InvalidVolume(
            reason=f"the disk beside {path} is {name!r}, expected one name that ends in {extension}"
        )
    return ntpath.join(ntpath.dirname(path), name)


@contextlib.contextmanager
def _task(instance):
    """Have nova do nothing else with an instance, such as stopping one that it finds saved."""
    instance.task_state = task_states.IMAGE_SNAPSHOT_PENDING
    instance.save(expected_task_state=[None])
    try:
        yield
    finally:
        instance.task_state = None
        instance.save(expected_task_state=[task_states.IMAGE_SNAPSHOT_PENDING])
