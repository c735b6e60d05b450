# SPDX-License-Identifier: Apache-2.0
"""PCI devices of this host that instances have for themselves (Hyper-V's discrete device assignment).

An administrator takes them from the host before that (Dismount-VMHostAssignableDevice). os-win lists them
too, with addresses that are right for function 0 of device 0 only, and assigns any free one of a vendor and
product; here each has its own address, by which nova claims it. Sources: Microsoft's "Plan for deploying
devices by using Discrete Device Assignment", and the page of Win32_PnPEntity.GetDeviceProperties.
"""

import dataclasses
import re

from nova import exception, objects
from nova.objects import fields
from oslo_log import log as logging
from oslo_serialization import jsonutils

LOG = logging.getLogger(__name__)

IDS = re.compile(r"\\VEN_(?P<vendor>[0-9A-F]{4})&DEV_(?P<product>[0-9A-F]{4})", re.IGNORECASE)
BUS, DEVICE_AND_FUNCTION = "DEVPKEY_Device_BusNumber", "DEVPKEY_Device_Address"


@dataclasses.dataclass(frozen=True)
class Device:
    """A PCI device that virtual machines can have.

    :ivar instance_path: Windows' name of it, PCIP\\...
    :ivar path: of its Msvm_PciExpress
    :ivar is_free: whether no virtual machine has it
    """

    instance_path: str
    path: str
    is_free: bool


class PciOps:
    def __init__(self, hostutils):
        self._hostutils = hostutils

    def passthrough_devices(self):
        """The devices, those of virtual machines too, as nova's resource tracker takes them: JSON."""
        return jsonutils.dumps(
            [
                self._told(address, device, IDS.search(device.instance_path))
                for address, device in self._devices().items()
            ]
        )

    def paths(self, instance):
        """The paths of those Msvm_PciExpress that nova claimed for an instance.

        :raises nova.exception.NovaException: the host has one of them no more, or gave it away.
        """
        claimed = _claimed(instance)
        devices = self._devices() if claimed else {}
        for address in claimed:
            device = devices.get(address)
            if device is None or not device.is_free:
                reason = "another virtual machine has it" if device else "it cannot be assigned on this host"
                raise exception.NovaException(
                    f"cannot give PCI device {address} to {instance.name}: {reason}, expected it free"
                )
        return [devices[address].path for address in claimed]

    def _devices(self):
        """{address: Device}; one that a virtual machine has is there a second time."""
        by_instance_path, devices = {}, {}
        for shown in self._hostutils._conn.Msvm_PciExpress():
            by_instance_path.setdefault(shown.DeviceInstancePath, []).append(shown)
        for instance_path, shown in by_instance_path.items():
            if not IDS.search(instance_path):
                continue
            entities = self._hostutils._conn_cimv2.Win32_PnPEntity(DeviceID=instance_path)
            if entities:
                address = _address(entities[0], instance_path)
                devices[address] = Device(instance_path, shown[0].path_(), len(shown) == 1)
            else:
                LOG.warning("Not offering %s: Windows has no such device any more.", instance_path)
        return devices

    @staticmethod
    def _told(address, device, ids):
        vendor, product = ids["vendor"].lower(), ids["product"].lower()
        return {
            "address": address,
            "vendor_id": vendor,
            "product_id": product,
            "dev_id": device.instance_path,
            "dev_type": fields.PciDeviceType.STANDARD,
            "label": f"label_{vendor}_{product}",
            # Hyper-V places a machine's memory and processors itself, so that no node is nearer to nova.
            "numa_node": None,
        }


def has_devices(instance):
    """Whether an instance has devices of its host, which keep it there and its memory where it is."""
    return bool(_claimed(instance))


def check_saving(instance):
    """:raises nova.exception.NovaException: Hyper-V does not save an instance's running virtual machine."""
    if has_devices(instance):
        raise exception.NovaException(
            f"cannot save {instance.name}: it has PCI devices of its host, and Hyper-V saves no such virtual "
            "machine; needs Off"
        )


def _address(entity, instance_path):
    """A device's address as nova writes it: domain, bus, device and function.

    Windows counts buses across domains of 256 (source: DPDK's pci.c for Windows).
    """
    code, found = entity.GetDeviceProperties([BUS, DEVICE_AND_FUNCTION])
    if code:
        raise exception.NovaException(f"GetDeviceProperties of {instance_path} returned {code}, expected 0")
    values = {one.KeyName: one.Data for one in found}
    domain, bus = divmod(values[BUS], 256)
    device, function = divmod(values[DEVICE_AND_FUNCTION], 65536)
    return f"{domain:04x}:{bus:02x}:{device:02x}.{function:x}"


def _claimed(instance):
    """The addresses of the devices that its flavor asked for."""
    devices = instance.get_pci_devices(source=objects.InstancePCIRequest.FLAVOR_ALIAS)
    return [device.address for device in devices]
