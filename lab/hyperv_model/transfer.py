# SPDX-License-Identifier: Apache-2.0
"""A virtual machine as it travels from one host to another: its instances, and what of it runs."""

from lab.hyperv_model import power, storage, switch_ports, virtual_system
from lab.hyperv_model.cim import timestamp
from lab.hyperv_model.jobs import V2, JobFailure
from lab.hyperv_model.machine import VirtualMachine
from lab.hyperv_model.states import OFF, PAUSED, SAVED

REALIZED, PLANNED = "Msvm_ComputerSystem", "Msvm_PlannedComputerSystem"
TYPES = {REALIZED: virtual_system.REALIZED, PLANNED: virtual_system.PLANNED}
CONNECTION = "Msvm_EthernetPortAllocationSettingData"
DEFINES_STATE, METRIC, OF_METRIC = "Msvm_SettingsDefineState", "CIM_BaseMetricValue", "Msvm_MetricForME"


def told(model, machine):
    """A machine as JSON can carry it, with its metrics (documented: a move does not affect them)."""
    instances = settings_of(model, machine)
    paths = {instance.path.lower() for instance in (machine.system, *instances)}
    associations = {
        association.identity: association
        for instance in instances
        for association in model.store.associations(instance)
        if association.class_name != DEFINES_STATE
        and all(association[end.name].lower() in paths for end in association.definition.references)
    }
    return {
        "server": model.name,
        "guid": machine.guid,
        "name": machine.name,
        "system": machine.system.values,
        "instances": [
            [instance.class_name, instance.values] for instance in [*instances, *associations.values()]
        ],
        "switches": {
            path: model.store.at(path, V2)["ElementName"]
            for connection in machine.of(CONNECTION)
            for path in filter(None, connection["HostResource"] or ())
        },
        "processor": model.facts.processor,
        "state": machine.state,
        "key_protector": machine.key_protector,
        "on_time": machine.run.on_time if machine.run else None,
    }


def settings_of(model, machine):
    """What a machine consists of, apart from its system: setting data, its own first, and metrics."""
    prefix = f"microsoft:{machine.guid}".lower()
    found = [
        instance
        for class_name in ("CIM_SettingData", METRIC)
        for instance in model.store.of(V2, class_name)
        if (instance["InstanceID"] or "").lower().startswith(prefix)
    ]
    found.remove(machine.settings)
    return [machine.settings, *found]


def build(model, machine, class_name, resources):
    """Make the machine that another host told of; it is off.

    :param machine: what `told` returned there
    :param class_name: REALIZED or PLANNED
    :param resources: dict of InstanceID → HostResource that differ here
    :raises JobFailure: this host lacks a virtual switch
    """
    switches = {path: _switch(model, name) for path, name in machine["switches"].items()}

    def here(value):
        if isinstance(value, list):
            return [here(item) for item in value]
        there = f"\\\\{machine['server']}\\root\\"
        if isinstance(value, str) and value.lower().startswith(there.lower()):
            return switches.get(value) or f"\\\\{model.name}\\root\\{value[len(there) :]}"
        return value

    definition = model.store.definition(V2, class_name)
    values = {name: value for name, value in machine["system"].items() if name in definition.names}
    values |= {"CreationClassName": class_name, "EnabledState": OFF, "TimeOfLastStateChange": timestamp()}
    # Each is built before any is added: what cannot be built leaves nothing.
    system = model.store.build(V2, class_name, **values)
    instances = [system]
    for instance_class, values in machine["instances"]:
        if class_name == PLANNED and _is_of_metrics(model, instance_class):
            continue
        values = {name: here(value) for name, value in values.items()}
        if values.get("InstanceID") in resources:
            values["HostResource"] = resources[values["InstanceID"]]
        instances.append(model.store.build(V2, instance_class, **values))
    for instance in instances:
        model.store.insert(instance)
    settings = model.store.find(
        V2, "Msvm_VirtualSystemSettingData", {"InstanceID": f"Microsoft:{machine['guid']}"}
    )
    settings["VirtualSystemType"] = TYPES[class_name]
    model.store.add(V2, DEFINES_STATE, ManagedElement=system.path, SettingData=settings.path)
    built = VirtualMachine(model, system, settings)
    components = model.store.associators(settings, "Msvm_VirtualSystemSettingDataComponent")
    built.key_protector = machine["key_protector"]
    built.parts = {part["InstanceID"]: part for part in components}
    model.take(built)
    return built


def _is_of_metrics(model, class_name):
    """Nothing is measured of a planned machine, which never runs."""
    return class_name == OF_METRIC or model.store.definition(V2, class_name).is_a(METRIC)


def resume(model, built, machine):
    """Have a machine that was built be as it was: running, paused, saved or off.

    :raises JobFailure: this host cannot run it
    """
    state = machine["state"]
    if state == OFF:
        return
    if state != SAVED:
        power.admit(model, built)
    built.run = power.Run(model, built, machine["on_time"])
    if state == SAVED:
        built.run.save()
    elif state == PAUSED:
        built.run.pause()
    power.set_guest_service(model, built, present=state != SAVED)
    built.state = state
    switch_ports.update(model, built)


def check(model, machine, replaced=None):
    """Refuse a machine that this host could not have, whatever its disks.

    :param replaced: the planned machine that it is to become
    :raises JobFailure:
    """
    if model.machines.get(machine["guid"]) is not replaced:
        raise JobFailure(
            "The operation cannot be performed because a virtual machine with the same identifier already "
            f"exists: {machine['guid']}. ('0x800700B7')"
        )
    by_class = {}
    for class_name, values in machine["instances"]:
        by_class.setdefault(class_name, []).append(values)
    processor = by_class["Msvm_ProcessorSettingData"][0]
    if machine["on_time"] is not None and machine["processor"] != model.facts.processor:
        # Processor compatibility (documented): it hides what processors of one vendor differ in.
        vendors = {name.split()[0] for name in (machine["processor"], model.facts.processor)}
        if not processor["LimitProcessorFeatures"] or len(vendors) > 1:
            raise JobFailure(
                f"The virtual machine '{machine['name']}' is using processor-specific features not supported "
                f"on physical computer '{model.name}': it runs on a {machine['processor']}, there is a "
                f"{model.facts.processor}. ('0xC0351023')"
            )
    memory = by_class["Msvm_MemorySettingData"][0]["VirtualQuantity"]
    free = model.facts.free_memory_mb(model)
    if machine["state"] not in (OFF, SAVED) and memory > free:
        raise JobFailure(
            f"Not enough memory in the system to start the virtual machine {machine['name']} with ram size "
            f"{memory} megabytes: {free} are free. ('0x8007000E')"
        )
    for name in machine["switches"].values():
        _switch(model, name)


def check_disks(model, machine, resources, replaced=None):
    """Refuse a machine whose disks this host does not have.

    A planned machine need not have them yet (inferred: os-win makes it before they move).

    :param resources: as for build; their files come with the machine
    :param replaced: the planned machine that was told what disks of the other host are here
    :raises JobFailure:
    """
    for _, values in machine["instances"]:
        if values.get("ResourceSubType") == storage.PHYSICAL_DRIVE and not replaced:
            raise JobFailure(f"'{machine['name']}' has a disk of host '{machine['server']}'.")
        if values.get("ResourceSubType") in storage.EXTENSIONS and values["InstanceID"] not in resources:
            check_file(model, values["HostResource"][0])


def check_file(model, path):
    """:raises JobFailure: this host has no such file"""
    try:
        found = model.local_path(path).is_file()
    except OSError as error:
        raise JobFailure(f"Attachment '{path}' cannot be opened: {error}") from None
    if not found:
        raise JobFailure(f"Attachment '{path}' not found. {storage.FILE_NOT_FOUND}")


def _switch(model, name):
    found = model.store.of(V2, "Msvm_VirtualEthernetSwitch", ElementName=name)
    if not found:
        raise JobFailure(f"Could not find Ethernet switch '{name}' on '{model.name}'. ('0x80070490')")
    return found[0].path


def remove(model, machine):
    """Forget a machine; its files stay."""
    machine.unplug()
    machine.state = OFF
    switch_ports.update(model, machine)
    power.set_guest_service(model, machine, present=False)
    model.forget(machine)
    for instance in settings_of(model, machine):
        model.store.remove(instance)
    model.store.remove(machine.system)
