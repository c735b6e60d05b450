# SPDX-License-Identifier: Apache-2.0
"""Adding, changing and removing what virtual machines are made of (…ResourceSettings)."""

import contextlib
import typing
import uuid
from collections.abc import Callable

from lab import guesses
from lab.hyperv_model import devices, embedded, networking, passthrough, storage, switch_ports
from lab.hyperv_model.errors import CimError
from lab.hyperv_model.jobs import FAILED, INVALID_PARAMETER, INVALID_STATE, V2, JobFailure
from lab.hyperv_model.machine import SERVICE, machine_of
from lab.hyperv_model.providers import provides
from lab.hyperv_model.serial_port import LONGEST_NAME, pipe_name
from lab.hyperv_model.states import TITLES

# By generation (documented: "Plan for Hyper-V scalability in Windows Server").
MOST_PROCESSORS = {1: 64, 2: 240}
MOST_MEMORY_MB = {1: 1 << 20, 2: 12 << 20}
# Documented: Set-VMMemory, Set-VMProcessor (which tells percents), and the pages of the classes.
RANGES = {
    "Msvm_MemorySettingData": {"TargetMemoryBuffer": range(5, 2001), "Weight": range(10001)},
    "Msvm_ProcessorSettingData": {
        "Reservation": range(100_001),
        "Limit": range(100_001),
        "Weight": range(10001),
    },
}
# Inferred: what has to be divided by it cannot be.
PIPE_BUSY = "All pipe instances are busy. ('0x800700E7')"
NO_NODE = "a virtual NUMA node without any of it"
SERIAL_PORT = "Microsoft:Hyper-V:Serial Port"
# What generation 2 has boot sources of.
BOOTABLE = {storage.DISK_DRIVE, storage.DVD_DRIVE, storage.PHYSICAL_DRIVE, networking.ADAPTER}


class Kind(typing.NamedTuple):
    """A kind of resource.

    :ivar class_name: class of its setting data
    :ivar resource_type: its CIM ResourceType
    :ivar add: function(model, machine, wanted) that adds one; None: machines come with it
    :ivar hot: generations that add and remove it while the machine runs
    :ivar changeable: properties that can be changed, and those among them (``live``) that change while it
        runs
    """

    class_name: str
    resource_type: int
    add: Callable | None = None
    hot: tuple = ()
    changeable: frozenset = frozenset()
    live: frozenset = frozenset()
    evidence: str = "inferred"


_PROCESSOR = frozenset(
    {
        "VirtualQuantity",
        "Reservation",
        "Limit",
        "Weight",
        "LimitProcessorFeatures",
        "LimitCPUID",
        "MaxProcessorsPerNumaNode",
        "MaxNumaNodesPerSocket",
        "ExposeVirtualizationExtensions",
    }
)
_MEMORY = frozenset(
    {
        "VirtualQuantity",
        "Reservation",
        "Limit",
        "Weight",
        "DynamicMemoryEnabled",
        "TargetMemoryBuffer",
        "MaxMemoryBlocksPerNumaNode",
    }
)

# By ResourceSubType; the evidence is for what is hot and live.
KINDS = {
    "Microsoft:Hyper-V:Processor": Kind(
        "Msvm_ProcessorSettingData", 3, changeable=_PROCESSOR, live=frozenset({"Limit", "Weight"})
    ),
    "Microsoft:Hyper-V:Memory": Kind(
        "Msvm_MemorySettingData",
        4,
        changeable=_MEMORY,
        live=_MEMORY - {"DynamicMemoryEnabled", "MaxMemoryBlocksPerNumaNode"},
        evidence="documented",
    ),
    storage.IDE: Kind(storage.RASD, 5),
    storage.SCSI: Kind(storage.RASD, 6, storage.add_controller, evidence="documented"),
    storage.DISK_DRIVE: Kind(storage.RASD, 17, storage.add_drive, hot=(1, 2), evidence="documented"),
    storage.DVD_DRIVE: Kind(storage.RASD, 16, storage.add_drive, hot=(2,)),
    storage.PHYSICAL_DRIVE: Kind(
        storage.RASD,
        17,
        passthrough.add_drive,
        hot=(1, 2),
        changeable=frozenset({"HostResource", "ElementName"}),
        live=frozenset({"ElementName"}),
        evidence="documented",
    ),
    storage.HARD_DISK: Kind(
        storage.SASD,
        31,
        storage.add_disk,
        hot=(1, 2),
        changeable=frozenset({"HostResource", "IOPSLimit", "IOPSReservation"}),
        live=frozenset({"IOPSLimit", "IOPSReservation"}),
        evidence="documented",
    ),
    storage.DVD_DISK: Kind(
        storage.SASD,
        31,
        storage.add_disk,
        hot=(1, 2),
        changeable=frozenset({"HostResource"}),
        live=frozenset({"HostResource"}),
    ),
    networking.ADAPTER: Kind(
        "Msvm_SyntheticEthernetPortSettingData",
        10,
        networking.add_adapter,
        hot=(2,),
        changeable=frozenset({"ElementName", "Address", "StaticMacAddress", "DeviceNamingEnabled"}),
        live=frozenset({"ElementName"}),
        evidence="documented",
    ),
    networking.EMULATED_ADAPTER: Kind(
        "Msvm_EmulatedEthernetPortSettingData",
        10,
        networking.add_adapter,
        changeable=frozenset({"ElementName", "Address", "StaticMacAddress"}),
        live=frozenset({"ElementName"}),
        evidence="documented",
    ),
    networking.CONNECTION: Kind(
        "Msvm_EthernetPortAllocationSettingData",
        33,
        networking.add_connection,
        hot=(1, 2),
        changeable=frozenset({"HostResource", "EnabledState", "ElementName"}),
        live=frozenset({"HostResource", "EnabledState", "ElementName"}),
    ),
    devices.SUB_TYPE: Kind(devices.CLASS, 32769, devices.assign, evidence="documented"),
    SERIAL_PORT: Kind(
        "Msvm_SerialPortSettingData",
        21,
        changeable=frozenset({"Connection", "DebuggerMode"}),
        live=frozenset({"Connection"}),
    ),
}


def install(model):
    """The templates that clients copy: the instances whose InstanceID ends in ``\\Default``."""
    for sub_type, kind in KINDS.items():
        if kind.add:
            pool = str(uuid.uuid5(uuid.NAMESPACE_OID, sub_type)).upper()
            model.store.add(
                V2,
                kind.class_name,
                InstanceID=f"Microsoft:Definition\\{pool}\\Default",
                ResourceType=kind.resource_type,
                ResourceSubType=sub_type,
                VirtualQuantity=1,
                Reservation=1,
                Limit=1,
                Weight=0,
                ConsumerVisibility=3,
                PoolID="",
                ElementName=sub_type.rpartition(":")[2],
                VirtualQuantityUnits="count",
                AllocationUnits="count",
                HostResource=[],
                Connection=[],
            )


def equip(model, machine):
    """Give a new machine what it comes with (documented: memory, processor, controllers, ports)."""

    def add(sub_type, device, **values):
        kind = KINDS[sub_type]
        machine.add(
            model.store.build(
                V2,
                kind.class_name,
                InstanceID=f"Microsoft:{machine.guid}\\{device}",
                ResourceType=kind.resource_type,
                ResourceSubType=sub_type,
                ConsumerVisibility=3,
                **values,
            )
        )

    add(
        "Microsoft:Hyper-V:Memory",
        "4764334d-e001-4176-82ee-5594ec9b530e",
        ElementName="Memory",
        VirtualQuantity=1024,
        Reservation=512,
        Limit=1048576,
        Weight=5000,
        DynamicMemoryEnabled=False,
        TargetMemoryBuffer=20,
        AllocationUnits="byte * 2^20",
        VirtualQuantityUnits="byte * 2^20",
        MaxMemoryBlocksPerNumaNode=model.facts.memory_mb // model.facts.numa_nodes,
    )
    add(
        "Microsoft:Hyper-V:Processor",
        "b637f346-6a0e-4dec-af52-bd70cb80a21d\\0",
        ElementName="Processor",
        VirtualQuantity=1,
        Reservation=0,
        Limit=100000,
        Weight=100,
        LimitProcessorFeatures=False,
        LimitCPUID=False,
        ExposeVirtualizationExtensions=False,
        MaxNumaNodesPerSocket=1,
        VirtualQuantityUnits="count",
        AllocationUnits="percent / 1000",
        MaxProcessorsPerNumaNode=model.facts.logical_processors,
    )
    for number in (0, 1):
        if machine.generation == 1:
            add(
                storage.IDE,
                f"83F8638B-8DCA-4152-9EDA-2CA8B33039B4\\{number}",
                Address=str(number),
                ElementName=f"IDE Controller {number}",
            )
        add(
            SERIAL_PORT,
            f"8e3a359f-559a-4b6a-98a9-1690a6100ed7\\{number}",
            Connection=[""],
            ElementName=f"COM {number + 1}",
        )


@provides(f"{SERVICE}.AddResourceSettings")
def add_resource_settings(model, service, AffectedConfiguration, ResourceSettings):
    machine = machine_of(model, AffectedConfiguration)
    wanted = [
        embedded.read(text, model.store, V2, "CIM_ResourceAllocationSettingData")
        for text in ResourceSettings or []
    ]
    for item in wanted:
        # However a client writes the path; one that leads nowhere is refused with the rest.
        with contextlib.suppress(CimError):
            item["Parent"] = item["Parent"] and model.store.at(item["Parent"], V2).path

    def work():
        return {"ResultingResourceSettings": [_add(model, machine, item).path for item in wanted]}

    return model.jobs.run(f"{SERVICE}.AddResourceSettings", [machine.system], work)


def _add(model, machine, wanted):
    kind = KINDS.get(wanted["ResourceSubType"])
    if kind is None or kind.add is None or wanted.class_name != kind.class_name:
        raise storage.failure(
            machine,
            wanted,
            f"a {wanted.class_name} with ResourceSubType "
            f"{wanted['ResourceSubType'] or 'missing'} cannot be added",
        )
    _check_hot(machine, wanted, kind)
    added = kind.add(model, machine, wanted)
    switch_ports.update(model, machine)
    return added


@provides(f"{SERVICE}.ModifyResourceSettings")
def modify_resource_settings(model, service, ResourceSettings):
    wanted = [
        embedded.read(text, model.store, V2, "CIM_ResourceAllocationSettingData")
        for text in ResourceSettings or []
    ]
    current = [model.store.find(V2, item.class_name, {"InstanceID": item["InstanceID"]}) for item in wanted]

    def work():
        for item, part in zip(wanted, current, strict=True):
            _modify(model, machine_of(model, part), part, item)
        return {"ResultingResourceSettings": [part.path for part in current]}

    affected = {machine.guid: machine.system for machine in (machine_of(model, part) for part in current)}
    return model.jobs.run(f"{SERVICE}.ModifyResourceSettings", list(affected.values()), work)


def _modify(model, machine, part, wanted):
    kind = KINDS[part["ResourceSubType"]]
    changes = {
        name: value
        for name, value in wanted.values.items()
        if value is not None and value != part.values[name]
    }
    fixed = sorted(changes.keys() - kind.changeable)
    if fixed:
        raise storage.failure(machine, part, f"{', '.join(fixed)} cannot be changed")
    cold = sorted(changes.keys() - kind.live)
    if cold and machine.is_active:
        raise storage.failure(
            machine,
            part,
            f"{', '.join(cold)} cannot be changed: the machine is {TITLES[machine.state]}, needs Off",
            INVALID_STATE,
        )
    changed = part.copy()
    changed.update(**changes)
    _check(model, machine, changed)
    changes = {name: changed[name] for name in changes}
    if machine.is_active and part.class_name == "Msvm_MemorySettingData":
        _check_running_memory(model, machine, part, changed)
    part.update(**changes)
    switch_ports.update(model, machine)
    if part["ResourceSubType"] == SERIAL_PORT and "Connection" in changes and machine.run:
        machine.run.plug_ports(booted=machine.run.guest_answers)


def _check_running_memory(model, machine, before, after):
    """Documented: with dynamic memory a running machine's minimum goes down and its maximum up (Hyper-V
    Dynamic Memory Overview); without, it gets what the host has left (Windows Server 2016: runtime memory
    resize).
    """
    if before["DynamicMemoryEnabled"]:
        if after["VirtualQuantity"] != before["VirtualQuantity"]:
            reason = "the startup memory of a running machine with dynamic memory cannot be changed"
        elif after["Reservation"] > before["Reservation"]:
            reason = "the minimum memory of a running machine cannot be increased"
        elif after["Limit"] < before["Limit"]:
            reason = "the maximum memory of a running machine cannot be decreased"
        else:
            return
        raise storage.failure(machine, before, reason, INVALID_STATE)
    free = model.facts.free_memory_mb(model, without=machine)
    if after["VirtualQuantity"] > free:
        raise storage.failure(
            machine, before, f"Not enough memory in the system: {free} MB are free. ('0x8007000E')", FAILED
        )


def _check(model, machine, part):
    """Refuse values that make no sense together (documented: reservation ≤ quantity ≤ limit; serial ports
    to pipes).
    """
    sub_type = part["ResourceSubType"]
    for name, allowed in RANGES.get(part.class_name, {}).items():
        if part[name] is not None and part[name] not in allowed:
            raise storage.failure(
                machine, part, f"{name} is {part[name]}, expected {allowed[0]} to {allowed[-1]}"
            )
    if sub_type in storage.EXTENSIONS:
        storage.check_file(model, machine, part)
        if part["IOPSLimit"] and (part["IOPSReservation"] or 0) > part["IOPSLimit"]:
            raise storage.failure(
                machine,
                part,
                f"IOPSReservation is {part['IOPSReservation']}, above IOPSLimit, {part['IOPSLimit']}",
            )
    elif sub_type in networking.ADAPTERS:
        part["Address"] = networking.address_of(machine, part)
    elif sub_type == storage.PHYSICAL_DRIVE:
        passthrough.check_disk(model, machine, part)
    elif sub_type == networking.CONNECTION:
        networking.check_connection(model, machine, part)
    elif sub_type == SERIAL_PORT:
        _check_pipe(machine, part)
        if machine.is_active:
            check_pipes(model, machine, f"'{machine.name}' failed to modify device 'Serial Port'.", part)
    elif part.class_name == "Msvm_MemorySettingData":
        if part["DynamicMemoryEnabled"] and machine.of(devices.CLASS):
            raise storage.failure(machine, part, devices.NO_DYNAMIC_MEMORY)
        if (
            part["DynamicMemoryEnabled"]
            and not part["Reservation"] <= part["VirtualQuantity"] <= part["Limit"]
        ):
            raise storage.failure(
                machine,
                part,
                "memory must be minimum ≤ startup ≤ maximum, got "
                f"{part['Reservation']}, {part['VirtualQuantity']}, {part['Limit']}",
            )
        if not part["MaxMemoryBlocksPerNumaNode"]:
            raise storage.failure(machine, part, NO_NODE)
        most = MOST_MEMORY_MB[machine.generation]
        if not 32 <= part["VirtualQuantity"] <= most or part["VirtualQuantity"] % 2:
            raise storage.failure(
                machine,
                part,
                f"{part['VirtualQuantity']} MB of memory, expected an even number from 32 to {most}",
            )
    elif part.class_name == "Msvm_ProcessorSettingData":
        if part["Reservation"] > part["Limit"]:
            raise storage.failure(
                machine, part, f"Reservation is {part['Reservation']}, above Limit, {part['Limit']}"
            )
        if not part["MaxProcessorsPerNumaNode"]:
            raise storage.failure(machine, part, NO_NODE)
        most = MOST_PROCESSORS[machine.generation]
        if not 1 <= part["VirtualQuantity"] <= most:
            raise storage.failure(
                machine, part, f"{part['VirtualQuantity']} processors, expected 1 to {most}"
            )


def numa_nodes(machine):
    """How many virtual NUMA nodes a machine has: as many as its processors and its memory take.

    Documented (Hyper-V Virtual NUMA Overview): it has one if its memory is dynamic.
    """
    (memory,) = machine.of("Msvm_MemorySettingData")
    (processors,) = machine.of("Msvm_ProcessorSettingData")
    if not machine.settings["VirtualNumaEnabled"] or memory["DynamicMemoryEnabled"]:
        return 1
    return max(
        -(-processors["VirtualQuantity"] // processors["MaxProcessorsPerNumaNode"]),
        -(-memory["VirtualQuantity"] // memory["MaxMemoryBlocksPerNumaNode"]),
    )


def _check_pipe(machine, port):
    for pipe in port["Connection"]:
        if pipe and not pipe_name(pipe):
            raise storage.failure(machine, port, rf"Connection is {pipe}, expected \\.\pipe\NAME")
        if pipe and len(pipe_name(pipe).encode()) > LONGEST_NAME:
            raise storage.failure(machine, port, f"a pipe with a name as long as {pipe} is not simulated")


def check_pipes(model, machine, prefix, changed=None):
    """Refuse a pipe that a port has open already (documented for CreateNamedPipe of a pipe with one instance;
    that those of serial ports have one is inferred from their having one port).

    :param changed: a port of the machine as it is to be; None: they are as they are
    :raises JobFailure:
    """
    ports = {port["InstanceID"]: port for port in machine.of(KINDS[SERIAL_PORT].class_name)}
    if changed:
        ports[changed["InstanceID"]] = changed
    wanted = [pipe for port in ports.values() for pipe in filter(None, port["Connection"] or ())]
    users = {
        pipe.lower(): other.name
        for other in (model.machines.values() if wanted else ())
        if other is not machine and other.is_active
        for port in other.of(KINDS[SERIAL_PORT].class_name)
        for pipe in filter(None, port["Connection"] or ())
    }
    for pipe in wanted:
        if user := users.get(pipe.lower()):
            raise JobFailure(f"{prefix} '{user}' has '{pipe}' open: {PIPE_BUSY}", FAILED)
        users[pipe.lower()] = machine.name


@provides(f"{SERVICE}.RemoveResourceSettings")
def remove_resource_settings(model, service, ResourceSettings):
    def work():
        for part in ResourceSettings or []:
            _remove(model, machine_of(model, part), part)

    affected = {
        machine.guid: machine.system
        for machine in (machine_of(model, part) for part in ResourceSettings or [])
    }
    return model.jobs.run(f"{SERVICE}.RemoveResourceSettings", list(affected.values()), work)


def _remove(model, machine, part):
    """What is in or on the removed device goes with it; a connection with its adapter is inferred (os-win
    removes the adapter only).
    """
    kind = KINDS[part["ResourceSubType"]]
    if kind.add is None:
        raise storage.failure(machine, part, "a machine cannot be without it", INVALID_PARAMETER)
    if part["InstanceID"] not in machine.parts:
        return  # it went with what it is in
    _check_hot(machine, part, kind)
    for child in storage.children(machine, part):
        if child["ResourceSubType"] != networking.CONNECTION:
            model.guesses.meet(guesses.REMOVED_WITH_CONTENT)
        _remove(model, machine, child)
    _discard(model, machine, part)
    switch_ports.update(model, machine)


def _discard(model, machine, part):
    storage.remove_boot_source(model, machine, part)
    networking.remove_features(model, part)
    if part["ResourceSubType"] == devices.SUB_TYPE:
        devices.release(model, machine, part)
    machine.discard(part)


def replace(model, machine, wanted):
    """Have a machine that does not run consist of these parts; they are checked when it starts.

    :param wanted: instances in the order in which they were added, with its InstanceIDs
    """
    kept = {part["InstanceID"] for part in wanted}
    for part in [part for identifier, part in machine.parts.items() if identifier not in kept]:
        _discard(model, machine, part)
    for part in wanted:
        present = machine.parts.get(part["InstanceID"])
        if present:
            present.update(**part.values)
            continue
        machine.add(part)
        if machine.generation == 2 and part["ResourceSubType"] in BOOTABLE:
            storage.add_boot_source(model, machine, part)
    machine.parts = {part["InstanceID"]: machine.parts[part["InstanceID"]] for part in wanted}


def _check_hot(machine, part, kind):
    if not machine.is_active:
        return
    ide = any(
        controller.path.lower() == (part["Parent"] or "").lower()
        for controller in machine.of(storage.RASD, storage.IDE)
    )
    if machine.generation not in kind.hot or ide:
        raise storage.failure(
            machine,
            part,
            f"it cannot be added or removed while the machine is {TITLES[machine.state]}, needs Off",
            INVALID_STATE,
        )
