# SPDX-License-Identifier: Apache-2.0
"""Exporting a machine to a folder, and importing one: first as a planned machine, which can be changed but
not started, until it is realized.

The folder is Hyper-V's (documented for Export-VM: ``Virtual Machines\\GUID.vmcx``, ``Virtual Hard Disks``);
what is in the .vmcx file is not: Microsoft's format is its own, this is text that says so.
"""

import contextlib
import json
import ntpath
import shutil
import uuid

from lab.hyperv_model import checkpoints, embedded, errors, networking, storage, vhd, virtual_system
from lab.hyperv_model.errors import CimError
from lab.hyperv_model.jobs import INVALID_PARAMETER, INVALID_STATE, V2, JobFailure
from lab.hyperv_model.machine import SERVICE, machine_of
from lab.hyperv_model.providers import provides
from lab.hyperv_model.states import OFF, SAVED

EXPORT_SETTINGS = "Msvm_VirtualSystemExportSettingData"
ALL_CHECKPOINTS, NO_CHECKPOINTS = 0, 1  # CopySnapshotConfiguration (documented)
KIND = "virtual machine exported by a simulated Hyper-V"


def install(model):
    """A machine's export settings come and go with it; see virtual_system."""


@provides(f"{SERVICE}.ExportSystemDefinition")
def export_system_definition(model, service, ComputerSystem, ExportDirectory, ExportSettingData):
    """Documented: the machine is off or saved."""
    machine = machine_of(model, ComputerSystem)
    settings = embedded.read(ExportSettingData, model.store, V2, EXPORT_SETTINGS)
    wanted = settings["CopySnapshotConfiguration"]
    if wanted not in (ALL_CHECKPOINTS, NO_CHECKPOINTS) or (
        wanted == ALL_CHECKPOINTS and checkpoints.of_machine(model, machine)
    ):
        raise CimError(errors.METHOD_NOT_IMPLEMENTED, "exporting a checkpoint is not simulated")
    if machine.state == SAVED:
        raise CimError(errors.METHOD_NOT_IMPLEMENTED, "exporting a saved state is not simulated")
    if machine.state != OFF:
        return {"ReturnValue": INVALID_STATE}
    folder = ExportDirectory
    if settings["CreateVmExportSubdirectory"]:
        folder = ntpath.join(folder, machine.name)
    return model.jobs.run(
        f"{SERVICE}.ExportSystemDefinition",
        [machine.system],
        lambda: _export(model, machine, folder, settings["CopyVmStorage"]),
    )


def _export(model, machine, folder, with_storage):
    file = ntpath.join(folder, "Virtual Machines", f"{machine.guid}.vmcx")
    if model.local_path(file).exists():
        raise JobFailure(f"'{machine.name}' cannot be exported: {file} exists. ('0x80070050')")
    instances = [machine.settings, *machine.parts.values(), *_features(model, machine)]
    moved = {}
    try:
        # What is there of an export that fails goes again (inferred: the next one finds no files of it).
        with contextlib.ExitStack() as on_error:
            model.check_space()
            for disk in machine.of(storage.SASD) if with_storage else ():
                to = ntpath.join(folder, "Virtual Hard Disks")
                _copy_disk(model, disk["HostResource"][0], to, moved, on_error)
            values = [[instance.class_name, _moved(dict(instance.values), moved)] for instance in instances]
            _make_folder(model, ntpath.dirname(file), on_error)
            on_error.callback(model.local_path(file).unlink, missing_ok=True)
            model.local_path(file).write_text(json.dumps({"kind": KIND, "instances": values}, indent=1))
            on_error.pop_all()
    except OSError as error:
        raise JobFailure(f"'{machine.name}' cannot be exported: {storage.reason(error)}") from None


def _features(model, machine):
    prefix = machine.settings["InstanceID"] + "\\"
    return [
        feature
        for feature in model.store.of(V2, "Msvm_FeatureSettingData")
        if feature["InstanceID"].startswith(prefix)
    ]


def _copy_disk(model, path, folder, moved, on_error):
    """Copy a disk and its parents, each once; a child is told where its parent is now."""
    if path in moved:
        return
    copy = ntpath.join(folder, ntpath.basename(path))
    _make_folder(model, folder, on_error)
    if model.local_path(copy).exists():
        raise JobFailure(f"'{path}' cannot be exported: {copy} exists. ('0x80070050')")
    moved[path] = copy
    on_error.callback(model.local_path(copy).unlink, missing_ok=True)
    model.check_space()
    shutil.copyfile(model.local_path(path), model.local_path(copy))
    with contextlib.suppress(vhd.VirtualDiskError):  # a DVD has no parents
        if parent := vhd.parent_of(model.local_path(path), path):
            _copy_disk(model, parent, folder, moved, on_error)
            vhd.reconnect(copy, moved[parent], model.local_path)


def _moved(values, moved):
    if values.get("HostResource"):
        values["HostResource"] = [moved.get(path, path) for path in values["HostResource"]]
    return values


def _make_folder(model, path, on_error):
    folder = model.local_path(path)
    missing = [each for each in (folder, *folder.parents) if not each.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    for each in reversed(missing):
        on_error.callback(each.rmdir)


@provides(f"{SERVICE}.ImportSystemDefinition")
def import_system_definition(
    model, service, SystemDefinitionFile, SnapshotFolder, GenerateNewSystemIdentifier
):
    """Documented: makes a planned machine, with the identifier that it had or a new one."""
    try:
        told = json.loads(model.local_path(SystemDefinitionFile).read_text())
    except OSError:
        return {"ReturnValue": INVALID_PARAMETER}
    except ValueError:
        told = {}
    if not isinstance(told, dict) or told.get("kind") != KIND:
        raise CimError(
            errors.METHOD_NOT_IMPLEMENTED,
            f"{SystemDefinitionFile} is not a {KIND}: what Hyper-V itself writes is not simulated",
        )
    return model.jobs.run(
        f"{SERVICE}.ImportSystemDefinition",
        [],
        lambda: _import(model, told["instances"], GenerateNewSystemIdentifier),
    )


def _import(model, instances, with_new_identifier):
    (_, settings), *parts = instances
    former = settings["VirtualSystemIdentifier"]
    guid = str(uuid.uuid4()).upper() if with_new_identifier else former
    if guid in model.machines:
        raise JobFailure(
            "The operation cannot be performed because a virtual machine with the same identifier already "
            f"exists: {guid}. Import the virtual machine again with a new identifier."
        )
    values = _renamed(settings, former, guid) | {"VirtualSystemType": virtual_system.PLANNED}
    machine = virtual_system.add_machine(model, "Msvm_PlannedComputerSystem", guid, values)
    for class_name, part in parts:
        instance = model.store.build(V2, class_name, **_renamed(part, former, guid))
        if instance.definition.is_a("CIM_ResourceAllocationSettingData"):
            machine.add(instance)
        else:
            model.store.insert(instance)
    return {"ImportedSystem": machine.system.path}


def _renamed(values, former, guid):
    """The values as they are of a machine with another GUID."""

    def renamed(value):
        if isinstance(value, list):
            return [renamed(item) for item in value]
        return value.replace(former, guid) if isinstance(value, str) else value

    return {name: renamed(value) for name, value in values.items()}


@provides(f"{SERVICE}.ValidatePlannedSystem")
def validate_planned_system(model, service, PlannedSystem):
    """Fails for what would keep the machine from starting here (documented), such as a missing disk."""
    machine = _planned(model, PlannedSystem)

    def work():
        for disk in machine.of(storage.SASD):
            storage.check_file(model, machine, disk)
        for connection in machine.of("Msvm_EthernetPortAllocationSettingData"):
            networking.check_connection(model, machine, connection)

    return model.jobs.run(f"{SERVICE}.ValidatePlannedSystem", [machine.system], work)


@provides(f"{SERVICE}.RealizePlannedSystem")
def realize_planned_system(model, service, PlannedSystem):
    machine = _planned(model, PlannedSystem)
    return model.jobs.run(
        f"{SERVICE}.RealizePlannedSystem",
        [machine.system],
        lambda: {"ResultingSystem": virtual_system.realize(model, machine).path},
    )


def _planned(model, system):
    if system.class_name != "Msvm_PlannedComputerSystem":
        raise CimError(errors.INVALID_PARAMETER, f"{system.path} is no planned virtual machine")
    return machine_of(model, system)
