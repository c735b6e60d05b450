# SPDX-License-Identifier: Apache-2.0
"""The host itself: what it has (HostFacts), and how WMI shows it."""

import dataclasses
import datetime
import shutil
import time

from lab.hyperv_model import errors
from lab.hyperv_model.cim import timestamp
from lab.hyperv_model.errors import CimError
from lab.hyperv_model.guest import Guest
from lab.hyperv_model.jobs import V2
from lab.hyperv_model.providers import computes, provides

CIMV2, STANDARD, STORAGE = "root/cimv2", "root/StandardCimv2", "root/microsoft/windows/storage"
CONSOLE_PORT = 2179  # documented: of the consoles of virtual machines
# Flags of Win32Shutdown, less the 4 that forces (documented).
SHUT_DOWN, REBOOT, POWER_OFF, FORCED = 1, 2, 8, 4
# Win32_ServerFeature.ID of the role, and of Multipath I/O
HYPER_V_FEATURE, MPIO_FEATURE = 20, 57


@dataclasses.dataclass(frozen=True)
class HostFacts:
    """What a simulated host has.

    :ivar version: of Windows; 10.0.20348 is Windows Server 2022
    :ivar reserved_mb: memory that the host takes for itself
    :ivar switches: names of its external virtual switches
    :ivar address: of its management operating system
    :ivar guest: how guests behave
    :ivar cluster: name of the failover cluster that it is a node of, with its neighbours of that, or None
    :ivar dns_server: whether it has the DNS Server role
    :ivar pci_devices: devices.PciDevice that machines can have
    :ivar mpio: whether Multipath I/O is installed, and claims all disks that it can
    :ivar fibre_channel: (node's WWN, port's WWN) of its Fibre Channel ports, hexadecimal, in upper case
    """

    version: str = "10.0.20348"
    caption: str = "Microsoft Windows Server 2022 Datacenter (simulated)"
    processor: str = "Simulated processor"
    sockets: int = 1
    cores: int = 8
    logical_processors: int = 16
    clock_mhz: int = 2400
    memory_mb: int = 65536
    reserved_mb: int = 2048
    numa_nodes: int = 2
    adapter: str = "Simulated Ethernet Adapter"
    switches: tuple = ("external",)
    address: str = "192.0.2.10"
    guest: Guest = Guest()
    cluster: str | None = None
    dns_server: bool = False
    pci_devices: tuple = ()
    mpio: bool = False
    fibre_channel: tuple = ()

    def free_memory_mb(self, model, without=None):
        """Memory that no running machine has, leaving one of them out."""
        taken = sum(
            machine.of("Msvm_MemorySettingData")[0]["VirtualQuantity"]
            for machine in model.machines.values()
            if machine.is_active and machine is not without
        )
        return self.memory_mb - self.reserved_mb - taken


def install(model):
    facts, add = model.facts, model.store.add
    now = timestamp()
    add(
        V2,
        "Msvm_ComputerSystem",
        CreationClassName="Msvm_ComputerSystem",
        Name=model.name,
        ElementName=model.name,
        Caption="Hosting Computer System",
        Description="Microsoft Hosting Computer System (simulated)",
        EnabledState=2,
        RequestedState=12,
        HealthState=5,
        OperationalStatus=[2],
        StatusDescriptions=["OK"],
        TimeOfLastStateChange=now,
        NumberOfNumaNodes=facts.numa_nodes,
    )
    _add_numa_nodes(model)
    add(
        V2,
        "Msvm_TerminalServiceSettingData",
        InstanceID=f"Microsoft:{model.name}\\TerminalService",
        ListenerPort=CONSOLE_PORT,
    )
    add(
        CIMV2,
        "Win32_OperatingSystem",
        Name=f"{facts.caption}|C:\\Windows|",
        Caption=facts.caption,
        Version=facts.version,
        BuildNumber=facts.version.rpartition(".")[2],
        OSArchitecture="64-bit",
        CSName=model.name,
        WindowsDirectory=r"C:\Windows",
        SystemDirectory=r"C:\Windows\system32",
        ProductType=3,
        Manufacturer="Microsoft Corporation",
        TotalVisibleMemorySize=facts.memory_mb * 1024,
        TotalVirtualMemorySize=facts.memory_mb * 1024,
        LastBootUpTime=timestamp(datetime.datetime.fromtimestamp(model.booted, datetime.UTC)),
    )
    add(
        CIMV2,
        "Win32_ComputerSystem",
        Name=model.name,
        Manufacturer="hyperv-ci",
        Model="Simulated Hyper-V host",
        Domain="WORKGROUP",
        PartOfDomain=False,
        TotalPhysicalMemory=facts.memory_mb << 20,
        HypervisorPresent=True,
        NumberOfProcessors=facts.sockets,
        NumberOfLogicalProcessors=facts.logical_processors,
    )
    for number in range(facts.sockets):
        add(
            CIMV2,
            "Win32_Processor",
            DeviceID=f"CPU{number}",
            Name=facts.processor,
            Manufacturer="Simulated",
            Architecture=9,
            ProcessorType=3,
            MaxClockSpeed=facts.clock_mhz,
            LoadPercentage=1,
            NumberOfCores=facts.cores // facts.sockets,
            NumberOfLogicalProcessors=facts.logical_processors // facts.sockets,
        )
    drive = add(
        CIMV2,
        "Win32_LogicalDisk",
        DeviceID="C:",
        Name="C:",
        DriveType=3,
        FileSystem="NTFS",
        VolumeName="Simulated",
    )
    # Documented: the key of CIM_LogicalFile is its path. Inferred from PyMI's functional tests: this one.
    root = add(CIMV2, "Win32_Directory", Name="c:\\", Drive="c:", Path="\\")
    add(CIMV2, "Win32_LogicalDiskRootDirectory", GroupComponent=drive.path, PartComponent=root.path)
    add(CIMV2, "Win32_ServerFeature", ID=HYPER_V_FEATURE, ParentID=0, Name="Hyper-V")
    if facts.mpio:
        add(CIMV2, "Win32_ServerFeature", ID=MPIO_FEATURE, ParentID=0, Name="Multipath I/O")
    for number, switch in enumerate(facts.switches):
        add(
            STANDARD,
            "MSFT_NetAdapter",
            CreationClassName="MSFT_NetAdapter",
            DeviceID=f"{{{switch}}}",
            SystemCreationClassName="CIM_NetworkPort",
            SystemName=model.name,
            Name=f"Ethernet {number}",
            InterfaceDescription=facts.adapter,
            PnPDeviceID=f"PCI\\SIMULATED\\{number}",
            InterfaceIndex=number + 1,
            MediaConnectState=1,
            Speed=10_000_000_000,
            PermanentAddress="00155D000001",
        )


def _add_numa_nodes(model):
    """Processors and memory belong to a node by Msvm_HostedDependency; the IDs are as os-win reads them."""
    facts = model.facts
    keys = {"SystemCreationClassName": "Msvm_ComputerSystem", "SystemName": model.name}
    per_node = facts.logical_processors // facts.numa_nodes
    memory = facts.memory_mb // facts.numa_nodes
    for number in range(facts.numa_nodes):
        node = model.store.add(
            V2,
            "Msvm_NumaNode",
            **keys,
            CreationClassName="Msvm_NumaNode",
            NodeID=f"Microsoft:PhysicalNode\\{number}",
            ElementName=f"Node {number}",
            EnabledState=2,
            NumberOfLogicalProcessors=per_node,
            NumberOfProcessorCores=facts.cores // facts.numa_nodes,
        )
        parts = [
            model.store.add(
                V2,
                "Msvm_Memory",
                **keys,
                CreationClassName="Msvm_Memory",
                DeviceID=f"Microsoft:{model.name}\\{number}",
                BlockSize=1 << 20,
                NumberOfBlocks=memory,
                ConsumableBlocks=memory,
                EnabledState=2,
            )
        ]
        parts += [
            model.store.add(
                V2,
                "Msvm_Processor",
                **keys,
                CreationClassName="Msvm_Processor",
                EnabledState=2,
                LoadPercentage=1,
                DeviceID=f"Microsoft:{model.name}\\0\\{processor}",
                MaxClockSpeed=facts.clock_mhz,
            )
            for processor in range(number * per_node, (number + 1) * per_node)
        ]
        for part in parts:
            model.store.add(V2, "Msvm_HostedDependency", Antecedent=node.path, Dependent=part.path)


@computes("Msvm_NumaNode")
def consumable(model, node):
    node["CurrentlyConsumableMemoryBlocks"] = model.facts.free_memory_mb(model) // model.facts.numa_nodes


@computes("Win32_OperatingSystem")
def free_memory(model, system):
    free = model.facts.free_memory_mb(model) * 1024
    system.update(FreePhysicalMemory=free, FreeVirtualMemory=free, LocalDateTime=timestamp())


@computes("Win32_LogicalDisk")
def free_space(model, disk):
    root = disk["DeviceID"] + "\\"
    disk.update(Size=shutil.disk_usage(model.local_path(root)).total, FreeSpace=model.free_space(root))


def uptime(model):
    """Seconds since the host was started."""
    return time.time() - model.booted


@provides("Win32_OperatingSystem.Win32Shutdown")
def shut_down(model, system, Flags, Reserved):
    wanted = (Flags or 0) & ~FORCED
    if wanted not in (SHUT_DOWN, REBOOT, POWER_OFF) or model.on_shutdown is None:
        raise CimError(errors.METHOD_NOT_IMPLEMENTED, f"Win32Shutdown with Flags {Flags} is not simulated")
    model.on_shutdown(wanted == REBOOT)
    return {}
