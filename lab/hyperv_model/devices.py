# SPDX-License-Identifier: Apache-2.0
"""PCI devices that were taken from the host, and can be assigned to machines (Discrete Device Assignment)."""

import dataclasses

from lab.hyperv_model import errors, storage
from lab.hyperv_model.errors import CimError
from lab.hyperv_model.jobs import V2
from lab.hyperv_model.providers import provides

CLASS, SUB_TYPE = "Msvm_PciExpressSettingData", "Microsoft:Hyper-V:Virtual Pci Express Port"
SAVE = 3  # AutomaticShutdownAction (documented)


# Documented for DDA: neither goes with an assigned device, and the automatic stop action is set before it is
# added. Inferred: adding it, and changing the other, is what fails.
NOT_SAVED = "with a device of the host it cannot be saved when the host shuts down (AutomaticShutdownAction)"
NO_DYNAMIC_MEMORY = "with a device of the host it cannot have dynamic memory"


@dataclasses.dataclass(frozen=True)
class PciDevice:
    """A device of the host that Dismount-VMHostAssignableDevice was called for."""

    vendor: str
    product: str
    bus: int = 1
    device: int = 0
    function: int = 0

    @property
    def instance_path(self):
        """PCIP instead of PCI once it is dismounted (documented: "Deploy graphics devices by using DDA")."""
        address = f"{self.bus:X}&{self.device:X}&{self.function:X}"
        return f"PCIP\\VEN_{self.vendor}&DEV_{self.product}&SUBSYS_00000000&REV_00\\{address}"

    @property
    def location_path(self):
        return f"PCIROOT({self.bus:X})#PCI({self.device:02X}{self.function:02X})"


def install(model):
    for device in model.facts.pci_devices:
        _add(model, device, model.name)
        model.store.add(
            "root/cimv2",
            "Win32_PnPEntity",
            DeviceID=device.instance_path,
            Name="Simulated PCI device (dismounted)",
        )


def _add(model, device, owner):
    """Show a device; one that a machine has is there a second time (inferred from os-win's comment)."""
    return model.store.add(
        V2,
        "Msvm_PciExpress",
        SystemCreationClassName="Msvm_ComputerSystem",
        SystemName=owner,
        CreationClassName="Msvm_PciExpress",
        DeviceID=f"Microsoft:{owner}\\{device.instance_path}",
        ElementName="PCI Express Port",
        DeviceInstancePath=device.instance_path,
        LocationPath=device.location_path,
        FunctionNumber=device.function,
        EnabledState=2,
    )


def assign(model, machine, wanted):
    """Give a machine a device that no other machine has (documented: one device, one machine)."""
    if machine.settings["AutomaticShutdownAction"] == SAVE:
        raise storage.failure(machine, wanted, NOT_SAVED)
    if machine.of("Msvm_MemorySettingData")[0]["DynamicMemoryEnabled"]:
        raise storage.failure(machine, wanted, NO_DYNAMIC_MEMORY)
    paths = wanted["HostResource"] or []
    try:
        (shown,) = (model.store.at(path, V2) for path in paths)
    except (ValueError, CimError):
        raise storage.failure(
            machine, wanted, f"HostResource is {', '.join(paths)}, expected one device"
        ) from None
    device = next(
        found for found in model.facts.pci_devices if found.location_path == shown.values.get("LocationPath")
    )
    if shown["SystemName"] != model.name or len(_shown(model, device)) > 1:
        raise storage.failure(machine, wanted, f"{device.instance_path} is assigned already")
    part = machine.add(storage.named(machine, wanted, storage.new_device()))
    _add(model, device, machine.guid)
    return part


def release(model, machine, part):
    """Undo `assign`."""
    host_device = model.store.at(part["HostResource"][0], V2)
    for shown in model.store.of(V2, "Msvm_PciExpress", SystemName=machine.guid):
        if shown["LocationPath"] == host_device["LocationPath"]:
            model.store.remove(shown)


def _shown(model, device):
    return model.store.of(V2, "Msvm_PciExpress", LocationPath=device.location_path)


@provides("Win32_PnPEntity.GetDeviceProperties")
def get_device_properties(model, entity, devicePropertyKeys):
    """The keys that os-win and this project's driver read; asking for others by name is refused."""
    device = next(found for found in model.facts.pci_devices if found.instance_path == entity["DeviceID"])
    known = {
        "DEVPKEY_Device_BusNumber": ("Uint32", device.bus),
        "DEVPKEY_Device_LocationInfo": (
            "String",
            f"PCI bus {device.bus}, device {device.device}, function {device.function}",
        ),
        # documented: the device in the high word, the function in the low one
        "DEVPKEY_Device_Address": ("Uint32", device.device << 16 | device.function),
    }
    unknown = sorted(set(devicePropertyKeys or known) - known.keys())
    if unknown:
        raise CimError(errors.METHOD_NOT_IMPLEMENTED, f"GetDeviceProperties of {unknown} is not simulated")
    return {
        "deviceProperties": [
            model.store.build(
                "root/cimv2",
                f"Win32_PnPDeviceProperty{kind}",
                DeviceID=entity["DeviceID"],
                KeyName=name,
                Data=data,
            )
            for name, (kind, data) in known.items()
            if name in (devicePropertyKeys or known)
        ]
    }
