# SPDX-License-Identifier: Apache-2.0
"""Virtual machines: their definition and settings (Msvm_ComputerSystem, Msvm_VirtualSystemSettingData)."""

import uuid

from lab.hyperv_model import checkpoints, devices, embedded, errors, resources, storage
from lab.hyperv_model.cim import timestamp
from lab.hyperv_model.errors import CimError
from lab.hyperv_model.jobs import INVALID_PARAMETER, INVALID_STATE, V2, JobFailure
from lab.hyperv_model.machine import GENERATIONS, HEALTHY, SERVICE, VirtualMachine, machine_of
from lab.hyperv_model.providers import provides
from lab.hyperv_model.states import OFF, SAVED, TITLES

REALIZED, PLANNED = "Microsoft:Hyper-V:System:Realized", "Microsoft:Hyper-V:System:Planned"
DEFAULT_ROOT = r"C:\ProgramData\Microsoft\Windows\Hyper-V"
LONGEST_NAME = 100  # documented: Msvm_VirtualSystemCapabilities.MaxElementNameLen
VM_VERSION = "10.0"  # what Windows Server 2022 gives new machines (documented)

# documented: Set-VMFirmware's templates
SECURE_BOOT_TEMPLATES = {
    "MicrosoftWindows": "1734c6e8-3154-4dda-ba5f-a874cc483422",
    "MicrosoftUEFICertificateAuthority": "272e7447-90a4-4563-a4b9-8e4ab00526ce",
}

# Settings that ModifySystemSettings changes only while the machine is off or saved (inferred from what
# Hyper-V Manager greys out); all others change at any time.
OFFLINE_SETTINGS = {
    "ConfigurationDataRoot",
    "SuspendDataRoot",
    "SwapFileDataRoot",
    "VirtualNumaEnabled",
    "SecureBootEnabled",
    "SecureBootTemplateId",
    "BootOrder",
    "BIOSNumLock",
    "ChassisAssetTag",
}
FIXED_SETTINGS = {
    "InstanceID",
    "VirtualSystemIdentifier",
    "ConfigurationID",
    "VirtualSystemType",
    "VirtualSystemSubType",
    "CreationTime",
    "ConfigurationFile",
    "Version",  # inferred: what changes it is UpgradeSystemVersion
    "Parent",
}
# What these settings can be (documented on the class's page).
VALUES = {
    "AutomaticStartupAction": range(2, 5),
    "AutomaticShutdownAction": range(2, 5),
    "AutomaticRecoveryAction": range(2, 5),
    "AutomaticCriticalErrorAction": range(2),
    "ConsoleMode": range(4),
    "UserSnapshotType": range(2, 6),
}
BOOT_DEVICES, BOOT_ORDER_LENGTH = range(5), 4  # documented for BootOrder; each of its values differs


def install(model):
    model.store.add_service(V2, SERVICE, "vmms", "Hyper-V Virtual Machine Management")
    for name, template in SECURE_BOOT_TEMPLATES.items():
        # Found by their names (inferred: os-win does); the key is this model's own.
        model.store.add(
            V2,
            "Msvm_VirtualSystemSettingData",
            InstanceID=f"Microsoft:Definition\\{name}",
            ElementName=name,
            SecureBootTemplateId=template,
        )


@provides(f"{SERVICE}.DefineSystem")
def define_system(model, service, SystemSettings, ResourceSettings, ReferenceConfiguration):
    """Documented: what is left out gets defaults; memory, processor, controllers and ports come with it."""
    if ReferenceConfiguration or ResourceSettings:
        raise CimError(
            errors.METHOD_NOT_IMPLEMENTED,
            "DefineSystem with ResourceSettings or ReferenceConfiguration is not simulated",
        )
    wanted = embedded.read(SystemSettings, model.store, V2, "Msvm_VirtualSystemSettingData")
    sub_type = wanted["VirtualSystemSubType"] or "Microsoft:Hyper-V:SubType:1"
    if (
        sub_type not in GENERATIONS
        or (wanted["SecureBootEnabled"] and GENERATIONS[sub_type] == 1)
        or _template_problem(wanted["SecureBootTemplateId"], GENERATIONS[sub_type])
        or _value_problem(wanted.values)
        or len(wanted["ElementName"] or "") > LONGEST_NAME
    ):
        return {"ReturnValue": INVALID_PARAMETER}
    affected = []

    def work():
        # The job tells of it (inferred: RealizePlannedSystem's does, by its page).
        affected.append(_define(model, wanted, sub_type))
        return {"ResultingSystem": affected[-1].path}

    return model.jobs.run(f"{SERVICE}.DefineSystem", affected, work)


def _define(model, wanted, sub_type):
    guid = str(uuid.uuid4()).upper()
    now = timestamp()
    root = wanted["ConfigurationDataRoot"] or DEFAULT_ROOT
    generation = GENERATIONS[sub_type]
    values = {
        "Caption": "Virtual Machine Settings",
        "Description": "Active settings for the virtual machine (simulated).",
        "ElementName": "New Virtual Machine",
        "AutomaticStartupAction": 2,
        "AutomaticShutdownAction": 3,
        "AutomaticRecoveryAction": 2,
        "AutomaticStartupActionDelay": "00000000000000.000000:000",
        "SnapshotDataRoot": root,
        "SuspendDataRoot": root,
        "SwapFileDataRoot": root,
        "LogDataRoot": root,
        "VirtualNumaEnabled": True,
        "UserSnapshotType": 3,
        "BootOrder": [1, 2, 3, 0],
        "BootSourceOrder": [],
        "SecureBootEnabled": generation == 2,
        "AllowFullSCSICommandSet": False,
        "BIOSNumLock": False,
        "Notes": [],
        **{
            name: value
            for name, value in wanted.values.items()
            if value is not None and name not in FIXED_SETTINGS
        },
        "InstanceID": f"Microsoft:{guid}",
        "VirtualSystemIdentifier": guid,
        "ConfigurationID": guid,
        "VirtualSystemType": REALIZED,
        "VirtualSystemSubType": sub_type,
        "CreationTime": now,
        "Version": VM_VERSION,
        "ConfigurationDataRoot": root,
        "ConfigurationFile": rf"Virtual Machines\{guid}.vmcx",
        "IsSaved": False,
        "BIOSGUID": f"{{{guid}}}",
        "Architecture": "x64",
    }
    machine = add_machine(model, "Msvm_ComputerSystem", guid, values)
    resources.equip(model, machine)
    return machine.system


def add_machine(model, class_name, guid, values):
    """Add a machine without resources.

    :param class_name: Msvm_ComputerSystem or Msvm_PlannedComputerSystem
    :param values: of its Msvm_VirtualSystemSettingData
    """
    system = _add_system(model, class_name, guid, values["ElementName"])
    settings = model.store.add(V2, "Msvm_VirtualSystemSettingData", **values)
    model.store.add(V2, "Msvm_SettingsDefineState", ManagedElement=system.path, SettingData=settings.path)
    model.store.add(
        V2,
        "Msvm_SecuritySettingData",
        InstanceID=f"Microsoft:{guid}\\{uuid.uuid4()}".upper().replace("MICROSOFT", "Microsoft"),
        ElementName="Security Settings",
    )
    model.store.add(V2, "Msvm_VirtualSystemExportSettingData", InstanceID=f"Microsoft:{guid}")
    machine = VirtualMachine(model, system, settings)
    model.take(machine)
    return machine


def realize(model, machine):
    """Make a planned machine one that can be started.

    :returns: its Msvm_ComputerSystem
    """
    model.store.remove(machine.system)
    machine.system = _add_system(model, "Msvm_ComputerSystem", machine.guid, machine.name)
    machine.settings["VirtualSystemType"] = REALIZED
    model.store.add(
        V2,
        "Msvm_SettingsDefineState",
        ManagedElement=machine.system.path,
        SettingData=machine.settings.path,
    )
    return machine.system


def _add_system(model, class_name, guid, name):
    now = timestamp()
    system = model.store.add(
        V2,
        class_name,
        CreationClassName=class_name,
        Name=guid,
        Caption="Virtual Machine",
        Description="Microsoft Virtual Computer System (simulated)",
        ElementName=name,
        InstallDate=now,
        **HEALTHY,
        EnabledState=OFF,
        RequestedState=12,
        TimeOfLastStateChange=now,
        OnTimeInMilliseconds=0,
    )
    if class_name == "Msvm_ComputerSystem":
        system.update(TimeOfLastConfigurationChange=now, NumberOfNumaNodes=1, EnhancedSessionModeState=3)
    return system


@provides(f"{SERVICE}.ModifySystemSettings")
def modify_system_settings(model, service, SystemSettings):
    wanted = embedded.read(SystemSettings, model.store, V2, "Msvm_VirtualSystemSettingData")
    current = model.store.find(V2, "Msvm_VirtualSystemSettingData", {"InstanceID": wanted["InstanceID"]})
    changes = {
        name: value
        for name, value in wanted.values.items()
        if value is not None and value != current.values[name]
    }
    method = f"{SERVICE}.ModifySystemSettings"
    if current["VirtualSystemType"] == checkpoints.SNAPSHOT:
        return model.jobs.run(method, [], lambda: checkpoints.rename(current, changes))
    machine = machine_of(model, current)
    return model.jobs.run(method, [machine.system], lambda: _modify(model, machine, changes))


def _modify(model, machine, changes):
    fixed = sorted(FIXED_SETTINGS & changes.keys())
    if fixed:
        raise JobFailure(
            f"'{machine.name}' failed to modify settings: {', '.join(fixed)} cannot be changed.",
            INVALID_PARAMETER,
        )
    offline = sorted(OFFLINE_SETTINGS & changes.keys())
    if offline and machine.state not in (OFF, SAVED):
        raise JobFailure(
            f"'{machine.name}' failed to modify settings. {', '.join(offline)} cannot be changed while the "
            f"virtual machine is {TITLES[machine.state]}, needs Off.",
            INVALID_STATE,
        )
    if len(changes.get("ElementName", "")) > LONGEST_NAME:
        raise JobFailure(
            f"'{machine.name}' failed to modify settings. ElementName has {len(changes['ElementName'])} "
            f"characters, expected at most {LONGEST_NAME}.",
            INVALID_PARAMETER,
        )
    if machine.generation == 1 and changes.get("SecureBootEnabled"):
        # documented: secure boot is one of what generation 2 has and generation 1 has not
        raise JobFailure(
            f"'{machine.name}' failed to modify settings. A virtual machine of generation 1 has no "
            "secure boot.",
            INVALID_PARAMETER,
        )
    template = changes.get("SecureBootTemplateId")
    if problem := _template_problem(template, machine.generation) or _value_problem(changes):
        raise JobFailure(f"'{machine.name}' failed to modify settings. {problem}.", INVALID_PARAMETER)
    if changes.get("AutomaticShutdownAction") == devices.SAVE and machine.of(devices.CLASS):
        raise JobFailure(
            f"'{machine.name}' failed to modify settings: {devices.NOT_SAVED}.", INVALID_PARAMETER
        )
    if "BootSourceOrder" in changes:
        changes["BootSourceOrder"] = _boot_sources(machine, changes["BootSourceOrder"])
    machine.settings.update(**changes)
    if "ElementName" in changes:
        machine.system["ElementName"] = changes["ElementName"]
    if machine.settings["VirtualSystemType"] == REALIZED:
        machine.system["TimeOfLastConfigurationChange"] = timestamp()


def _template_problem(template, generation):
    """What keeps a machine from having a template of secure boot: generation 1 has none (documented for
    Set-VMFirmware); that one which this host does not have is refused is inferred from the host's having any.
    """
    if template and generation == 1:
        return "A virtual machine of generation 1 has no template of secure boot"
    if template and template.lower() not in SECURE_BOOT_TEMPLATES.values():
        return f"There is no template of secure boot {template}"
    return None


def _value_problem(values):
    for name, allowed in VALUES.items():
        if values.get(name) is not None and values[name] not in allowed:
            return f"{name} is {values[name]}, expected {allowed[0]} to {allowed[-1]}"
    order = values.get("BootOrder")
    if order is not None and (len({*order} & {*BOOT_DEVICES}), len(order)) != (BOOT_ORDER_LENGTH,) * 2:
        return f"BootOrder is {order}, expected {BOOT_ORDER_LENGTH} different devices"
    return None


def _boot_sources(machine, wanted):
    """The known boot sources in the wanted order; paths are compared regardless of case (os-win
    upper-cases).
    """
    known = {path.upper(): path for path in machine.settings["BootSourceOrder"]}
    if sorted(path.upper() for path in wanted) != sorted(known):
        raise JobFailure(
            f"'{machine.name}' failed to modify settings. BootSourceOrder must name each of its "
            f"{len(known)} boot sources once.",
            INVALID_PARAMETER,
        )
    return [known[path.upper()] for path in wanted]


@provides(f"{SERVICE}.DestroySystem")
def destroy_system(model, service, AffectedSystem):
    """Documented: the files of its virtual disks stay."""
    machine = machine_of(model, AffectedSystem)
    if machine.state not in (OFF, SAVED):
        return {"ReturnValue": INVALID_STATE}
    system = machine.system

    def work():
        machine.check_there()
        if machine.system is not system:
            raise JobFailure(f"'{machine.name}' is a planned virtual machine no longer.", INVALID_STATE)
        _destroy(model, machine)

    return model.jobs.run(f"{SERVICE}.DestroySystem", [system], work)


def _has_own_disks(model, machine):
    """Whether its differencing disks may be merged: a planned machine's are those of the one it was exported
    from, or of the export, and an imported one's may be (inferred: neither is spoilt).
    """
    own = (path.lower() for path in storage.disk_paths(machine))
    layers = {path for path in own if path.endswith((".avhd", ".avhdx"))}
    return machine.system.class_name == "Msvm_ComputerSystem" and not any(
        layers.intersection(path.lower() for path in storage.disk_paths(other))
        for other in (model.machines.values() if layers else ())
        if other is not machine
    )


def _destroy(model, machine):
    if machine.is_active:
        raise JobFailure(
            f"'{machine.name}' cannot be deleted: it is {TITLES[machine.state]}, needs Off.", INVALID_STATE
        )
    if checkpoints.of_machine(model, machine) or _has_own_disks(model, machine):
        checkpoints.destroy_all(model, machine)
    for part in machine.of(devices.CLASS):
        devices.release(model, machine, part)
    model.forget(machine)
    prefix = f"microsoft:{machine.guid}".lower()
    for class_name in ("CIM_SettingData", "CIM_BaseMetricValue"):
        for instance in model.store.of(V2, class_name):
            if (instance["InstanceID"] or "").lower().startswith(prefix):
                model.store.remove(instance)
    model.store.remove(machine.system)
