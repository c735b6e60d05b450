# SPDX-License-Identifier: Apache-2.0
"""Checkpoints, which WMI calls snapshots: a machine goes on with differencing disks, the former ones rest.

They are a tree: each is based on the one that the machine was based on when it was taken (documented for
Msvm_VirtualSystemSettingData.Parent), which is the last that was taken or applied.

Deleting one merges: what was written since goes back into the disks of before. The job of DestroySnapshot
ends before that; the machine shows the differencing disks until the merge is done (inferred: Hyper-V Manager
says "Merging disks" of a machine whose checkpoint is gone already). One that has later ones goes alone: they
keep what they hold (documented for Remove-VMCheckpoint).
"""

import uuid

from lab.hyperv_model import (
    checkpoint_disks,
    devices,
    errors,
    networking,
    power,
    resources,
    security,
    storage,
    switch_ports,
)
from lab.hyperv_model.cim import timestamp
from lab.hyperv_model.errors import CimError
from lab.hyperv_model.jobs import INVALID_PARAMETER, INVALID_STATE, V2, JobFailure
from lab.hyperv_model.machine import Kept, machine_of
from lab.hyperv_model.providers import provides
from lab.hyperv_model.states import OFF, PAUSED, RUNNING, SAVED, TITLES

SERVICE = "Msvm_VirtualSystemSnapshotService"
SNAPSHOT = "Microsoft:Hyper-V:Snapshot:Realized"
PARENT_CHILD, MOST_CURRENT = "Msvm_ParentChildSettingData", "Msvm_MostCurrentSnapshotInBranch"
LAST_APPLIED, OF_SYSTEM = "Msvm_LastAppliedSnapshot", "Msvm_SnapshotOfVirtualSystem"
FULL = 2
MOST = 50  # documented: "Plan for Hyper-V scalability in Windows Server"
DISABLED, PRODUCTION_ONLY = 2, 4  # UserSnapshotType (documented): none of this machine, none with its memory
STATES = {RUNNING, OFF, SAVED, PAUSED}  # that CreateSnapshot takes (documented for Checkpoint-VM)
# Settings that a machine keeps when a checkpoint is applied: what it is, what it is called and where it is
# (inferred: of a checkpoint they are its own).
OWN_SETTINGS = {
    "InstanceID",
    "VirtualSystemIdentifier",
    "VirtualSystemType",
    "ConfigurationID",
    "ConfigurationFile",
    "ConfigurationDataRoot",
    "SnapshotDataRoot",
    "SuspendDataRoot",
    "SwapFileDataRoot",
    "LogDataRoot",
    "CreationTime",
    "ElementName",
    "Parent",
}


def install(model):
    model.store.add_service(V2, SERVICE, "vssnapsvc", "Hyper-V Snapshot Service")


def of_machine(model, machine):
    """Its checkpoints, the oldest first."""
    return model.store.of(
        V2,
        "Msvm_VirtualSystemSettingData",
        VirtualSystemType=SNAPSHOT,
        VirtualSystemIdentifier=machine.guid,
    )


@provides(f"{SERVICE}.CreateSnapshot")
def create_snapshot(model, service, AffectedSystem, SnapshotSettings, SnapshotType, ResultingSnapshot):
    """The job's affected elements include the new checkpoint (inferred: os-win takes it from there)."""
    if SnapshotType != FULL:
        return {"ReturnValue": INVALID_PARAMETER}
    if SnapshotSettings:
        raise CimError(errors.METHOD_NOT_IMPLEMENTED, "CreateSnapshot with SnapshotSettings is not simulated")
    machine = machine_of(model, AffectedSystem)
    if machine.system.class_name != "Msvm_ComputerSystem":
        raise CimError(errors.METHOD_NOT_IMPLEMENTED, "a checkpoint of a planned machine is not simulated")
    if machine.state not in STATES:
        return {"ReturnValue": INVALID_STATE}
    affected = [machine.system]

    def work():
        machine.check_there()
        if len(of_machine(model, machine)) >= MOST:
            raise JobFailure(f"'{machine.name}' has {MOST} checkpoints, which is the most.", INVALID_STATE)
        if machine.settings["UserSnapshotType"] == DISABLED:
            raise JobFailure(f"'{machine.name}' has checkpoints disabled.", INVALID_STATE)
        if machine.is_active and machine.settings["UserSnapshotType"] == PRODUCTION_ONLY:
            raise JobFailure(
                f"Checkpoint operation for '{machine.name}' failed: its guest has no backup service, which "
                "production checkpoints need."
            )
        if machine.is_active and machine.of(devices.CLASS):
            # Inferred: its memory, which belongs to the checkpoint, cannot be saved (documented for DDA).
            raise JobFailure(f"'{machine.name}' cannot be saved: a device of the host is assigned to it.")
        if machine.of(storage.RASD, storage.PHYSICAL_DRIVE):
            # Documented: no checkpoints of machines with pass-through disks.
            raise JobFailure(f"'{machine.name}' has a physical disk, of which there are no checkpoints.")
        affected.append(_create(model, machine))
        return {"ResultingSnapshot": affected[-1].path}

    return model.jobs.run(f"{SERVICE}.CreateSnapshot", affected, work)


def _create(model, machine):
    """A machine that is on is saved with its memory, as standard checkpoints are (documented); production
    ones, which Hyper-V tries first, need a service that no guest here has.
    """
    layers = checkpoint_disks.add_layers(model, machine, machine.of(storage.SASD, storage.HARD_DISK))
    guid = str(uuid.uuid4()).upper()
    now = timestamp()
    snapshot = _renamed(machine.settings, machine.guid, guid)
    snapshot.update(
        ElementName=f"{machine.name} - ({now[:14]})",
        VirtualSystemType=SNAPSHOT,
        CreationTime=now,
        IsSaved=machine.state != OFF,
    )
    model.store.insert(snapshot)
    for part in machine.parts.values():
        twin = model.store.insert(_renamed(part, machine.guid, guid))
        model.store.add(
            V2,
            "Msvm_VirtualSystemSettingDataComponent",
            GroupComponent=snapshot.path,
            PartComponent=twin.path,
        )
    for instance in _belongings(model, machine.settings):
        model.store.insert(_renamed(instance, machine.guid, guid))
    machine.kept[snapshot["InstanceID"]] = Kept(
        machine.run.on_time if machine.run else None, machine.key_protector
    )
    model.store.add(V2, OF_SYSTEM, Antecedent=machine.system.path, Dependent=snapshot.path)
    _base(model, machine, snapshot, machine.settings["Parent"])
    _base(model, machine, machine.settings, snapshot.path)
    for disk, layer in layers:
        disk["HostResource"] = [layer]
    return snapshot


def _renamed(instance, before, after):
    """A copy that belongs to the system with another GUID."""
    twin = instance.copy()
    for name in ("InstanceID", "Parent"):
        value = twin.values.get(name)
        if value:
            twin[name] = value.replace(before, after)
    return twin


def _belongings(model, settings):
    """The features of a system's ports, and its security settings."""
    prefix = settings["InstanceID"] + "\\"
    return [
        instance
        for class_name in ("Msvm_FeatureSettingData", security.SETTINGS)
        for instance in model.store.of(V2, class_name)
        if instance["InstanceID"].startswith(prefix)
    ]


def _base(model, machine, settings, parent):
    """Have the settings of a machine or a checkpoint be based on the checkpoint at a path, or on none."""
    settings["Parent"] = parent
    _have_one(model, settings, PARENT_CHILD, "Dependent", Antecedent=parent, Dependent=settings.path)
    if settings is machine.settings:
        ends = {"Antecedent": machine.system.path, "Dependent": parent}
        _have_one(model, machine.system, MOST_CURRENT, "Antecedent", **ends)


def _have_one(model, instance, class_name, role, **ends):
    """Put an association in the place of that which an instance has in a role; none if an end is None."""
    for association in model.store.references(instance, class_name, role):
        model.store.remove(association)
    if all(ends.values()):
        model.store.add(V2, class_name, **ends)


@provides(f"{SERVICE}.ApplySnapshot")
def apply_snapshot(model, service, Snapshot):
    """Documented: always a job; what the machine has of disks, memory and settings is lost, its checkpoints
    stay. That a machine which is on is refused is inferred: clients turn it off before.
    """
    machine = _owner(model, Snapshot)
    if machine.is_active:
        return {"ReturnValue": INVALID_STATE}

    def work():
        _check_there(model, machine, Snapshot)
        if machine.is_active:
            raise JobFailure(
                f"'{machine.name}' failed to apply a checkpoint: it is {TITLES[machine.state]}, needs Off.",
                INVALID_STATE,
            )
        _apply(model, machine, Snapshot)

    return model.jobs.run(f"{SERVICE}.ApplySnapshot", [machine.system], work)


def _apply(model, machine, snapshot):
    """The checkpoint's disks rest on, below new ones; those that the machine wrote to go (inferred: nothing
    is based on them). It is off then, or saved if the checkpoint has its memory (documented: standard ones).
    """
    guid = snapshot["InstanceID"].removeprefix("Microsoft:")
    components = model.store.associators(snapshot, "Msvm_VirtualSystemSettingDataComponent")
    parts = [_renamed(part, guid, machine.guid) for part in components]
    for part in parts:
        if part.definition.is_a(devices.CLASS) and part["InstanceID"] not in machine.parts:
            raise JobFailure("Giving a device back to a machine by ApplySnapshot is not simulated.")
    disks = [part for part in parts if part.values["ResourceSubType"] == storage.HARD_DISK]
    for disk, layer in checkpoint_disks.add_layers(model, machine, disks):
        disk["HostResource"] = [layer]
    left = [disk["HostResource"][0] for disk in machine.of(storage.SASD, storage.HARD_DISK)]
    resources.replace(model, machine, parts)
    _replace_belongings(
        model, machine, [_renamed(each, guid, machine.guid) for each in _belongings(model, snapshot)]
    )
    machine.settings.update(
        **{name: value for name, value in snapshot.values.items() if name not in OWN_SETTINGS}
    )
    _base(model, machine, machine.settings, snapshot.path)
    ends = {"Antecedent": snapshot.path, "Dependent": machine.system.path}
    _have_one(model, machine.system, LAST_APPLIED, "Dependent", **ends)
    checkpoint_disks.drop(model, _disks(model, machine), left)
    kept = machine.kept[snapshot["InstanceID"]]
    machine.key_protector = kept.key_protector
    machine.unplug()
    if snapshot["IsSaved"]:
        machine.run = power.Run(model, machine, kept.on_time)
        machine.run.save()
    machine.state = SAVED if snapshot["IsSaved"] else OFF
    machine.system["TimeOfLastConfigurationChange"] = timestamp()
    switch_ports.update(model, machine)


def _replace_belongings(model, machine, wanted):
    present = {instance.identity: instance for instance in _belongings(model, machine.settings)}
    kept = {instance.identity for instance in wanted}
    for identity, instance in present.items():
        if identity not in kept:
            networking.remove_features(model, instance)
            model.store.remove(instance)
    for instance in wanted:
        if instance.identity in present:
            present[instance.identity].update(**instance.values)
        else:
            model.store.insert(instance)


@provides(f"{SERVICE}.DestroySnapshot")
def destroy_snapshot(model, service, AffectedSnapshot):
    return _destroy(model, "DestroySnapshot", AffectedSnapshot, lambda: [AffectedSnapshot])


@provides(f"{SERVICE}.DestroySnapshotTree")
def destroy_snapshot_tree(model, service, SnapshotSettingData):
    """With all that are based on it (documented); the machine goes on as it is (inferred)."""
    return _destroy(
        model, "DestroySnapshotTree", SnapshotSettingData, lambda: _with_children(model, SnapshotSettingData)
    )


def _destroy(model, method, snapshot, all_of):
    machine = _owner(model, snapshot)
    if machine.state not in STATES:
        return {"ReturnValue": INVALID_STATE}

    def work():
        _check_there(model, machine, snapshot)
        for each in all_of():
            _remove(model, machine, each)
        model.jobs.after(model.jobs.seconds, lambda: _merge(model, machine))

    return model.jobs.run(f"{SERVICE}.{method}", [machine.system], work)


@provides(f"{SERVICE}.ClearSnapshotState")
def clear_snapshot_state(model, service, SnapshotSettingData):
    """Its memory goes, disks and settings stay (documented)."""
    machine = _owner(model, SnapshotSettingData)

    def work():
        _check_there(model, machine, SnapshotSettingData)
        SnapshotSettingData["IsSaved"] = False

    return model.jobs.run(f"{SERVICE}.ClearSnapshotState", [machine.system], work)


def destroy_all(model, machine):
    """What deleting a machine does with its checkpoints: they are merged at once (documented: its disks stay,
    as they were last).
    """
    for snapshot in reversed(of_machine(model, machine)):
        _remove(model, machine, snapshot)
    _merge(model, machine)


def rename(snapshot, changes):
    """ModifySystemSettings of a checkpoint changes what it is called, nothing else (inferred)."""
    fixed = sorted(changes.keys() - {"ElementName", "Notes"})
    if fixed:
        raise JobFailure(f"{', '.join(fixed)} of a checkpoint cannot be changed.", INVALID_PARAMETER)
    snapshot.update(**changes)


def _owner(model, snapshot):
    machine = model.machines.get(snapshot["VirtualSystemIdentifier"])
    if snapshot["VirtualSystemType"] != SNAPSHOT or machine is None:
        raise CimError(errors.INVALID_PARAMETER, f"{snapshot.path} is no checkpoint of a virtual machine")
    return machine


def _check_there(model, machine, snapshot):
    machine.check_there()
    if snapshot not in of_machine(model, machine):
        raise JobFailure(f"The checkpoint '{snapshot['ElementName']}' was deleted.")


def _with_children(model, snapshot):
    """A checkpoint and all that are based on it, each after those that are based on it."""
    children = model.store.associators(snapshot, PARENT_CHILD, role="Antecedent")
    later = [child for child in children if child["VirtualSystemType"] == SNAPSHOT]
    return [*(each for child in later for each in _with_children(model, child)), snapshot]


def _remove(model, machine, snapshot):
    for later in model.store.associators(snapshot, PARENT_CHILD, role="Antecedent"):
        _base(model, machine, later, snapshot["Parent"])
    files = [disk["HostResource"][0] for disk in checkpoint_disks.of_settings(model, [snapshot])]
    prefix = snapshot["InstanceID"].lower() + "\\"
    for part in model.store.of(V2, "CIM_SettingData"):
        if (part["InstanceID"] or "").lower().startswith(prefix):
            model.store.remove(part)
    model.store.remove(snapshot)
    del machine.kept[snapshot["InstanceID"]]
    checkpoint_disks.drop(model, _disks(model, machine), files)


def _merge(model, machine):
    checkpoint_disks.merge(model, machine, _disks(model, machine))


def _disks(model, machine):
    """The hard disks of a machine and of its checkpoints."""
    disks = machine.of(storage.SASD, storage.HARD_DISK)
    return [*disks, *checkpoint_disks.of_settings(model, of_machine(model, machine))]
