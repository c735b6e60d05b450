# SPDX-License-Identifier: Apache-2.0
"""A Hyper-V host's virtual machines, as its WMI provider (root/virtualization/v2) describes them."""

from dataclasses import dataclass
from xml.etree import ElementTree

from winrm.protocol import Protocol

from hyperv_tempest_plugin.wsman import Item, Namespace

REALIZED = "Microsoft:Hyper-V:System:Realized"
HARD_DISK = "Microsoft:Hyper-V:Virtual Hard Disk"

# Msvm_ComputerSystem.EnabledState; the provider's first version said 32768 and 32769 for paused and saved.
STATES = {
    2: "running",
    3: "off",
    4: "stopping",
    6: "saved",
    9: "paused",
    10: "starting",
    32768: "paused",
    32769: "saved",
}

# Msvm_EthernetPortAllocationSettingData.EnabledState of a connection that is made.
ENABLED = "2"

# Msvm_MemorySettingData counts in this unit: mebibytes.
MEBIBYTES = "byte * 2^20"


@dataclass(frozen=True)
class Disk:
    """A virtual hard disk; `parents` are the files that it is a difference to, nearest first."""

    path: str
    parents: tuple[str, ...]


@dataclass(frozen=True)
class Nic:
    """A network adapter: its MAC address like fa:16:3e:00:00:01, and whether it is connected to a switch."""

    mac: str
    connected: bool


@dataclass(frozen=True)
class Machine:
    """A virtual machine; memory is in MiB, uptime in seconds since it was powered on or reset
    (Msvm_ComputerSystem.OnTimeInMilliseconds)."""

    state: str
    uptime: float
    vcpus: int
    memory: int
    disks: tuple[Disk, ...]
    nics: tuple[Nic, ...]


class HypervHost:
    """Reads one Windows host.

    :param protocol: pywinrm's, with a user who may manage Hyper-V
    """

    def __init__(self, protocol: Protocol):
        self._wmi = Namespace(protocol, "root/virtualization/v2")

    def machine(self, name: str) -> Machine | None:
        """Return the virtual machine of this name, or None; ValueError when the host has several."""
        settings = self._wmi.query(
            "SELECT * FROM Msvm_VirtualSystemSettingData WHERE "
            f"ElementName = '{name}' AND VirtualSystemType = '{REALIZED}'"
        )
        if len(settings) > 1:
            raise ValueError(f"the host has {len(settings)} virtual machines named {name}; expected one")
        if not settings:
            return None
        identifier = settings[0]["VirtualSystemIdentifier"]
        system = self._one(f"SELECT * FROM Msvm_ComputerSystem WHERE Name = '{identifier}'")
        processor = self._one(self._part("Msvm_ProcessorSettingData", settings[0]))
        memory = self._one(self._part("Msvm_MemorySettingData", settings[0]))
        if memory["AllocationUnits"] != MEBIBYTES:
            raise ValueError(
                f"{name} counts its memory in {memory['AllocationUnits']!r}; expected {MEBIBYTES!r}"
            )
        disks = [
            path
            for disk in self._wmi.query(self._part("Msvm_StorageAllocationSettingData", settings[0]))
            if disk["ResourceSubType"] == HARD_DISK
            for path in disk.all("HostResource")
        ]
        state = int(system["EnabledState"])
        return Machine(
            state=STATES.get(state, f"EnabledState {state}"),
            uptime=int(system["OnTimeInMilliseconds"]) / 1000,
            vcpus=int(processor["VirtualQuantity"]),
            memory=int(memory["VirtualQuantity"]),
            disks=tuple(Disk(path, tuple(self._parents(path))) for path in sorted(disks)),
            nics=tuple(self._nics(settings[0])),
        )

    def _nics(self, settings: Item):
        # An object path doubles the backslashes of the InstanceID in it.
        switched = [
            connection["Parent"].replace("\\\\", "\\").lower()
            for connection in self._wmi.query(self._part("Msvm_EthernetPortAllocationSettingData", settings))
            if any(connection.all("HostResource")) and connection["EnabledState"] == ENABLED
        ]
        for port in self._wmi.query(self._part("Msvm_SyntheticEthernetPortSettingData", settings)):
            parent = f'InstanceID="{port["InstanceID"]}"'.lower()
            yield Nic(_colons(port["Address"]), any(path.endswith(parent) for path in switched))

    def _part(self, class_name: str, settings: Item) -> str:
        # A part's InstanceID starts with that of the settings it belongs to; os-win finds them so, too.
        return f"SELECT * FROM {class_name} WHERE InstanceID LIKE '{settings['InstanceID']}%'"

    def _one(self, wql: str) -> Item:
        found = self._wmi.query(wql)
        if len(found) != 1:
            raise ValueError(f"the host has {len(found)} instances for {wql!r}; expected one")
        return found[0]

    def _parents(self, path: str):
        service = self._one("SELECT * FROM Msvm_ImageManagementService")
        keys = {
            name: service[name]
            for name in ("SystemCreationClassName", "SystemName", "CreationClassName", "Name")
        }
        while True:
            answer = self._wmi.call(
                "Msvm_ImageManagementService", keys, "GetVirtualHardDiskSettingData", Path=path
            )
            if answer["SettingData"] is None:
                raise ValueError(
                    f"the host returned {answer['ReturnValue']} for {path}; expected its settings"
                )
            settings = ElementTree.fromstring(answer["SettingData"])
            path = settings.findtext("PROPERTY[@NAME='ParentPath']/VALUE") or ""
            if not path:
                return
            yield path


def _colons(address: str) -> str:
    """Write a MAC address as nova does: Hyper-V's is FA163E000001."""
    digits = address.lower().replace("-", "").replace(":", "")
    return ":".join(digits[start : start + 2] for start in range(0, len(digits), 2))
