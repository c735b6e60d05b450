# SPDX-License-Identifier: Apache-2.0
"""A running virtual machine moves to another host: Hyper-V moves it, with its disks unless those are shared.

Hyper-V keeps it on exactly one host, however the move ends; this asks it where, and does the rest there. A
host has the same instances_path, and a virtual switch of the same name, as the one that an instance comes
from.
"""

from nova import exception
from nova.compute import utils as compute_utils
from nova.objects import migrate_data as migrate_data_objects
from nova.virt import hardware
from oslo_log import log as logging

from hyperv_driver import paths, pciops
from hyperv_driver.oswin import constants, exceptions

LOG = logging.getLogger(__name__)

ENDED_BY_REQUEST = (constants.JOB_STATE_TERMINATED, constants.JOB_STATE_KILLED)


class LiveMigrationOps:
    def __init__(
        self, vmutils, livemigrationutils, diskops, shareops, volumeops, networkops, consoleops, metricsops
    ):  # fmt: skip
        self._vmutils = vmutils
        self._livemigrationutils = livemigrationutils
        self._diskops = diskops
        self._shareops = shareops
        self._volumeops = volumeops
        self._networkops = networkops
        self._consoleops = consoleops
        self._metricsops = metricsops

    def check_destination(self, context, instance, block_migration):
        """Whether this host can take an instance; nova has the source checked after that.

        :returns: nova's HyperVLiveMigrateData
        :raises nova.exception.MigrationPreCheckError:
        :raises nova.exception.InvalidLocalStorage: it shall move with disks, but they are shared
        :raises nova.exception.InvalidSharedStorage: it shall move without disks, but they are not shared
        """
        self._check_configuration(instance)
        if self._vmutils.vm_exists(instance.name):
            raise exception.MigrationPreCheckError(
                reason=f"this host has a virtual machine {instance.name} already"
            )
        shared = self._shareops.is_shared(instance.host)
        if block_migration and shared:
            raise exception.InvalidLocalStorage(
                path=paths.instance_folder(instance.name), reason="both hosts have it, on shared storage"
            )
        if block_migration is False and not shared and _has_disks(context, instance):
            raise exception.InvalidSharedStorage(
                path=paths.instance_folder(instance.name), reason="it is on storage of its host"
            )
        return migrate_data_objects.HyperVLiveMigrateData(is_shared_instance_path=shared)

    def check_source(self, instance, migrate_data, block_device_info):
        """Whether an instance can leave this host.

        :raises nova.exception.MigrationPreCheckError:
        """
        if pciops.has_devices(instance):
            raise exception.MigrationPreCheckError(
                reason="it has PCI devices of its host, and Hyper-V moves no such virtual machine"
            )
        if hardware.get_vtpm_constraint(instance.flavor, instance.image_meta):
            raise exception.MigrationPreCheckError(
                reason="only this host has the key of the state of its TPM, and no other can start it"
            )
        self._check_configuration(instance)
        if self._vmutils.get_vm_snapshots(instance.name):
            raise exception.MigrationPreCheckError(reason="its virtual machine has checkpoints")
        if not migrate_data.is_shared_instance_path and self._volumeops.has_files(block_device_info):
            # os-win's call moves every virtual disk, wherever it is.
            raise exception.MigrationPreCheckError(
                reason="its volumes on SMB shares would move together with its own disks"
            )
        return migrate_data

    def prepare(self, instance, block_device_info, migrate_data):
        """Make room for an instance on this host, and connect its volumes here."""
        if not migrate_data.is_shared_instance_path:
            self._diskops.create_folder(instance)
        volumes = self._volumeops.connect_all(block_device_info)
        disks = {volume.serial: volume.path for volume in volumes if volume.is_physical}
        if disks:
            # Which disk of this host is which of the other: Hyper-V learns it from a planned machine.
            self._livemigrationutils.create_planned_vm(instance.name, instance.host, disks)
        return migrate_data

    def migrate(self, context, instance, dest, post_method, recover_method, block_migration, migrate_data):
        """Move an instance, and tell nova how that ended by one of the two methods."""
        shared = migrate_data.is_shared_instance_path
        try:
            if not shared:
                self._shareops.put_what_hyper_v_leaves(instance, dest)
            self._move(instance, dest, shared)
        except (exception.MigrationError, exceptions.OSWinException, exceptions.x_wmi) as error:
            if self._vmutils.vm_exists(instance.name):
                status = "cancelled" if self._is_cancelled(instance, error) else "failed"
                LOG.error("Live migration to %s %s: %s", dest, status, error, instance=instance)
                recover_method(context, instance, dest, migrate_data, migration_status=status)
                return
            LOG.warning(
                "Live migration to %s: %s. The virtual machine has left this host all the same.",
                dest, error, instance=instance,
            )  # fmt: skip
        post_method(context, instance, dest, block_migration, migrate_data)

    def abort(self, instance):
        """Have Hyper-V give up a move that is under way; ``migrate`` then sees it ended."""
        self._vmutils.stop_vm_jobs(instance.name)

    def clean_source(self, instance, block_device_info):
        """What is left to do where an instance was."""
        self._consoleops.stop(instance.name)
        self._volumeops.disconnect_all(instance, block_device_info)

    def take_over(self, instance, network_info):
        """What is left to do where an instance is now."""
        self._networkops.plug(instance, network_info)
        self._consoleops.start(instance.name, instance.uuid)
        self._metricsops.collect(instance.name)

    def roll_back(self, instance, block_device_info, destroy_disks):
        """Undo ``prepare`` for an instance that has not come.

        :raises nova.exception.InstanceExists: it has
        """
        if self._vmutils.vm_exists(instance.name):
            raise exception.InstanceExists(name=instance.name)
        self._livemigrationutils.destroy_existing_planned_vm(instance.name)
        self._volumeops.disconnect_all(instance, block_device_info)
        if destroy_disks:
            self._diskops.remove_folder(instance)

    def _move(self, instance, dest, shared):
        self._livemigrationutils.live_migrate_vm(instance.name, dest, migrate_disks=not shared)

    def _is_cancelled(self, instance, error):
        return getattr(error, "job_state", None) in ENDED_BY_REQUEST

    def _check_configuration(self, instance):
        try:
            self._livemigrationutils.check_live_migration_config()
        except exceptions.HyperVException as error:
            raise exception.MigrationPreCheckError(reason=str(error)) from error


def _has_disks(context, instance):
    """Whether an instance has disks besides its volumes. Its config drive is none that nova asks for."""
    flavor = instance.flavor
    return bool(
        flavor.ephemeral_gb or flavor.swap or not compute_utils.is_volume_backed_instance(context, instance)
    )
