# SPDX-License-Identifier: Apache-2.0
"""The simulated host, recorded as record-host.ps1 records a real one: it is asked what that script asks."""

import json
import re
import tempfile
import time
from pathlib import Path
from typing import Any

from lab.hyperv_model import Model, embedded
from lab.hyperv_model.cim import ClassDefinition
from lab.hyperv_model.errors import CimError
from lab.hyperv_model.jobs import STATE_RUNNING, V2
from lab.recording.archive import FORMAT, Recording
from lab.windows_sandbox import command_prompt, shares
from lab.windows_sandbox.host import WindowsHost
from lab.windows_sandbox.session import Session
from lab.winrm_server import protocol, shells

SCRIPT = Path(__file__).with_name("record-host.ps1")
SERVICES = {
    "management": "Msvm_VirtualSystemManagementService",
    "images": "Msvm_ImageManagementService",
    "snapshots": "Msvm_VirtualSystemSnapshotService",
}

# What the settings of winrm/config are called here, in their units.
WINRM = {
    "MaxEnvelopeSizekb": protocol.MAX_ENVELOPE_SIZE // 1024,
    "MaxTimeoutms": int(protocol.DEFAULT_OPERATION_TIMEOUT * 1000),
    "Shell\\IdleTimeout": int(shells.IDLE_TIMEOUT * 1000),
    "Shell\\MaxProcessesPerShell": shells.MAX_PROCESSES_PER_SHELL,
    "Shell\\MaxShellsPerUser": shells.MAX_SHELLS_PER_USER,
    "Service\\AllowUnencrypted": "false",
}
NAME, FOLDER = "hyperv-ci-recording", "C:\\hyperv-ci-recording-0"


def plan() -> dict[str, Any]:
    """Return what the script asks of a host, as it stands in the script."""
    return json.loads(re.search(r"@'\n(.*?)\n'@", SCRIPT.read_text(encoding="utf-8"), re.DOTALL)[1])


def record() -> Recording:
    """Return what a new simulated host does."""
    asked = plan()
    with tempfile.TemporaryDirectory(prefix="recording-") as folder:
        host = WindowsHost(Path(folder), "127.0.0.1", NAME)
        model = Model(host.computer_name, shares.local_path(host.filesystem, None), host.run_folder)
        try:
            model.host = host
            session = Session(host, "zuul")
            session.prepare_profile()
            session.writable(f"{FOLDER}\\text.vhdx").parent.mkdir()
            session.writable(f"{FOLDER}\\text.vhdx").write_text("no disk")
            return Recording(
                {"format": FORMAT, "caption": "the simulated host", "version": model.facts.version},
                {name: _schema(model, name) for name in asked["namespaces"]},
                list(_Calls(model).outcomes(asked)),
                [_command(session, line) for line in asked["commands"]],
                {name: str(WINRM[name]) for name in asked["winrm"] if name in WINRM},
            )
        finally:
            model.close()
            host.close()


def _schema(model: Model, namespace: str) -> dict[str, dict]:
    known = {name.lower(): classes for name, classes in model.store.definitions.items()}
    classes = known.get(namespace.lower(), {})
    return {definition.name: _class(definition) for definition in classes.values()}


def _class(definition: ClassDefinition) -> dict[str, Any]:
    return {
        "parent": definition.parent.name if definition.parent else None,
        "properties": {
            one.name: {"type": one.type, "key": one.key} for one in definition.properties.values()
        },
        "methods": {
            method.name: {
                one.name: {"type": one.type, "directions": sorted(one.directions)}
                for one in method.parameters
            }
            for method in definition.methods.values()
        },
    }


def _command(session: Session, line: str) -> dict[str, Any]:
    done = command_prompt.run_line(session, f"{line} 2>&1")
    return {"command": line, "exit": done.exit_code, "output": done.stdout.decode()}


class _Calls:
    """The calls of a plan, each on a machine of its own."""

    def __init__(self, model: Model):
        self._model = model
        self._wmi = model.namespace(V2)
        self._services = {name: self._only(class_name) for name, class_name in SERVICES.items()}

    def outcomes(self, asked: dict[str, Any]):
        for state in asked["states"]:
            for request in asked["requests"]:
                call = {
                    "on": "machine",
                    "method": "RequestStateChange",
                    "arguments": {"RequestedState": request},
                }
                name = {"name": f"request state {request} of a machine", "state": state}
                yield self._outcome(call | name, asked["states"][state])
        for call in asked["calls"]:
            yield self._outcome(call, asked["states"][call["state"]])

    def _outcome(self, call: dict[str, Any], requests: list[int]) -> dict[str, Any]:
        machine = self._machine(requests)
        places = {"<machine>": machine, "<folder>": FOLDER}
        arguments = {name: _filled(value, places) for name, value in call["arguments"].items()}
        target = machine if call["on"] == "machine" else self._services[call["on"]]
        outcome = {
            "name": call["name"],
            "state": call["state"],
            **self._invoke(target, call["method"], arguments),
        }
        if self._wmi.query(f"SELECT * FROM Msvm_ComputerSystem WHERE ElementName = '{NAME}'"):
            self._invoke(machine, "RequestStateChange", {"RequestedState": 3})
            self._invoke(self._services["management"], "DestroySystem", {"AffectedSystem": machine})
        return outcome

    def _machine(self, requests: list[int]) -> str:
        settings = self._model.store.build(
            V2, "Msvm_VirtualSystemSettingData", ElementName=NAME, ConfigurationDataRoot=FOLDER
        )
        text = embedded.write(settings)
        self._invoke(self._services["management"], "DefineSystem", {"SystemSettings": text})
        machine = self._only("Msvm_ComputerSystem", f" WHERE ElementName = '{NAME}'")
        for request in requests:
            self._invoke(machine, "RequestStateChange", {"RequestedState": request})
        return machine

    def _only(self, class_name: str, where: str = "") -> str:
        (found,) = self._wmi.query(f"SELECT * FROM {class_name}{where}")
        return found.path

    def _invoke(self, target: str, method: str, arguments: dict[str, Any]) -> dict[str, Any]:
        started, outcome = time.monotonic(), {}
        try:
            result = self._wmi.invoke(target, method, arguments)
            outcome["return"] = result["ReturnValue"]
            if result["ReturnValue"] == 4096:
                while (job := self._wmi.at(result["Job"]))["JobState"] == STATE_RUNNING:
                    time.sleep(0.005)
                outcome["job"] = {"state": job["JobState"], "error": job["ErrorCode"]}
        except CimError as error:
            outcome["exception"] = f"0x{error.code:08X}"
        return outcome | {"seconds": round(time.monotonic() - started, 3)}


def _filled(value: Any, places: dict[str, str]) -> Any:
    for place, there in places.items():
        value = value.replace(place, there) if isinstance(value, str) else value
    return value
