# SPDX-License-Identifier: Apache-2.0
"""Tells guests which of their devices are those that the user tagged: nova's device metadata."""

import nova.context
from nova import block_device, objects
from nova.objects import fields
from nova.virt import driver

from hyperv_driver import paths
from hyperv_driver.oswin import constants


class TaggedOps:
    def __init__(self, vmutils, volumeops, diskops):
        self._vmutils = vmutils
        self._volumeops = volumeops
        self._diskops = diskops

    def describe(self, instance, block_device_info):
        """Give the instance its metadata, once its virtual machine is there. nova saves the instance."""
        context = nova.context.get_admin_context()
        adapters = objects.VirtualInterfaceList.get_by_instance_uuid(context, instance.uuid)
        disks = objects.BlockDeviceMappingList.get_by_instance_uuid(context, instance.uuid)
        ephemerals = [disk for disk in disks if block_device.new_format_is_ephemeral(disk)]
        volumes = {
            mapping["connection_info"]["serial"]: mapping["connection_info"]
            for mapping in driver.block_device_info_get_mapping(block_device_info)
        }
        devices = [_adapter(adapter) for adapter in adapters if adapter.tag]
        for disk in [disk for disk in disks if disk.tag]:
            if disk.is_volume:
                devices.append(self._volume(instance, disk, volumes[disk.volume_id]))
            else:
                path = self._file(instance, disk, ephemerals)
                devices.append(_disk(disk, self._vmutils.get_disk_attachment_info(path, is_physical=False)))
        instance.device_metadata = objects.InstanceDeviceMetadata(devices=devices) if devices else None

    def add_volume(self, context, instance, connection_info):
        """Have the metadata tell of a volume that the instance got, if it is tagged."""
        disk = objects.BlockDeviceMapping.get_by_volume_and_instance(
            context, connection_info["serial"], instance.uuid
        )
        if disk.tag:
            _add(instance, self._volume(instance, disk, connection_info))

    def add_adapter(self, context, instance, vif):
        """Have the metadata tell of an adapter that the instance got, if it is tagged."""
        adapter = objects.VirtualInterface.get_by_uuid(context, vif["id"])
        if adapter and adapter.tag:
            _add(instance, _adapter(adapter))

    def _volume(self, instance, disk, connection_info):
        return _disk(disk, self._volumeops.attachment(instance.name, connection_info), disk.volume_id)

    def _file(self, instance, disk, ephemerals):
        if block_device.new_format_is_swap(disk):
            return paths.swap_disk(instance.name)
        if disk.source_type == fields.BlockDeviceSourceType.IMAGE:
            return self._diskops.root(instance)
        return paths.ephemeral_disk(instance.name, [one.id for one in ephemerals].index(disk.id))


def _add(instance, device):
    devices = instance.device_metadata.devices if instance.device_metadata else []
    instance.device_metadata = objects.InstanceDeviceMetadata(devices=[*devices, device])
    instance.save()


def _adapter(adapter):
    # The adapter is on the VMBus, and nova tells guests of no device whose bus it does not know. A PCI bus
    # without an address says no more than that (source: compute-hyperv 16): guests go by the MAC address.
    return objects.NetworkInterfaceMetadata(
        mac=adapter.address, bus=objects.PCIDeviceBus(), tags=[adapter.tag]
    )


def _disk(disk, attachment, serial=None):
    controller, slot = attachment["controller_addr"], attachment["controller_slot"]
    if attachment["controller_type"] == constants.CTRL_TYPE_SCSI:
        # As Linux has it: host, channel, target, LUN.
        bus = objects.SCSIDeviceBus(address=f"0:0:{int(controller):x}:{slot:x}")
    else:
        bus = objects.IDEDeviceBus(address=f"{controller}:{slot}")
    return objects.DiskMetadata(bus=bus, tags=[disk.tag], serial=serial)
