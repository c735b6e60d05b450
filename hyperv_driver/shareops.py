# SPDX-License-Identifier: Apache-2.0
"""An instance's files on their way to another host, through the share that hosts have of one another's disk.

Whoever nova-compute runs as is an administrator of the other hosts, or may write to the share that ``[hyperv]
instances_path_share`` names.
"""

import contextlib
import os
import uuid

import nova.conf
from nova import exception
from nova.compute import utils as compute_utils

from hyperv_driver import images, paths
from hyperv_driver.oswin import exceptions

CONF = nova.conf.CONF

# What Hyper-V leaves behind when it moves a machine with its hard disks: DVDs and this driver's logs.
LEFT_BEHIND = (".iso", ".log", ".log.1")


class ShareOps:
    def __init__(self, vhdutils, pathutils, configdriveops):
        self._vhdutils = vhdutils
        self._pathutils = pathutils
        self._configdriveops = configdriveops

    def is_shared(self, host):
        """Whether another host has the same folder of instances as this one.

        :raises nova.exception.MigrationPreCheckError: its folder cannot be reached
        """
        there = paths.on_host(host, CONF.instances_path)
        if not self._pathutils.exists(there):
            raise exception.MigrationPreCheckError(reason=f"{there} cannot be reached")
        mark = self.leave_mark()
        try:
            return self._pathutils.exists(paths.on_host(host, mark))
        finally:
            self.remove_mark(mark)

    def leave_mark(self):
        """Make a file in the folder of instances that no other folder has; returns its path."""
        mark = os.path.join(CONF.instances_path, f"{uuid.uuid4()}{paths.MARK}")
        self._pathutils.open(mark, "w").close()
        return mark

    def has_mark(self, mark):
        return self._pathutils.exists(os.path.join(CONF.instances_path, os.path.basename(mark)))

    def remove_mark(self, mark):
        self._pathutils.remove(mark)

    def put_aside(self, instance, host):
        """Copy all of an instance's files to where another host looks for what is aside.

        :raises nova.exception.MigrationError: nothing of them is left there
        """
        there = paths.on_host(host, paths.aside_folder(instance.name))
        with _migration_errors(host), contextlib.ExitStack() as undo:
            self._put_parent(instance, host)
            self._pathutils.check_remove_dir(there)
            undo.callback(self._pathutils.check_remove_dir, there)
            with compute_utils.disk_ops_semaphore:
                self._pathutils.copy_folder_files(paths.instance_folder(instance.name), there)
            undo.pop_all()

    def put_what_hyper_v_leaves(self, instance, host):
        """Copy to an instance's folder on another host what does not go there with the machine.

        :raises nova.exception.MigrationError:
        """
        folder = paths.instance_folder(instance.name)
        with _migration_errors(host):
            self._put_parent(instance, host)
            for name in os.listdir(folder):
                path = os.path.join(folder, name)
                if path in (paths.config_drive(instance.name), paths.rescue_config_drive(instance.name)):
                    self._configdriveops.copy(path, paths.on_host(host, path))
                elif name.endswith(LEFT_BEHIND):
                    self._pathutils.copyfile(path, paths.on_host(host, path))

    def _put_parent(self, instance, host):
        """Have the other host's image cache hold what the root disk is a difference from: Glance may not."""
        folder = paths.instance_folder(instance.name)
        for root in (paths.root_disk(folder, disk_format) for disk_format in images.HARD_DISKS):
            parent = self._vhdutils.get_vhd_parent_path(root) if self._pathutils.exists(root) else None
            there = parent and paths.on_host(host, parent)
            if not there or self._pathutils.exists(there):
                continue
            self._pathutils.check_create_dir(os.path.dirname(there))
            part = f"{there}.{instance.uuid}{paths.PART}"
            with compute_utils.disk_ops_semaphore:
                self._pathutils.copy(parent, part, fail_if_exists=False)
            try:
                self._pathutils.rename(part, there)
            except FileExistsError:
                self._pathutils.remove(part)  # another instance brought it at the same time


@contextlib.contextmanager
def _migration_errors(host):
    try:
        yield
    except (OSError, exceptions.OSWinException) as error:
        raise exception.MigrationError(reason=f"files cannot be copied to {host}: {error}") from error
