# SPDX-License-Identifier: Apache-2.0
"""An instance as a role of the failover cluster, which restarts it on another node when its own is lost."""

import nova.conf
from nova import exception

from hyperv_driver import paths
from hyperv_driver.oswin import constants, exceptions

CONF = nova.conf.CONF


class Roles:
    """
    :ivar node: the name that this host has in the cluster
    """

    def __init__(self, clusterutils, vmutils):
        self._clusterutils = clusterutils
        self._vmutils = vmutils
        self.node = clusterutils.get_node_name()

    def check_host(self, host):
        """Whether this host, by nova's name for it, can be a node whose instances are roles.

        :raises nova.exception.InvalidConfiguration:
        """
        self._clusterutils.check_cluster_state()
        if not self._is_this(host):
            # nova tells where a server shall go by the former, and the cluster by the latter.
            raise exception.InvalidConfiguration(
                f"[DEFAULT] host is {host}, and the cluster's name of this node {self.node}: they must be one"
            )
        if not paths.may_be_shared(CONF.instances_path):
            raise exception.InvalidConfiguration(
                f"[DEFAULT] instances_path is {CONF.instances_path}; nodes of a failover cluster must share "
                r"it, as C:\ClusterStorage\… or \\server\share"
            )

    def owner(self, name):
        """The node that a role is on; None: there is no such role."""
        try:
            return self._clusterutils.get_vm_host(name)
        except exceptions.ClusterObjectNotFound:
            return None

    def is_here(self, name):
        return self._is_this(self.owner(name) or "")

    def has_come(self, name):
        """Whether a role is on this node, and no longer on its way or about to start."""
        try:
            group = self._clusterutils.get_cluster_group_state_info(name)
        except exceptions.ClusterObjectNotFound:
            return False
        return self._is_this(group["owner_node"]) and group["state"] != constants.CLUSTER_GROUP_PENDING

    def fit(self, name):
        """Have a virtual machine of this node be a role if every node has its disks, else not.

        A volume over iSCSI or Fibre Channel is connected to this node only.
        """
        _files, disks_of_host = self._vmutils.get_vm_storage_paths(name)
        if disks_of_host:
            self.remove(name)
        elif not self.is_here(name):
            self._clusterutils.add_vm_to_cluster(
                name, CONF.hyperv.max_failover_count, CONF.hyperv.failover_period, CONF.hyperv.auto_failback
            )

    def remove(self, name):
        """Have a virtual machine of this node be no role; it stays."""
        if self.is_here(name):
            self._clusterutils.delete(name)

    def move(self, name, node):
        """Have the cluster move a running role, and wait for it.

        :raises os_win.exceptions.ClusterException: it is where it was
        """
        timeout = CONF.hyperv.instance_live_migration_timeout or None
        self._clusterutils.live_migrate_vm(name, node, timeout)

    def cancel_move(self, name):
        self._clusterutils.cancel_cluster_group_migration(name, constants.CLUSTER_GROUP_ONLINE)

    def _is_this(self, node):
        return node.lower() == self.node.lower()
