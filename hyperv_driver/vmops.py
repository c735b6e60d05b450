# SPDX-License-Identifier: Apache-2.0
"""A virtual machine from spawn to destroy. Its name in Hyper-V is the instance's name, its note the uuid."""

import contextlib

import nova.conf
from nova import exception
from nova.objects import fields
from nova.virt import configdrive, driver
from oslo_log import log as logging
from oslo_utils import uuidutils

from hyperv_driver import images, paths
from hyperv_driver.oswin import constants

CONF = nova.conf.CONF
LOG = logging.getLogger(__name__)

GENERATIONS = {
    constants.IMAGE_PROP_VM_GEN_1: constants.VM_GEN_1,
    constants.IMAGE_PROP_VM_GEN_2: constants.VM_GEN_2,
}
# Memory is what the flavor says, now and always.
NO_DYNAMIC_MEMORY = 1.0
NOT_YET = ", which this driver does not do yet"


class VMOps:
    def __init__(self, vmutils, virtapi, diskops, networkops, powerops, consoleops):
        self._vmutils = vmutils
        self._virtapi = virtapi
        self._diskops = diskops
        self._networkops = networkops
        self._powerops = powerops
        self._consoleops = consoleops

    def names(self):
        return self._vmutils.list_instances()

    def uuids(self):
        """The instances' uuids; virtual machines that are no instances have none."""
        first_notes = (notes[0] for _name, notes in self._vmutils.list_instance_notes() if notes)
        return [note for note in first_notes if uuidutils.is_uuid_like(note)]

    def resume_consoles(self):
        """Log the consoles of the instances that nova-compute finds when it starts."""
        for name, notes in self._vmutils.list_instance_notes():
            if notes and uuidutils.is_uuid_like(notes[0]):
                self._consoleops.start(name, notes[0])

    def spawn(self, context, instance, image_meta, injected_files, network_info, block_device_info, power_on):
        """Make an instance's disks and virtual machine; leave nothing behind if that fails.

        :raises nova.exception.InstanceUnacceptable: it asks for something that this driver does not do yet.
        """
        generation, disk_format = _check(instance, image_meta, injected_files, block_device_info)
        if self._vmutils.vm_exists(instance.name):
            raise exception.InstanceExists(name=instance.name)
        with contextlib.ExitStack() as undo:
            undo.callback(self.destroy, instance, destroy_disks=True)
            self._diskops.create_folder(instance)
            root_disk = self._diskops.create_root(context, instance, disk_format)
            other_disks = self._diskops.create_ephemerals(
                instance, driver.block_device_info_get_ephemerals(block_device_info)
            )
            self._create(instance, generation, root_disk, other_disks)
            self._networkops.create_adapters(instance, network_info)
            self._wire_and_start(instance, network_info, power_on)
            undo.pop_all()

    def destroy(self, instance, destroy_disks):
        """Turn an instance off and delete it; one that is gone already is no error."""
        if self._vmutils.vm_exists(instance.name):
            self._powerops.power_off(instance)
            self._vmutils.destroy_vm(instance.name)
        else:
            LOG.warning("No virtual machine to destroy: Hyper-V has none of its name.", instance=instance)
        self._consoleops.stop(instance.name)
        if destroy_disks:
            self._diskops.remove_folder(instance)

    def _create(self, instance, generation, root_disk, other_disks):
        name = instance.name
        self._vmutils.create_vm(name, False, generation, paths.instance_folder(name), [instance.uuid])
        self._vmutils.update_vm(
            name,
            memory_mb=instance.flavor.memory_mb,
            memory_per_numa_node=None,
            vcpus_num=instance.flavor.vcpus,
            vcpus_per_numa_node=None,
            limit_cpu_features=CONF.hyperv.limit_cpu_features,
            dynamic_mem_ratio=NO_DYNAMIC_MEMORY,
        )
        self._vmutils.create_scsi_controller(name)
        # Generation 1 boots from IDE only, generation 2 has none.
        if generation == constants.VM_GEN_1:
            self._vmutils.attach_ide_drive(name, root_disk, 0, 0)
        else:
            self._vmutils.attach_scsi_drive(name, root_disk)
        for disk in other_disks:
            self._vmutils.attach_scsi_drive(name, disk)
        if generation == constants.VM_GEN_2:
            # Or its firmware tries the network first.
            self._vmutils.set_boot_order(name, [root_disk])
        self._consoleops.create_port(instance)
        self._consoleops.start(name, instance.uuid)

    def _wire_and_start(self, instance, network_info, power_on):
        # Ports that Neutron did not report as ready when nova asked: an agent still works on them.
        awaited = []
        if power_on and CONF.vif_plugging_timeout:
            awaited = [
                ("network-vif-plugged", vif["id"]) for vif in network_info if vif.get("active") is False
            ]
        try:
            with self._virtapi.wait_for_instance_event(
                instance, awaited, timeout=CONF.vif_plugging_timeout, error_callback=_on_failed_port
            ):
                self._networkops.connect(network_info)
        except exception.InstanceEventTimeout as error:
            if CONF.vif_plugging_is_fatal:
                raise exception.VirtualInterfaceCreateException() from error
            LOG.warning(
                "Starting the instance though Neutron has not said that it is wired", instance=instance
            )
        if power_on:
            self._powerops.power_on(instance)


def _on_failed_port(event_name, instance):
    LOG.error("Neutron failed: %s", event_name, instance=instance)
    if CONF.vif_plugging_is_fatal:
        raise exception.VirtualInterfaceCreateException()


def _check(instance, image_meta, injected_files, block_device_info):
    """Refuse what would otherwise be left out in silence; return (generation, disk format of the image)."""

    def refuse_if(condition, reason):
        if condition:
            raise exception.InstanceUnacceptable(instance_id=instance.uuid, reason=reason)

    properties = image_meta.properties
    machine_type = properties.get("hw_machine_type", constants.IMAGE_PROP_VM_GEN_1)
    disk_format = image_meta.disk_format if image_meta.obj_attr_is_set("disk_format") else None
    secure_boot = properties.get("os_secure_boot") or instance.flavor.extra_specs.get("os:secure_boot")
    swap = driver.block_device_info_get_swap(block_device_info)

    refuse_if(
        machine_type not in GENERATIONS,
        f"hw_machine_type is {machine_type}, expected one of: {', '.join(GENERATIONS)}",
    )
    generation = GENERATIONS[machine_type]
    refuse_if(not instance.image_ref, f"it boots from a volume{NOT_YET}")
    refuse_if(
        disk_format not in images.READERS,
        f"its image is {disk_format}, expected one of: {', '.join(images.READERS)}",
    )
    refuse_if(
        generation == constants.VM_GEN_2 and disk_format == "vhd",
        "a generation 2 virtual machine cannot have VHD disks, its image is one",
    )
    refuse_if(driver.block_device_info_get_mapping(block_device_info), f"it has volumes{NOT_YET}")
    refuse_if(driver.swap_is_usable(swap), f"its flavor has swap{NOT_YET}")
    refuse_if(injected_files, f"it has files to inject{NOT_YET}")
    refuse_if(configdrive.required_by(instance), f"it wants a config drive{NOT_YET}")
    refuse_if(secure_boot == fields.SecureBoot.REQUIRED, f"it requires secure boot{NOT_YET}")
    refuse_if(instance.numa_topology, f"it asks for NUMA nodes or pinned CPUs{NOT_YET}")
    return generation, disk_format
