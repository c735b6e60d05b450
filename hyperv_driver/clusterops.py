# SPDX-License-Identifier: Apache-2.0
"""What of the ops is done in another way for instances that are roles of a failover cluster."""

from nova import exception

from hyperv_driver import livemigrationops, vmops


class ClusterVMOps(vmops.VMOps):
    """Instances become roles when their virtual machines are made, and are none before those are deleted."""

    def __init__(self, roles, vmutils, *collaborators):
        super().__init__(vmutils, *collaborators)
        self._roles = roles

    def spawn(self, context, instance, *arguments):
        """:raises nova.exception.InstanceExists: the cluster has a role of its name, on whatever node"""
        owner = self._roles.owner(instance.name)
        if owner:
            raise exception.InstanceExists(
                f"{instance.name} is a role of the failover cluster already, on node {owner}"
            )
        super().spawn(context, instance, *arguments)

    def build(self, instance, *arguments):
        super().build(instance, *arguments)
        self._roles.fit(instance.name)

    def destroy(self, instance, *arguments, **options):
        """:raises nova.exception.InstanceTerminationFailure: the cluster has it on another node by now"""
        name = instance.name
        owner = self._roles.owner(name)
        if owner and not self._roles.is_here(name) and not self._vmutils.vm_exists(name):
            raise exception.InstanceTerminationFailure(
                reason=f"the failover cluster has {name} on node {owner}, which is yet to take it over"
            )
        self._roles.remove(name)
        super().destroy(instance, *arguments, **options)


class ClusterLiveMigrationOps(livemigrationops.LiveMigrationOps):
    """The cluster moves its roles itself; other instances move as they do without a cluster."""

    def __init__(self, roles, *collaborators):
        super().__init__(*collaborators)
        self._roles = roles
        self._cancelled = set()

    def abort(self, instance):
        if not self._roles.owner(instance.name):
            super().abort(instance)
            return
        self._cancelled.add(instance.uuid)
        self._roles.cancel_move(instance.name)

    def _move(self, instance, dest, shared):
        self._cancelled.discard(instance.uuid)
        if self._roles.owner(instance.name):
            self._roles.move(instance.name, dest)
        else:
            super()._move(instance, dest, shared)

    def _is_cancelled(self, instance, error):
        return instance.uuid in self._cancelled or super()._is_cancelled(instance, error)

    def _check_configuration(self, instance):
        # Hyper-V's own settings of live migration are for hosts outside of clusters.
        if not self._roles.owner(instance.name):
            super()._check_configuration(instance)
