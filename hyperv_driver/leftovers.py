# SPDX-License-Identifier: Apache-2.0
"""What a nova-compute of this host left when it died: removed where it is this driver's own and nobody can
want it any more, else reported.

Half-made instances are not here: nova sets them to ERROR, and they go when their owner deletes them.
"""

import contextlib
import os
import time

import nova.conf
from nova import exception, objects
from oslo_log import log as logging

from hyperv_driver import oswin, paths
from hyperv_driver.oswin import exceptions

CONF = nova.conf.CONF
LOG = logging.getLogger(__name__)

# Seconds since a file's last change after which nobody writes it: hosts that share the folder may be at it.
ABANDONED_AFTER = 3600


class Leftovers:
    def __init__(self, vmutils, livemigrationutils, pathutils, snapshotops, volumesnapshotops):
        self._vmutils = vmutils
        self._livemigrationutils = livemigrationutils
        self._pathutils = pathutils
        self._snapshotops = snapshotops
        self._volumesnapshotops = volumesnapshotops

    def clean(self, context, node, instances):
        """Remove and report, before nova-compute does anything else. A failure is logged.

        :param node: the name of this compute node
        :param instances: those that nova has on it
        """
        moving = {
            migration.instance_uuid
            for migration in objects.MigrationList.get_in_progress_by_host_and_node(context, CONF.host, node)
        }
        with _logged("planned virtual machines"):
            self._remove_planned_machines(moving)
        for instance in instances:
            with _logged(f"a snapshot of {instance.name}"):
                self._snapshotops.remove_leftovers(instance)
            with _logged(f"a snapshot of a volume of {instance.name}"):
                self._volumesnapshotops.resume_leftover(instance)
        with _logged("unfinished files"):
            self._remove_abandoned_files()
        with _logged("what nova does not have here"):
            found = objects.InstanceList.get_by_filters(context, {"uuid": sorted(moving)}) if moving else ()
            self._report([*instances, *found])

    def _remove_planned_machines(self, moving):
        """Hyper-V plans a machine for each that is to come; those of nova's migrations are still wanted."""
        for name, uuid in oswin.planned_machines(self._vmutils):
            if uuid in moving:
                continue
            if not uuid:
                LOG.warning("Planned virtual machine %s is none of nova's: left alone.", name)
                continue
            LOG.warning("Removing the planned virtual machine %s: no migration brings it here.", name)
            self._livemigrationutils.destroy_existing_planned_vm(name)

    def _remove_abandoned_files(self):
        for folder, suffixes in paths.UNFINISHED.items():
            folder = os.path.join(CONF.instances_path, folder)
            for name in os.listdir(folder) if self._pathutils.exists(folder) else ():
                path = os.path.join(folder, name)
                if name.endswith(suffixes) and os.stat(path).st_mtime < time.time() - ABANDONED_AFTER:
                    LOG.warning("Removing %s, which was never finished.", path)
                    self._pathutils.remove(path)

    def _report(self, instances):
        known = {instance.uuid for instance in instances}
        machines = dict(oswin.instances(self._vmutils))
        for name, uuid in machines.items():
            if uuid not in known:
                LOG.warning(
                    "Virtual machine %s is of instance %s, which nova does not have here.", name, uuid
                )
        if paths.may_be_shared(CONF.instances_path):
            return  # most folders are of other hosts' instances
        names = {instance.name for instance in instances} | machines.keys()
        for name in sorted(os.listdir(CONF.instances_path)):
            folder = os.path.join(CONF.instances_path, name)
            if os.path.isdir(folder) and paths.instance_of(name) not in {*names, None}:
                LOG.warning("Folder %s is of no instance that nova has here.", folder)


@contextlib.contextmanager
def _logged(what):
    try:
        yield
    except (OSError, exception.NovaException, exceptions.OSWinException, exceptions.x_wmi) as error:
        LOG.warning("Cannot clean up %s: %s", what, error)
