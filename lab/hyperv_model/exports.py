# SPDX-License-Identifier: Apache-2.0
"""Exporting a machine to a folder, and importing one: first as a planned machine, which can be changed but
not started, until it is realized.

The folder is Hyper-V's (documented for Export-VM: ``Virtual Machines\\GUID.vmcx``, ``Virtual Hard Disks``);
what is in the .vmcx file is not: Microsoft's format is its own, this is text that says so.
"""

import contextlib
import json
import ntpath
import re
import uuid

from lab.hyperv_model import checkpoints, embedded, errors, networking, storage, transfer, vhd, virtual_system
from lab.hyperv_model.errors import CimError
from lab.hyperv_model.jobs import INVALID_PARAMETER, INVALID_STATE, V2, JobFailure
from lab.hyperv_model.machine import EXPORTING, SERVICE, machine_of
from lab.hyperv_model.providers import provides
from lab.hyperv_model.states import OFF, PAUSED, RUNNING, SAVED

EXPORT_SETTINGS = "Msvm_VirtualSystemExportSettingData"
ALL_CHECKPOINTS, NO_CHECKPOINTS = 0, 1  # CopySnapshotConfiguration (documented)
CRASH_CONSISTENT = 0  # CaptureLiveState (documented)
KIND = "virtual machine exported by a simulated Hyper-V"
NO_FILE_NAME = re.compile(r'[<>:"/\\|?*\x00-\x1f]|^[. ]*$')  # documented: Naming Files, Paths, and Namespaces
# What may name a machine's GUID and is yet not about its identity.
NOT_IDENTITY = {
    "HostResource",
    "ElementName",
    "Notes",
    "Connection",
    "ConfigurationDataRoot",
    "SnapshotDataRoot",
    "SuspendDataRoot",
    "SwapFileDataRoot",
    "LogDataRoot",
}


def install(model):
    """A machine's export settings come and go with it; see virtual_system."""


@provides(f"{SERVICE}.ExportSystemDefinition")
def export_system_definition(model, service, ComputerSystem, ExportDirectory, ExportSettingData):
    """The method's page has the machine off or saved; the settings' page and Export-VM's say what is captured
    of one that runs (documented). Here that is its disks as they are, or refused.
    """
    machine = machine_of(model, ComputerSystem)
    settings = embedded.read(ExportSettingData, model.store, V2, EXPORT_SETTINGS)
    drive, path = ntpath.splitdrive(ExportDirectory or "")
    if not drive or (drive.endswith(":") and not path.startswith(("\\", "/"))):
        return {"ReturnValue": INVALID_PARAMETER}  # documented: a fully qualified path
    wanted = settings["CopySnapshotConfiguration"]
    if wanted not in (ALL_CHECKPOINTS, NO_CHECKPOINTS) or (
        wanted == ALL_CHECKPOINTS and checkpoints.of_machine(model, machine)
    ):
        raise CimError(errors.METHOD_NOT_IMPLEMENTED, "exporting a checkpoint is not simulated")
    if settings["ExcludedVirtualHardDisks"]:
        raise CimError(errors.METHOD_NOT_IMPLEMENTED, "exporting without some of the disks is not simulated")
    if machine.system.class_name == transfer.PLANNED:
        raise CimError(errors.METHOD_NOT_IMPLEMENTED, "exporting a planned machine is not simulated")
    if machine.state not in (OFF, SAVED, RUNNING, PAUSED):
        return {"ReturnValue": INVALID_STATE}
    if machine.state != OFF and (machine.state == SAVED or settings["CaptureLiveState"] != CRASH_CONSISTENT):
        raise CimError(errors.METHOD_NOT_IMPLEMENTED, "exporting a saved state is not simulated")
    with_subfolder, with_storage = settings["CreateVmExportSubdirectory"], settings["CopyVmStorage"]

    def work(progress):
        with machine.during(EXPORTING):
            progress.pass_time()
            with model.lock:
                machine.check_there()
                told = json.loads(json.dumps(transfer.told(model, machine)))
                disks = [disk["HostResource"][0] for disk in machine.of(storage.SASD) if with_storage]
            _export(model, told, disks, _folder(told, ExportDirectory, with_subfolder), progress)

    return model.jobs.run_apart(f"{SERVICE}.ExportSystemDefinition", [machine.system], work)


def _folder(told, folder, with_subfolder):
    if with_subfolder and NO_FILE_NAME.search(told["name"]):
        raise _failure(told, f"its name names no folder. {storage.INVALID_NAME}")
    return ntpath.join(folder, told["name"]) if with_subfolder else folder


def _export(model, told, disks, folder, progress):
    file = ntpath.join(folder, "Virtual Machines", f"{told['guid']}.vmcx")
    told["state"], told["on_time"], moved = OFF, None, {}
    _, settings = told["instances"][0]
    settings["Parent"] = None  # no checkpoint goes with it

    def check():
        progress.check()
        model.check_space()

    try:
        # What is there of an export that fails goes again (inferred: the next one finds no files of it).
        with contextlib.ExitStack() as on_error:
            check()
            if model.local_path(file).exists():
                raise _failure(told, f"{file} exists. ('0x80070050')")
            for disk in disks:
                to = ntpath.join(folder, "Virtual Hard Disks")
                _copy_disk(model, told, disk, to, moved, on_error, check)
            for _, values in told["instances"]:
                if values.get("HostResource"):
                    values["HostResource"] = [moved.get(path, path) for path in values["HostResource"]]
            _make_folder(model, ntpath.dirname(file), on_error)
            on_error.callback(model.local_path(file).unlink, missing_ok=True)
            model.local_path(file).write_text(json.dumps({"kind": KIND, "machine": told}, indent=1))
            progress.pass_point_of_no_return()
            on_error.pop_all()
    except OSError as error:
        raise _failure(told, storage.reason(error)) from None


def _failure(told, reason):
    return JobFailure(f"'{told['name']}' cannot be exported: {reason}")


def _copy_disk(model, told, path, folder, moved, on_error, check):
    """Copy a disk and its parents, each once; a child is told where its parent is now."""
    if path in moved:
        return
    copy = ntpath.join(folder, ntpath.basename(path))
    _make_folder(model, folder, on_error)
    if model.local_path(copy).exists():
        raise _failure(told, f"'{path}': {copy} exists. ('0x80070050')")
    moved[path] = copy
    on_error.callback(model.local_path(copy).unlink, missing_ok=True)
    storage.copy_file(model.local_path(path), model.local_path(copy), check)
    with contextlib.suppress(vhd.VirtualDiskError):  # a DVD has no parents
        if parent := vhd.parent_of(model.local_path(path), path):
            _copy_disk(model, told, parent, folder, moved, on_error, check)
            vhd.reconnect(copy, moved[parent], model.local_path)


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
    """Documented: makes a planned machine, with the identifier that it had or a new one. The job's affected
    elements include it (inferred from what Microsoft's samples read of RealizePlannedSystem's).
    """
    try:
        told = json.loads(model.local_path(SystemDefinitionFile).read_text())
    except OSError:
        return {"ReturnValue": INVALID_PARAMETER}
    except ValueError:
        told = {}
    if not isinstance(told, dict) or told.get("kind") != KIND or not isinstance(told.get("machine"), dict):
        raise CimError(
            errors.METHOD_NOT_IMPLEMENTED,
            f"{SystemDefinitionFile} is not a {KIND}: what Hyper-V itself writes is not simulated",
        )
    affected = []

    def work():
        affected.append(_import(model, told["machine"], GenerateNewSystemIdentifier).system)
        return {"ImportedSystem": affected[-1].path}

    return model.jobs.run(f"{SERVICE}.ImportSystemDefinition", affected, work)


def _import(model, told, with_new_identifier):
    if with_new_identifier:
        told = _renamed(told, told["guid"], str(uuid.uuid4()).upper())
        for _, values in told["instances"]:
            if values.get("ResourceSubType") in networking.ADAPTERS and not values["StaticMacAddress"]:
                # Another machine gets dynamic addresses of its own (inferred: they are unique on a host).
                values["Address"] = networking.NO_ADDRESS
    if told["guid"] in model.machines:
        raise JobFailure(
            "The operation cannot be performed because a virtual machine with the same identifier already "
            f"exists: {told['guid']}. Import the virtual machine again with a new identifier."
        )
    # A switch of another host is the one of that name here; one that is missing keeps the machine from being
    # realized, not from being planned (inferred: a client has to be able to connect it elsewhere).
    names = {switch["ElementName"] for switch in model.store.of(V2, "Msvm_VirtualEthernetSwitch")}
    told["switches"] = {
        path: name for path, name in told["switches"].items() if name in names and not _is_here(model, path)
    }
    return transfer.build(model, told, transfer.PLANNED, {})


def _is_here(model, path):
    try:
        return bool(model.store.at(path, V2))
    except CimError:
        return False


def _renamed(value, former, guid):
    """What is told of a machine, as it is of one with another GUID."""
    if isinstance(value, dict):
        return {
            name: item if name in NOT_IDENTITY else _renamed(item, former, guid)
            for name, item in value.items()
        }
    if isinstance(value, list):
        return [_renamed(item, former, guid) for item in value]
    return value.replace(former, guid) if isinstance(value, str) else value


@provides(f"{SERVICE}.ValidatePlannedSystem")
def validate_planned_system(model, service, PlannedSystem):
    machine = _planned(model, PlannedSystem)
    method = f"{SERVICE}.ValidatePlannedSystem"
    return model.jobs.run(method, [machine.system], lambda: _validate(model, machine))


def _validate(model, machine):
    """Fails for what would keep the machine from starting here (documented), such as a missing disk."""
    machine.check_there()
    if machine.system.class_name != transfer.PLANNED:
        raise JobFailure(f"'{machine.name}' is a planned virtual machine no longer.", INVALID_STATE)
    for disk in machine.of(storage.SASD):
        storage.check_file(model, machine, disk)
    for connection in machine.of(transfer.CONNECTION):
        networking.check_connection(model, machine, connection)


@provides(f"{SERVICE}.RealizePlannedSystem")
def realize_planned_system(model, service, PlannedSystem):
    """Validates the machine first; what it becomes is an affected element of the job (both documented)."""
    machine = _planned(model, PlannedSystem)
    affected = [machine.system]

    def work():
        _validate(model, machine)
        affected.append(virtual_system.realize(model, machine))
        return {"ResultingSystem": affected[-1].path}

    return model.jobs.run(f"{SERVICE}.RealizePlannedSystem", affected, work)


def _planned(model, system):
    if system.class_name != transfer.PLANNED:
        raise CimError(errors.INVALID_PARAMETER, f"{system.path} is no planned virtual machine")
    return machine_of(model, system)
