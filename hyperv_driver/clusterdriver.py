# SPDX-License-Identifier: Apache-2.0
"""The driver for a node of a failover cluster: instances are roles, which the cluster restarts and moves."""

from hyperv_driver import clusterops, driver, failovers, oswin, roles, takeoverops
from hyperv_driver.errors import converts_exceptions


@converts_exceptions
class HyperVClusterDriver(driver.HyperVDriver):
    """nova's ComputeDriver on a node of a failover cluster, whose nodes share ``instances_path``.

    An instance with a volume over iSCSI or Fibre Channel is no role while it has that.

    :param utilities: oswin.ClusterUtilities; by default those of the node that this runs on.
    :raises nova.exception.InvalidConfiguration: it runs on no node of a failover cluster
    """

    def __init__(self, virtapi, utilities=None):
        utilities = utilities or oswin.ClusterUtilities.of_this_host()
        self._roles = roles.Roles(utilities.clusterutils, utilities.vmutils)
        super().__init__(virtapi, utilities)
        takeovers = takeoverops.TakeoverOps(
            self._hostops.node_name, self._networkops, self._consoleops, self._powerops, self._metricsops
        )
        self._failovers = failovers.Failovers(utilities.vmutils, self._roles, self._consoleops, takeovers)

    def _new_vmops(self, *collaborators):
        return clusterops.ClusterVMOps(self._roles, *collaborators)

    def _new_livemigrationops(self, *collaborators):
        return clusterops.ClusterLiveMigrationOps(self._roles, *collaborators)

    def init_host(self, host):
        self._roles.check_host(host)
        super().init_host(host)

    def process_instances_at_startup(self, context, instances):
        here = [
            instance
            for instance in instances
            if not self._roles.owner(instance.name) or self._roles.is_here(instance.name)
        ]
        here += self._failovers.look()
        self._failovers.start()
        return super().process_instances_at_startup(context, here)

    def cleanup_host(self, host):
        self._failovers.stop()
        super().cleanup_host(host)

    # A volume may be a disk of this node alone.

    def attach_volume(self, context, connection_info, instance, mountpoint,
                      disk_bus=None, device_type=None, encryption=None):  # fmt: skip
        super().attach_volume(
            context, connection_info, instance, mountpoint, disk_bus, device_type, encryption
        )
        self._roles.fit(instance.name)

    def detach_volume(self, context, connection_info, instance, mountpoint, encryption=None):
        super().detach_volume(context, connection_info, instance, mountpoint, encryption)
        self._roles.fit(instance.name)
