# SPDX-License-Identifier: Apache-2.0
"""Notices instances that the failover cluster brought to this node: because theirs was lost, or by an
administrator's move.

It compares what Hyper-V has here with what nova does, rather than to wait for the cluster's events: so it
misses nothing that happened while nova-compute or the cluster service was down.
"""

import threading

import nova.conf
from nova import context as nova_context
from nova import exception, objects
from nova.compute import task_states
from oslo_log import log as logging

from hyperv_driver import oswin

CONF = nova.conf.CONF
LOG = logging.getLogger(__name__)

# nova itself moves the instance, and tells the host that gets it.
MOVING = {
    task_states.MIGRATING, task_states.RESIZE_PREP, task_states.RESIZE_MIGRATING,
    task_states.RESIZE_MIGRATED, task_states.RESIZE_FINISH, task_states.RESIZE_REVERTING,
    task_states.RESIZE_CONFIRMING, task_states.REBUILDING, task_states.REBUILD_BLOCK_DEVICE_MAPPING,
    task_states.REBUILD_SPAWNING,
}  # fmt: skip
# In these nova moves no role: the cluster did, from a node that was lost.
RESIZING = {task_states.RESIZE_PREP, task_states.RESIZE_MIGRATING, task_states.RESIZE_REVERTING}
ATTRIBUTES = ["info_cache", "metadata", "system_metadata", "flavor", "numa_topology"]


class Failovers(threading.Thread):
    """Looks in a thread of its own, from start() to stop(); whoever wants to may look too."""

    def __init__(self, vmutils, roles, consoleops, takeoverops):
        super().__init__(name="hyperv-failovers", daemon=True)
        self._vmutils = vmutils
        self._roles = roles
        self._consoleops = consoleops
        self._takeoverops = takeoverops
        self._known = set()
        self._interrupted = set()
        self._stopped = threading.Event()

    def stop(self):
        self._stopped.set()

    def run(self):
        while not self._stopped.wait(CONF.hyperv.cluster_event_check_interval):
            try:
                self.look()
            except Exception:  # whatever Windows or nova's services answer, it looks again
                LOG.exception("Cannot look for instances that failed over to this node")

    def look(self):
        """Take over what came, and stop the consoles of what went.

        :returns: the nova.objects.Instance taken over
        """
        logged = self._consoleops.names()
        machines = set(oswin.identified_instances(self._vmutils))
        for name in logged - {name for name, _uuid, _identifier in machines}:
            self._consoleops.stop(name)
        self._known &= machines
        return [found for machine in machines - self._known if (found := self._examine(machine))]

    def _examine(self, machine):
        name, uuid, _identifier = machine
        context = nova_context.get_admin_context()
        try:
            instance = objects.Instance.get_by_uuid(context, uuid, expected_attrs=ATTRIBUTES)
        except exception.InstanceNotFound:
            LOG.warning("Virtual machine %s is of instance %s, which nova does not have.", name, uuid)
            self._known.add(machine)
            return None
        if instance.host == CONF.host:
            self._known.add(machine)
            return None
        if not self._roles.has_come(name):
            return None
        if instance.task_state in MOVING:
            if instance.task_state in RESIZING and uuid not in self._interrupted:
                self._interrupted.add(uuid)
                LOG.warning(
                    "It failed over to this node while nova had it %s; it is taken over once its state is "
                    "reset: openstack server set --state active",
                    instance.task_state, instance=instance,
                )  # fmt: skip
            return None
        try:
            self._takeoverops.take_over(context, instance)
        except Exception:  # of any of nova's services; the other instances are not to wait for it
            LOG.exception("Cannot take over from %s; trying again", instance.host, instance=instance)
            return None
        self._known.add(machine)
        return instance
