# SPDX-License-Identifier: Apache-2.0
"""The class that nova loads. It hands over to the ops, and converts their exceptions; it decides nothing.

What is not here, nova's base class answers with NotImplementedError, and ``capabilities`` does not claim.
"""

from nova.image import glance
from nova.virt import driver, hardware
from nova.volume import cinder

from hyperv_driver import (
    config,
    configdriveops,
    consoleops,
    diagnosticsops,
    diskops,
    driveops,
    events,
    former_options,
    hostops,
    imagecache,
    leftovers,
    livemigrationops,
    metricsops,
    migrationops,
    networkops,
    oswin,
    pciops,
    powerops,
    rescueops,
    shareops,
    snapshotops,
    taggedops,
    tpmops,
    vmops,
    volumeops,
    volumesnapshotops,
)
from hyperv_driver.errors import converts_exceptions


@converts_exceptions
class HyperVDriver(driver.ComputeDriver):
    """nova's ComputeDriver on Hyper-V.

    :param virtapi: nova's, to wait for Neutron.
    :param utilities: oswin.Utilities; by default those of the Windows host that this runs on.
    """

    capabilities = {
        **driver.ComputeDriver.capabilities,
        "has_imagecache": True,
        "supports_attach_interface": True,
        "supports_bfv_rescue": True,
        "supports_device_tagging": True,
        "supports_evacuate": True,
        "supports_extend_volume": True,
        # Who migrates a server wants it off its host.
        "supports_migrate_to_same_host": False,
        "supports_secure_boot": True,
        "supports_tagged_attach_interface": True,
        "supports_tagged_attach_volume": True,
        "supports_trusted_certs": True,
        "supports_vtpm": True,
        "supports_image_type_iso": True,
        "supports_image_type_vhd": True,
        "supports_image_type_vhdx": True,
    }

    # What a driver of another kind of host has other ones of.
    _new_vmops = vmops.VMOps
    _new_livemigrationops = livemigrationops.LiveMigrationOps

    def __init__(self, virtapi, utilities=None):
        super().__init__(virtapi)
        utilities = utilities or oswin.Utilities.of_this_host()
        vmutils, vhdutils, pathutils = utilities.vmutils, utilities.vhdutils, utilities.pathutils
        pci = pciops.PciOps(utilities.hostutils)
        tpm = tpmops.TpmOps(vmutils, utilities.hostutils)
        self._hostops = hostops.HostOps(utilities.hostutils, utilities.diskutils, pci, tpm)
        self._image_api = glance.API()
        self._imagecache = imagecache.ImageCache(vhdutils, pathutils)
        configdrives = configdriveops.ConfigDriveOps(utilities.access)
        drives = driveops.DriveOps(vmutils)
        self._metricsops = metricsops.MetricsOps(utilities.metricsutils)
        self._volumeops = volumeops.VolumeOps(
            vmutils, utilities.diskutils, utilities.connectors, drives, self._metricsops
        )
        self._diskops = diskops.DiskOps(vhdutils, pathutils, self._imagecache, configdrives)
        self._networkops = networkops.NetworkOps(vmutils, utilities.networkutils)
        self._powerops = powerops.PowerOps(vmutils)
        self._consoleops = consoleops.ConsoleOps(vmutils, utilities.open_pipe)
        self._taggedops = taggedops.TaggedOps(vmutils, self._volumeops, self._diskops)
        self._vmops = self._new_vmops(
            vmutils,
            virtapi,
            self._diskops,
            self._volumeops,
            self._networkops,
            self._powerops,
            self._consoleops,
            configdrives,
            self._metricsops,
            drives,
            self._taggedops,
            pci,
            tpm,
        )
        self._shareops = shareops.ShareOps(vhdutils, pathutils, configdrives)
        self._migrationops = migrationops.MigrationOps(
            vhdutils, pathutils, self._diskops, drives, self._shareops, self._powerops, self._vmops
        )
        self._livemigrationops = self._new_livemigrationops(
            vmutils,
            utilities.livemigrationutils,
            self._diskops,
            self._shareops,
            self._volumeops,
            self._networkops,
            self._consoleops,
            self._metricsops,
        )
        self._rescueops = rescueops.RescueOps(
            vmutils,
            vhdutils,
            pathutils,
            self._imagecache,
            self._diskops,
            drives,
            self._volumeops,
            configdrives,
            self._powerops,
        )
        self._snapshotops = snapshotops.SnapshotOps(
            vmutils, vhdutils, pathutils, self._diskops, drives, self._image_api
        )
        self._volumesnapshotops = volumesnapshotops.VolumeSnapshotOps(
            vmutils, vhdutils, pathutils, self._volumeops, drives, self._powerops, cinder.API()
        )
        self._leftovers = leftovers.Leftovers(
            vmutils,
            utilities.livemigrationutils,
            pathutils,
            self._snapshotops,
            self._volumesnapshotops,
        )
        self._diagnosticsops = diagnosticsops.DiagnosticsOps(vmutils, utilities.hostutils)
        self._events = events.StateEvents(vmutils, self.emit_event)

    def init_host(self, host):
        former_options.warn()
        self._hostops.check_version()
        self._diskops.create_instances_folder()
        self._networkops.check_switch()
        self._vmops.resume_consoles()
        self._events.start()

    def process_instances_at_startup(self, context, instances):
        self._leftovers.clean(context, self._hostops.node_name, instances)
        return instances

    def cleanup_host(self, host):
        self._events.stop()
        self._consoleops.stop_all()

    # The host

    def get_available_nodes(self, refresh=False):
        return [self._hostops.node_name]

    def get_available_resource(self, nodename):
        return self._hostops.available_resource()

    def update_provider_tree(self, provider_tree, nodename, allocations=None):
        ratios = self._get_allocation_ratios(provider_tree.data(nodename).inventory)
        inventory = self._hostops.inventory(ratios, self._get_reserved_host_disk_gb_from_config())
        provider_tree.update_inventory(nodename, inventory)
        for trait, is_there in self._hostops.traits().items():
            change = provider_tree.add_traits if is_there else provider_tree.remove_traits
            change(nodename, trait)

    def get_host_ip_addr(self):
        return config.CONF.my_ip

    def get_host_uptime(self):
        return self._hostops.uptime()

    def host_power_action(self, action):
        self._hostops.power(action)
        return action

    def manage_image_cache(self, context, all_instances):
        if config.CONF.image_cache.remove_unused_base_images:
            self._imagecache.remove_unused({instance.image_ref for instance in all_instances})

    def cache_image(self, context, image_id):
        disk_format = self._image_api.get(context, image_id)["disk_format"]
        return self._imagecache.get_ahead(context, image_id, disk_format)

    # The instances

    def list_instances(self):
        return self._vmops.names()

    def list_instance_uuids(self):
        return self._vmops.uuids()

    def get_info(self, instance, use_cache=True):
        return hardware.InstanceInfo(state=self._powerops.state(instance.name))

    def get_console_output(self, context, instance):
        self._powerops.state(instance.name)
        # As nova's manager encodes it again.
        return self._consoleops.output(instance.name).decode("latin-1")

    def get_serial_console(self, context, instance):
        self._powerops.state(instance.name)
        return self._consoleops.serial_console(instance.name)

    def get_diagnostics(self, instance):
        return self._diagnosticsops.as_dictionary(instance)

    def get_instance_diagnostics(self, instance):
        return self._diagnosticsops.of(instance)

    def spawn(self, context, instance, image_meta, injected_files,
              admin_password, allocations, network_info=None,
              block_device_info=None, power_on=True, accel_info=None):  # fmt: skip
        # Not asked for its truth: that waits for Neutron.
        network_info = [] if network_info is None else network_info
        self._vmops.spawn(
            context, instance, image_meta, injected_files, admin_password, network_info,
            block_device_info, power_on,
        )  # fmt: skip

    def destroy(self, context, instance, network_info, block_device_info=None,
                destroy_disks=True, destroy_secrets=True):  # fmt: skip
        self._vmops.destroy(instance, block_device_info, destroy_disks)

    def cleanup(self, context, instance, network_info, block_device_info=None,
                destroy_disks=True, migrate_data=None, destroy_vifs=True,
                destroy_secrets=True):  # fmt: skip
        if destroy_disks:
            self._diskops.remove_folder(instance)

    def delete_instance_files(self, instance):
        self._diskops.remove_folder(instance)
        self._diskops.remove_aside(instance)
        return True

    def instance_on_disk(self, instance):
        return self._diskops.has_folder(instance)

    def check_instance_shared_storage_local(self, context, instance):
        return {"mark": self._shareops.leave_mark()}

    def check_instance_shared_storage_remote(self, context, data):
        return self._shareops.has_mark(data["mark"])

    def check_instance_shared_storage_cleanup(self, context, data):
        self._shareops.remove_mark(data["mark"])

    def plug_vifs(self, instance, network_info):
        self._networkops.plug(instance, network_info)

    def unplug_vifs(self, instance, network_info):
        self._networkops.unplug(network_info)

    def snapshot(self, context, instance, image_id, update_task_state):
        self._snapshotops.snapshot(context, instance, image_id, update_task_state)

    def volume_snapshot_create(self, context, instance, volume_id, create_info):
        self._volumesnapshotops.create(context, instance, volume_id, create_info)

    def volume_snapshot_delete(self, context, instance, volume_id, snapshot_id, delete_info):
        self._volumesnapshotops.delete(context, instance, volume_id, snapshot_id, delete_info)

    def rescue(self, context, instance, network_info, image_meta,
               rescue_password, block_device_info, share_info):  # fmt: skip
        self._rescueops.rescue(
            context, instance, network_info, image_meta, rescue_password, block_device_info
        )

    def unrescue(self, context, instance):
        self._rescueops.unrescue(instance)

    def migrate_disk_and_power_off(self, context, instance, dest, flavor, network_info,
                                   block_device_info=None, timeout=0, retry_interval=0):  # fmt: skip
        return self._migrationops.set_aside(
            instance, dest, flavor, block_device_info, timeout, retry_interval
        )

    def finish_migration(self, context, migration, instance, disk_info,
                         network_info, image_meta, resize_instance, allocations,
                         block_device_info=None, power_on=True, share_info=None):  # fmt: skip
        self._migrationops.finish(instance, image_meta, network_info, block_device_info, power_on, disk_info)

    def finish_revert_migration(self, context, instance, network_info, migration,
                                block_device_info=None, power_on=True, share_info=None):  # fmt: skip
        self._migrationops.revert(instance, network_info, block_device_info, power_on)

    def confirm_migration(self, context, migration, instance, network_info):
        self._migrationops.confirm(instance)

    def check_can_live_migrate_destination(self, context, instance, src_compute_info, dst_compute_info,
                                           block_migration=False, disk_over_commit=False):  # fmt: skip
        return self._livemigrationops.check_destination(context, instance, block_migration)

    def cleanup_live_migration_destination_check(self, context, dest_check_data):
        """Nothing is left of the check."""

    def check_can_live_migrate_source(self, context, instance, dest_check_data, block_device_info=None):
        return self._livemigrationops.check_source(instance, dest_check_data, block_device_info)

    def pre_live_migration(self, context, instance, block_device_info,
                           network_info, disk_info, migrate_data):  # fmt: skip
        return self._livemigrationops.prepare(instance, block_device_info, migrate_data)

    def live_migration(self, context, instance, dest, post_method, recover_method,
                       block_migration=False, migrate_data=None):  # fmt: skip
        self._livemigrationops.migrate(
            context, instance, dest, post_method, recover_method, block_migration, migrate_data
        )

    def live_migration_abort(self, instance):
        self._livemigrationops.abort(instance)

    def post_live_migration(self, context, instance, block_device_info, migrate_data=None):
        self._livemigrationops.clean_source(instance, block_device_info)

    def post_live_migration_at_source(self, context, instance, network_info):
        """The machine's ports are gone with it."""

    def post_live_migration_at_destination(self, context, instance, network_info,
                                           block_migration=False, block_device_info=None):  # fmt: skip
        self._livemigrationops.take_over(instance, network_info)

    def rollback_live_migration_at_destination(self, context, instance, network_info, block_device_info,
                                               destroy_disks=True, migrate_data=None):  # fmt: skip
        self._livemigrationops.roll_back(instance, block_device_info, destroy_disks)

    def get_volume_connector(self, instance):
        return self._volumeops.connector_properties()

    def attach_volume(self, context, connection_info, instance, mountpoint,
                      disk_bus=None, device_type=None, encryption=None):  # fmt: skip
        self._volumeops.attach(instance, connection_info, disk_bus, encryption)
        self._taggedops.add_volume(context, instance, connection_info)

    def detach_volume(self, context, connection_info, instance, mountpoint, encryption=None):
        self._volumeops.detach(instance, connection_info)

    def extend_volume(self, context, connection_info, instance, requested_size):
        self._volumeops.extend(connection_info, requested_size)

    def attach_interface(self, context, instance, image_meta, vif):
        self._networkops.attach(instance, vif)
        self._taggedops.add_adapter(context, instance, vif)

    def detach_interface(self, context, instance, vif):
        self._networkops.detach(instance, vif)

    # Their states

    def power_on(self, context, instance, network_info,
                 block_device_info=None, accel_info=None, share_info=None):  # fmt: skip
        self._vmops.power_on(instance, block_device_info)

    def power_off(self, instance, timeout=0, retry_interval=0):
        self._powerops.power_off(instance, timeout, retry_interval)

    def reboot(self, context, instance, network_info, reboot_type,
               block_device_info=None, bad_volumes_callback=None,
               accel_info=None, share_info=None):  # fmt: skip
        self._vmops.reboot(instance, block_device_info, soft=reboot_type == "SOFT")

    def pause(self, instance):
        self._powerops.pause(instance)

    def unpause(self, instance):
        self._powerops.unpause(instance)

    def trigger_crash_dump(self, instance):
        self._powerops.interrupt(instance)

    def suspend(self, context, instance):
        self._vmops.suspend(instance)

    def resume(self, context, instance, network_info, block_device_info=None,
               share_info=None):  # fmt: skip
        self._vmops.resume(instance, block_device_info)

    def resume_state_on_host_boot(self, context, instance, network_info,
                                  share_info, block_device_info=None):  # fmt: skip
        self._vmops.power_on(instance, block_device_info)
