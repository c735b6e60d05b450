# SPDX-License-Identifier: Apache-2.0
"""Checkpoints, which WMI calls snapshots: a machine goes on with differencing disks, the former ones rest.

Deleting one merges: what was written since goes back into the disks of before. The job of DestroySnapshot
ends before that; the machine shows the differencing disks until the merge is done (inferred: Hyper-V Manager
says "Merging disks" of a machine whose checkpoint is gone already). One that has later ones goes alone: they
keep what they hold (documented for Remove-VMCheckpoint).
"""

import ntpath
import uuid

from lab.hyperv_model import errors, storage, vhd
from lab.hyperv_model.cim import timestamp
from lab.hyperv_model.errors import CimError
from lab.hyperv_model.jobs import INVALID_PARAMETER, INVALID_STATE, V2, JobFailure
from lab.hyperv_model.machine import machine_of
from lab.hyperv_model.providers import provides
from lab.hyperv_model.states import OFF, PAUSED, RUNNING, SAVED

SERVICE = "Msvm_VirtualSystemSnapshotService"
SNAPSHOT = "Microsoft:Hyper-V:Snapshot:Realized"
FULL = 2
MOST = 50  # documented: "Plan for Hyper-V scalability in Windows Server"
DISABLED = 2  # UserSnapshotType: no checkpoints of this machine (documented)
AUTOMATIC = {"vhd": "avhd", "vhdx": "avhdx", "avhd": "avhd", "avhdx": "avhdx"}
STATES = {RUNNING, OFF, SAVED, PAUSED}  # that CreateSnapshot takes (documented for Checkpoint-VM)


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
        if machine.of(storage.RASD, storage.PHYSICAL_DRIVE):
            # Documented: no checkpoints of machines with pass-through disks.
            raise JobFailure(f"'{machine.name}' has a physical disk, of which there are no checkpoints.")
        affected.append(_create(model, machine))
        return {"ResultingSnapshot": affected[-1].path}

    return model.jobs.run(f"{SERVICE}.CreateSnapshot", affected, work)


def _create(model, machine):
    layers = _add_layers(model, machine)
    guid = str(uuid.uuid4()).upper()
    now = timestamp()
    previous = of_machine(model, machine)
    snapshot = _copy(machine, machine.settings, guid)
    snapshot.update(
        ElementName=f"{machine.name} - ({now[:14]})",
        VirtualSystemType=SNAPSHOT,
        CreationTime=now,
        Parent=previous[-1].path if previous else None,
    )
    model.store.insert(snapshot)
    for part in machine.parts.values():
        twin = model.store.insert(_copy(machine, part, guid))
        model.store.add(
            V2,
            "Msvm_VirtualSystemSettingDataComponent",
            GroupComponent=snapshot.path,
            PartComponent=twin.path,
        )
    model.store.add(
        V2, "Msvm_SnapshotOfVirtualSystem", Antecedent=machine.system.path, Dependent=snapshot.path
    )
    for disk, layer in layers:
        disk["HostResource"] = [layer]
    return snapshot


def _add_layers(model, machine):
    """Make a differencing disk of each hard disk; all or none.

    :returns: list of (disk, path)
    """
    made = []
    for disk in machine.of(storage.SASD, storage.HARD_DISK):
        resting = disk["HostResource"][0]
        made.append((disk, _automatic(resting)))
        try:
            model.check_space()
            vhd.create_differencing(made[-1][1], resting, model.local_path)
        except (OSError, vhd.VirtualDiskError) as error:
            for _disk, layer in made:
                model.local_path(layer).unlink(missing_ok=True)
            raise JobFailure(
                f"Checkpoint operation for '{machine.name}' failed. '{resting}': {storage.reason(error)}"
            ) from None
    return made


def _automatic(path):
    """Where the differencing disk of a checkpoint is: beside its parent (inferred)."""
    folder, name = ntpath.split(path)
    stem, extension = ntpath.splitext(name)
    extension = "." + AUTOMATIC[extension.lower().removeprefix(".")]
    return ntpath.join(folder, f"{stem.partition('_')[0]}_{str(uuid.uuid4()).upper()}{extension}")


def _copy(machine, instance, guid):
    twin = instance.copy()
    for name in ("InstanceID", "Parent"):
        value = twin.values.get(name)
        if value:
            twin[name] = value.replace(machine.guid, guid)
    return twin


@provides(f"{SERVICE}.DestroySnapshot")
def destroy_snapshot(model, service, AffectedSnapshot):
    machine = _owner(model, AffectedSnapshot)
    if machine.state not in STATES:
        return {"ReturnValue": INVALID_STATE}

    def work():
        machine.check_there()
        if AffectedSnapshot not in of_machine(model, machine):
            raise JobFailure(f"The checkpoint '{AffectedSnapshot['ElementName']}' was deleted.")
        _remove(model, machine, AffectedSnapshot)
        model.jobs.after(model.jobs.seconds, lambda: _merge(model, machine))

    return model.jobs.run(f"{SERVICE}.DestroySnapshot", [machine.system], work)


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


def _remove(model, machine, snapshot):
    for later in of_machine(model, machine):
        if later["Parent"] == snapshot.path:
            later["Parent"] = snapshot["Parent"]
    prefix = snapshot["InstanceID"].lower() + "\\"
    for part in model.store.of(V2, "CIM_SettingData"):
        if (part["InstanceID"] or "").lower().startswith(prefix):
            model.store.remove(part)
    model.store.remove(snapshot)


def _merge(model, machine):
    """Merge each layer into the one below that neither the machine nor a checkpoint needs any more."""
    kept = [
        part
        for snapshot in of_machine(model, machine)
        for part in model.store.of(V2, storage.SASD, ResourceSubType=storage.HARD_DISK)
        if part["InstanceID"].startswith(snapshot["InstanceID"] + "\\")
    ]
    for disk in machine.of(storage.SASD, storage.HARD_DISK):
        above, path = None, disk["HostResource"][0]
        while path.lower().endswith((".avhd", ".avhdx")):
            parent = vhd.parent_of(model.local_path(path), path)
            if any(part["HostResource"][0].lower() == parent.lower() for part in kept):
                above, path = path, parent
                continue
            try:
                model.check_space()
                vhd.merge(path, model.local_path)
            except OSError as error:
                # The machine goes on with what it has (documented: event 19100).
                text = f"'{machine.name}' background disk merge failed to complete: {storage.reason(error)}"
                model.log(19100, "Error", text)
                return
            if above:
                vhd.reconnect(above, parent, model.local_path, merged=True)
            model.local_path(path).unlink()
            for part in (disk, *kept):
                if part["HostResource"][0].lower() == path.lower():
                    part["HostResource"] = [parent]
            path = parent
