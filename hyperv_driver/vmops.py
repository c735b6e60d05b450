# SPDX-License-Identifier: Apache-2.0
"""A virtual machine from spawn to destroy. Its name in Hyper-V is the instance's name, its note the uuid."""

import contextlib

import nova.conf
from nova import exception, version
from nova.compute import task_states
from oslo_log import log as logging

from hyperv_driver import batches, driveops, networkops, oswin, paths, pciops, snapshotops, specs

CONF = nova.conf.CONF
LOG = logging.getLogger(__name__)


class VMOps:
    def __init__(
        self, vmutils, virtapi, diskops, volumeops, networkops, powerops, consoleops,
        configdriveops, metricsops, driveops, taggedops, pciops, tpmops,
    ):  # fmt: skip
        self._vmutils = vmutils
        self._virtapi = virtapi
        self._diskops = diskops
        self._volumeops = volumeops
        self._networkops = networkops
        self._powerops = powerops
        self._consoleops = consoleops
        self._configdriveops = configdriveops
        self._metricsops = metricsops
        self._driveops = driveops
        self._taggedops = taggedops
        self._pciops = pciops
        self._tpmops = tpmops

    def names(self):
        return self._vmutils.list_instances()

    def uuids(self):
        """The instances' uuids; virtual machines that are no instances have none."""
        return [uuid for _name, uuid in oswin.instances(self._vmutils)]

    def resume_consoles(self):
        """Log the consoles of the instances that nova-compute finds when it starts."""
        for name, uuid in oswin.instances(self._vmutils):
            self._consoleops.start(name, uuid)

    def spawn(
        self, context, instance, image_meta, injected_files, admin_password, network_info, block_device_info,
        power_on,
    ):  # fmt: skip
        """Make an instance's disks and virtual machine; leave nothing behind if that fails.

        An instance that is evacuated to here from another host, on storage that both reach, has its disks.

        :raises nova.exception.InstanceUnacceptable: see ``specs.spec_of``.
        :raises nova.exception.VolumeAttachFailed: and its kin, see ``volumeops.VolumeOps.check``.
        """
        spec = specs.spec_of(instance, image_meta, block_device_info, injected_files)
        self._volumeops.check_all(block_device_info)
        if self._vmutils.vm_exists(instance.name):
            raise exception.InstanceExists(name=instance.name)
        # nova destroys what it rebuilds on the same host, disks included.
        has_disks = instance.task_state == task_states.REBUILD_SPAWNING and self._diskops.has_folder(instance)
        with contextlib.ExitStack() as undo:
            undo.callback(self.destroy, instance, block_device_info, destroy_disks=not has_disks)
            if not has_disks:
                self._diskops.create_folder(instance)
                if spec.disk_format:
                    self._diskops.create_root(context, instance, spec.disk_format)
                self._diskops.create_others(instance, block_device_info)
            disks = self._diskops.present(instance, block_device_info)
            self.build(
                instance, spec, disks, block_device_info, network_info, power_on,
                lambda: self._configdriveops.create(instance, network_info, injected_files, admin_password),
            )  # fmt: skip
            undo.pop_all()

    def build(
        self, instance, spec, disks, block_device_info, network_info, power_on, create_config_drive=None
    ):  # fmt: skip
        """Make the virtual machine of an instance whose disks are there, wire it and start it.

        While nova has Neutron make the ports, to look at ``network_info`` is to wait for them.

        :param create_config_drive: makes one and returns its path or None; not given: it is of the disks
        """
        add_adapters = self._create(instance, spec, disks, block_device_info)
        with self._wait_for_ports(instance, network_info if power_on else []):
            add_adapters(self._networkops.adapters(network_info))
            self._networkops.connect(network_info)
            self._taggedops.describe(instance, block_device_info)
            # A config drive tells of the devices.
            config_drive = create_config_drive and create_config_drive()
            if config_drive:
                self._driveops.attach_config_drive(instance.name, spec.generation, config_drive)
        if power_on:
            self._powerops.power_on(instance)
        self._metricsops.collect(instance.name)

    def power_on(self, instance, block_device_info):
        """Power on with the volumes, wherever they are by now."""
        self._volumeops.reconnect(instance, block_device_info)
        self._powerops.power_on(instance)
        self._metricsops.collect(instance.name)

    def reboot(self, instance, block_device_info, soft):
        """Power off and on, from any state; by way of the guest's own shutdown if ``soft``."""
        self._powerops.power_off(instance, timeout=CONF.hyperv.soft_reboot_timeout if soft else 0)
        self.power_on(instance, block_device_info)

    def suspend(self, instance):
        """Write the memory to the host's disk; the machine then holds neither memory nor processors.

        :raises nova.exception.InstanceFaultRollback: it cannot be suspended, and runs on.
        """
        try:
            pciops.check_saving(instance)
        except exception.NovaException as error:
            raise exception.InstanceFaultRollback(error) from error
        self._powerops.suspend(instance)

    def resume(self, instance, block_device_info):
        self._volumeops.reconnect(instance, block_device_info)
        self._powerops.resume(instance)

    def destroy(self, instance, block_device_info, destroy_disks):
        """Turn an instance off and delete it; one that is gone already is no error."""
        with snapshotops.lock(instance):
            self._destroy(instance, block_device_info, destroy_disks)

    def _destroy(self, instance, block_device_info, destroy_disks):
        if self._vmutils.vm_exists(instance.name):
            self._powerops.power_off(instance)
            self._vmutils.destroy_vm(instance.name)
        else:
            LOG.warning("No virtual machine to destroy: Hyper-V has none of its name.", instance=instance)
        self._consoleops.stop(instance.name)
        self._volumeops.disconnect_all(instance, block_device_info)
        if destroy_disks:
            self._diskops.remove_folder(instance)
            # A revert destroys the new machine first, and then needs the former one's disks.
            if instance.task_state != task_states.RESIZE_REVERTING:
                self._diskops.remove_aside(instance)

    def _create(self, instance, spec, disks, block_device_info):
        """:returns: what adds the network adapters, see ``batches.VMUtils.build_vm``."""
        name = instance.name
        devices = self._pciops.paths(instance)
        drives, boot_order = driveops.drives(spec.generation, disks, spec.iops_limit)
        serial_pipes = {spec.log_port: paths.serial_pipe(instance.uuid)}
        serial_pipes.setdefault(spec.console_port, paths.console_pipe(instance.uuid))
        add_adapters = self._vmutils.build_vm(
            batches.Machine(
                name=name,
                notes=[instance.uuid],
                generation=spec.generation,
                folder=paths.instance_folder(name),
                memory_mb=instance.flavor.memory_mb,
                # Hyper-V changes no memory of a machine that has machines, devices of the host or NUMA nodes.
                memory_ratio=1
                if spec.is_host or devices or spec.numa_node
                else CONF.hyperv.dynamic_memory_ratio,
                vcpus=instance.flavor.vcpus,
                limit_cpu_features=CONF.hyperv.limit_cpu_features,
                serial_pipes=serial_pipes,
                # By which cloud-init knows where it is, as Hyper-V lets nobody set the product's name.
                asset_tag=version.product_string(),
                drives=drives,
                boot_order=boot_order,
                is_host=spec.is_host,
                numa_node=spec.numa_node,
                devices=devices,
                mmio_mb=(CONF.hyperv.pci_low_mmio_mb, CONF.hyperv.pci_high_mmio_mb),
                shuts_down_with_host=CONF.hyperv.instance_automatic_shutdown,
            )
        )
        self._volumeops.attach_all(name, spec.generation, block_device_info)
        if spec.secure_boot:
            self._vmutils.enable_secure_boot(name, msft_ca_required=spec.needs_uefi_ca)
        if spec.has_tpm:
            self._tpmops.add(name)
        self._consoleops.start(name, instance.uuid)
        return add_adapters

    @contextlib.contextmanager
    def _wait_for_ports(self, instance, network_info):
        """Wait at the end until Neutron reports the ports as ready.

        An agent wires them once their adapters are there, so nova must listen before they are made; when a
        machine is made again, Neutron may still have them as ready from before.
        """
        awaited = []
        if CONF.vif_plugging_timeout:
            awaited = [
                ("network-vif-plugged", vif["id"])
                for vif in network_info
                if vif.get("active") is False or networkops.is_wired_by_agent(vif)
            ]
        try:
            with self._virtapi.wait_for_instance_event(
                instance, awaited, timeout=CONF.vif_plugging_timeout, error_callback=_on_failed_port
            ):
                yield
        except exception.InstanceEventTimeout as error:
            if CONF.vif_plugging_is_fatal:
                raise exception.VirtualInterfaceCreateException() from error
            LOG.warning(
                "Starting the instance though Neutron has not said that it is wired", instance=instance
            )


def _on_failed_port(event_name, instance):
    LOG.error("Neutron failed: %s", event_name, instance=instance)
    if CONF.vif_plugging_is_fatal:
        raise exception.VirtualInterfaceCreateException()
