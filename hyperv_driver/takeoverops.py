# SPDX-License-Identifier: Apache-2.0
"""An instance that the failover cluster brought to this node becomes one of this nova-compute.

Each step can be done twice; the last is nova's record, so that what fails is done again.
"""

import nova.conf
import oslo_messaging
from nova import availability_zones, exception, objects
from nova.compute import vm_states
from nova.network import neutron
from nova.scheduler.client import report
from oslo_log import log as logging

CONF = nova.conf.CONF
LOG = logging.getLogger(__name__)

# As `openstack server event list` shows it.
ACTION = "failover"


class TakeoverOps:
    def __init__(self, node_name, networkops, consoleops, powerops, metricsops):
        self._node_name = node_name
        self._networkops = networkops
        self._consoleops = consoleops
        self._powerops = powerops
        self._metricsops = metricsops
        self._network_api = neutron.API()

    def take_over(self, context, instance):
        """Have nova, Neutron and placement know an instance as one of this host.

        :raises Exception: what one of them answers; nova then still has it on the other host
        """
        source = instance.host
        node = objects.ComputeNode.get_by_host_and_nodename(context, CONF.host, self._node_name)
        self._network_api.setup_instance_network_on_host(context, instance, CONF.host)
        self._networkops.plug(instance, self._network_api.get_instance_nw_info(context, instance))
        self._move_allocations(context, instance, node)
        if instance.vm_state == vm_states.RESIZED:
            self._move_migration(context, instance, node)
        self._consoleops.start(instance.name, instance.uuid)
        self._metricsops.collect(instance.name)
        instance.host, instance.node, instance.compute_id = CONF.host, self._node_name, node.id
        instance.availability_zone = self._zone(context, instance)
        instance.power_state = self._powerops.state(instance.name)
        instance.save()
        objects.InstanceAction.action_start(context, instance.uuid, ACTION, want_result=False)
        objects.InstanceAction.action_finish(context, instance.uuid, want_result=False)
        LOG.info("Taken over from %s: the failover cluster brought it here", source, instance=instance)

    def _zone(self, context, instance):
        try:
            return availability_zones.get_host_availability_zone(context, CONF.host)
        except oslo_messaging.RemoteError as error:  # a cell's conductor may not reach nova's API database
            LOG.warning("It keeps its zone, as this host's is not known: %s", error, instance=instance)
            return instance.availability_zone

    def _move_migration(self, context, instance, node):
        """A revert of the resize begins where the instance is now; a confirmation, where it was before."""
        migration = objects.Migration.get_by_instance_and_status(context, instance.uuid, "finished")
        migration.dest_compute, migration.dest_node, migration.dest_compute_id = (
            CONF.host, self._node_name, node.id,
        )  # fmt: skip
        migration.save()

    def _move_allocations(self, context, instance, node):
        try:
            source = objects.ComputeNode.get_by_host_and_nodename(context, instance.host, instance.node)
        except exception.ComputeHostNotFound:
            # Placement forgot it with the node; nova-manage placement heal_allocations makes it anew.
            LOG.error("No allocations to move: nova has no node %s", instance.node, instance=instance)
            return
        placement = report.report_client_singleton()
        wanted = placement.get_allocs_for_consumer(context, instance.uuid)
        if source.uuid not in wanted["allocations"]:
            if node.uuid not in wanted["allocations"]:
                LOG.error(
                    "No allocations to move: placement has them on %s, expected %s; nova-manage placement "
                    "heal_allocations makes them anew",
                    ", ".join(wanted["allocations"]) or "no node", source.uuid, instance=instance,
                )  # fmt: skip
            return
        resources = wanted["allocations"].pop(source.uuid)["resources"]
        wanted["allocations"][node.uuid] = {"resources": resources}
        if not placement.put_allocations(context, instance.uuid, wanted):
            LOG.error(
                "Placement refuses to have it on this node, on which it is: %s stays allocated on %s",
                resources, instance.host, instance=instance,
            )  # fmt: skip
