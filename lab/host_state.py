# SPDX-License-Identifier: Apache-2.0
"""What a simulated host's Hyper-V has, as a file: saved, loaded into another process of the host, compared.

``python -m lab.windows_host … --state FILE`` loads FILE, if it is there, and saves to it when the host ends
and at SIGUSR1. ``python -m lab.host_state BEFORE AFTER`` prints what differs, a line each, and ends with 1 if
anything does. The rest of a host (C:\\, registry with services' configurations, accounts, event logs) is in
its folder anyway.

The file is JSON::

    {"kind": "state of a simulated Hyper-V host", "version": 2, "host": "HV1",
     "instances": {"root/virtualization/v2": {object path: {"ElementName": …, …}, …}, …},
     "machines": [{"guid": …, "parts": [InstanceID, …], "on_time": seconds or null, "key_protector": …,
                   "checkpoints": {InstanceID: [seconds or null, key protector], …}}, …],
     "services": {"nova-compute": {"state": "running", "start_mode": "auto"}, …}}

``instances`` are those of NAMESPACES, ``services`` are there to be compared. Jobs are not in it, nor disks of
iSCSI, Fibre Channel and attached files, which a host loses with its process.
"""

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lab.hyperv_model import Model, transfer
from lab.hyperv_model.cim import Instance, parse_path
from lab.hyperv_model.errors import CimError
from lab.hyperv_model.jobs import STATE_RUNNING, V2, JobFailure
from lab.hyperv_model.machine import Kept, VirtualMachine
from lab.hyperv_model.states import OFF, PAUSED, RUNNING, SAVED, TITLES
from lab.windows_sandbox.services.controller import ServiceController

KIND, VERSION = "state of a simulated Hyper-V host", 2
NAMESPACES = (V2, "root/MicrosoftDNS", "root/MSCluster")
# What comes with a process of the host: its jobs, its disks, what runs of machines.
TRANSIENT = ("Msvm_ConcreteJob", "Msvm_AffectedJobElement", "Msvm_DiskDrive", "Msvm_ShutdownComponent")


class StateError(Exception):
    """A state that cannot be saved or loaded; the message is one line for the user."""


def save(path: Path, model: Model, services: ServiceController) -> None:
    """Write the state of a host to `path`; StateError while something is under way."""
    with model.lock:
        _check_rest(model)
        state = {
            "kind": KIND,
            "version": VERSION,
            "host": model.name,
            "instances": {
                namespace: {each.path: each.values for each in _lasting(model, namespace)}
                for namespace in NAMESPACES
            },
            "machines": [_told(machine) for machine in model.machines.values()],
            "services": {
                name: {
                    "state": services.query(name).state,
                    "start_mode": services.installed.read(name).start_mode,
                }
                for name in services.installed.names()
            },
        }
        text = json.dumps(state, indent=1)
    new = path.with_name(path.name + ".new")
    new.write_text(text)
    new.replace(path)


def _check_rest(model: Model) -> None:
    for job in model.store.of(V2, "Msvm_ConcreteJob"):
        if job["JobState"] == STATE_RUNNING:
            raise StateError(f"cannot save the state of {model.name}: {job['Caption']} runs")
    for machine in model.machines.values():
        if machine.state not in (OFF, SAVED, PAUSED, RUNNING):
            raise StateError(
                f"cannot save the state of {model.name}: {machine.name} is {TITLES[machine.state]}"
            )


def _lasting(model: Model, namespace: str) -> Iterator[Instance]:
    ports = {port.identity for machine in model.machines.values() for port in machine.switch_ports}
    for instance in model.store.all(namespace):
        if instance.class_name not in TRANSIENT and instance.identity not in ports:
            yield instance


def _told(machine: VirtualMachine) -> dict[str, Any]:
    return {
        "guid": machine.guid,
        "parts": list(machine.parts),
        "on_time": machine.run.on_time if machine.run else None,
        "key_protector": machine.key_protector,
        "checkpoints": machine.kept,
    }


def read(path: Path) -> dict[str, Any]:
    """Return the state in a file; StateError if it is none, or of another version."""
    try:
        state = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise StateError(f"{path} cannot be read: {error}") from error
    kind, version = (state.get("kind"), state.get("version")) if isinstance(state, dict) else (None, None)
    if kind != KIND:
        raise StateError(f"{path} is no {KIND}")
    if version != VERSION:
        raise StateError(f"{path} is of version {version}, expected {VERSION}")
    return state


def load(path: Path, model: Model) -> None:
    """Have a new model be what a file says; StateError if it cannot, and the model is of no use then."""
    state = read(path)
    if state.get("host") != model.name:
        raise StateError(f"{path} is the state of {state.get('host')}, not of {model.name}")
    with model.lock:
        try:
            _replace(model, state["instances"])
            for told in state["machines"]:
                _revive(model, told)
        except (CimError, JobFailure, KeyError, TypeError, ValueError, AttributeError) as error:
            raise StateError(f"{path} cannot be loaded: {type(error).__name__} {error}") from error


def _replace(model: Model, instances: dict[str, dict[str, Any]]) -> None:
    for namespace in NAMESPACES:
        gone = list(_lasting(model, namespace))
        wanted = [
            model.store.build(namespace, parse_path(path)[2], **values)
            for path, values in instances[namespace].items()
        ]
        model.store.replace(gone, wanted)


def _revive(model: Model, told: dict[str, Any]) -> None:
    (system,) = (
        system
        for class_name in (transfer.REALIZED, transfer.PLANNED)
        for system in model.store.of(V2, class_name, Name=told["guid"])
    )
    settings = model.store.find(
        V2, "Msvm_VirtualSystemSettingData", {"InstanceID": f"Microsoft:{told['guid']}"}
    )
    machine = VirtualMachine(model, system, settings)
    parts = {
        part["InstanceID"]: part
        for part in model.store.associators(settings, "Msvm_VirtualSystemSettingDataComponent")
    }
    machine.parts = {identifier: parts[identifier] for identifier in told["parts"]}
    machine.key_protector = told["key_protector"]
    machine.kept = {identifier: Kept(*kept) for identifier, kept in told["checkpoints"].items()}
    model.take(machine)
    kept = dict(system.values)
    machine.state = OFF
    transfer.resume(model, machine, {"state": kept["EnabledState"], "on_time": told["on_time"]})
    system.update(**kept)


def differences(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    """Return what differs in two states, a line each: "-" is gone, "+" came, "~" changed."""
    lines = []
    for title, old, new in (
        *(("", before["instances"][name], after["instances"][name]) for name in NAMESPACES),
        ("machine ", _by_guid(before), _by_guid(after)),
        ("service ", before["services"], after["services"]),
    ):
        lines += [f"- {title}{name}" for name in sorted(old.keys() - new.keys())]
        lines += [f"+ {title}{name}" for name in sorted(new.keys() - old.keys())]
        lines += [
            f"~ {title}{name}: {each} was {_shown(old[name].get(each))}, is {_shown(new[name].get(each))}"
            for name in sorted(old.keys() & new.keys())
            for each in sorted(old[name].keys() | new[name].keys())
            if old[name].get(each) != new[name].get(each)
        ]
    return lines


def _by_guid(state: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {told["guid"]: told for told in state["machines"]}


def _shown(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def main() -> int:
    """Compare two files and return the exit code."""
    parser = argparse.ArgumentParser(prog="host_state", description="Compare two states of a simulated host.")
    parser.add_argument("before", type=Path)
    parser.add_argument("after", type=Path)
    options = parser.parse_args()
    try:
        lines = differences(read(options.before), read(options.after))
    except StateError as error:
        print(f"host_state: {error}", file=sys.stderr)
        return 2
    print("\n".join(lines) or "no difference")
    return 1 if lines else 0


if __name__ == "__main__":
    sys.exit(main())
