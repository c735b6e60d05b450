# SPDX-License-Identifier: Apache-2.0
"""What WMI tells of the host's services and processes, made anew for each question: Win32_Service and
Win32_Process, whose pages document the properties, their values and what methods return.
"""

import datetime
import functools
import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from lab.hyperv_model.cim import timestamp
from lab.hyperv_model.providers import provides
from lab.windows_sandbox import environment as environments
from lab.windows_sandbox import errors
from lab.windows_sandbox.errors import Win32Error
from lab.windows_sandbox.processes import SYSTEM_PROCESSES
from lab.windows_sandbox.services.configuration import Configuration
from lab.windows_sandbox.services.controller import Running

if TYPE_CHECKING:
    from lab.hyperv_model.model import Model
    from lab.windows_sandbox.host import WindowsHost

CIMV2 = "root/cimv2"

ACCESS_DENIED, UNKNOWN_FAILURE = 2, 8
# What a method of Win32_Service returns for the error that the service control manager has (documented: the
# return codes; inferred from their texts: which is which).
_RETURNED = {
    errors.FILE_NOT_FOUND: 9,
    errors.PATH_NOT_FOUND: 9,
    errors.ACCESS_DENIED: ACCESS_DENIED,
    errors.DEPENDENT_SERVICES_RUNNING: 3,
    errors.INVALID_SERVICE_CONTROL: 4,
    errors.SERVICE_CANNOT_ACCEPT_CTRL: 5,
    errors.SERVICE_NOT_ACTIVE: 6,
    errors.SERVICE_REQUEST_TIMEOUT: 7,
    errors.SERVICE_ALREADY_RUNNING: 10,
    errors.SERVICE_DEPENDENCY_DELETED: 12,
    errors.SERVICE_DEPENDENCY_FAIL: 13,
    errors.SERVICE_DISABLED: 14,
    errors.SERVICE_LOGON_FAILED: 15,
    errors.INVALID_PARAMETER: 21,
}

_START_MODES = {"auto": "Auto", "delayed": "Auto", "manual": "Manual", "disabled": "Disabled"}
# ChangeStartMode's own words (documented), in any case (inferred: scripts write them so). Its Boot and System
# are for drivers only (documented).
_CHANGED_MODES = {"automatic": "auto", "manual": "manual", "disabled": "disabled"}
_TYPES = {"win32_own_process": "Own Process", "win32_share_process": "Share Process"}
# Inferred: which of the documented values of Status go with which State.
_STATUS = {"start_pending": "Starting", "stop_pending": "Stopping"}


def provide(host: "WindowsHost", model: "Model") -> None:
    """Have the model's WMI show the services and processes of the host around it."""
    model.store.provide(
        CIMV2, "Win32_Service", lambda: [_service(host, *each) for each in host.services.all()]
    )
    model.store.provide(CIMV2, "Win32_Process", lambda: _processes(host))


def _service(host: "WindowsHost", service: Configuration, running: Running) -> dict[str, Any]:
    variables = environments.environment_of(host.registry, environments.SYSTEM, host.computer_name)
    return {
        "AcceptPause": False,
        "AcceptStop": "stop" in running.controls,
        "Caption": service.display_name,
        "CheckPoint": running.checkpoint,
        "CreationClassName": "Win32_Service",
        "DelayedAutoStart": service.start_mode == "delayed",
        "Description": service.description,
        "DesktopInteract": False,
        "DisplayName": service.display_name,
        "ErrorControl": service.error_control.capitalize(),
        "ExitCode": running.exit_code,
        "Name": service.name,
        "PathName": environments.expand(service.path, variables),
        "ProcessId": running.process_id,
        "ServiceSpecificExitCode": running.service_exit_code,
        "ServiceType": _TYPES[service.service_type],
        "Started": running.state != "stopped",
        "StartMode": _START_MODES.get(service.start_mode, service.start_mode.capitalize()),
        "StartName": service.account,
        "State": running.state.replace("_", " ").title(),
        "Status": _STATUS.get(running.state, "OK"),
        "SystemCreationClassName": "Win32_ComputerSystem",
        "SystemName": host.computer_name,
        "TagId": 0,
        "WaitHint": running.wait_hint,
    }


def _processes(host: "WindowsHost") -> list[dict[str, Any]]:
    """Processes that nothing listed has started have the simulated host itself as their parent, which is not
    listed; on Windows too, a parent's id may be of none (documented).
    """
    booted = _time(host.booted)
    system = [
        {"Name": name, "ProcessId": pid, "ParentProcessId": 0, "CreationDate": booted}
        for name, pid in SYSTEM_PROCESSES
    ]
    started = [
        {
            "Name": child.image,
            "ProcessId": child.pid,
            "ParentProcessId": os.getpid(),
            "CreationDate": _time(child.started),
            "CommandLine": child.command_line,
            "ExecutablePath": child.path,
        }
        for child in host.processes.running()
    ]
    return [
        {
            "Caption": process["Name"],
            "CreationClassName": "Win32_Process",
            "CSCreationClassName": "Win32_ComputerSystem",
            "CSName": host.computer_name,
            "Description": process["Name"],
            "Handle": str(process["ProcessId"]),
            "SessionId": 0,
            **process,
        }
        for process in [*system, *started]
    ]


def _time(moment: float) -> str:
    return timestamp(datetime.datetime.fromtimestamp(moment, datetime.UTC))


def _returning(method: Callable) -> Callable:
    """Have a method of Win32_Service return what it raises as a Win32Error."""

    @functools.wraps(method)
    def answer(model, service, **inputs):
        try:
            method(model.host.services, service["Name"], **inputs)
        except Win32Error as error:
            return {"ReturnValue": _RETURNED.get(error.code, UNKNOWN_FAILURE)}
        return {}

    return answer


@provides("Win32_Service.StartService")
@_returning
def start_service(controller, name):
    controller.begin_start(name)


@provides("Win32_Service.StopService")
@_returning
def stop_service(controller, name):
    """The service may still run right after (documented)."""
    controller.begin_stop(name)


@provides("Win32_Service.PauseService")
@provides("Win32_Service.ResumeService")
@_returning
def refuse_control(controller, name):
    """No service of this host pauses (documented: what ControlService says of a service that takes no such
    control, has not been started, or is on its way).
    """
    state = controller.query(name).state
    refused = {"running": errors.INVALID_SERVICE_CONTROL, "stopped": errors.SERVICE_NOT_ACTIVE}
    raise Win32Error(refused.get(state, errors.SERVICE_CANNOT_ACCEPT_CTRL), name, f"it is {state}")


@provides("Win32_Service.InterrogateService")
@_returning
def interrogate_service(controller, name):
    if controller.query(name).state == "stopped":
        raise Win32Error(errors.SERVICE_NOT_ACTIVE, name)


@provides("Win32_Service.ChangeStartMode")
@_returning
def change_start_mode(controller, name, StartMode):
    """A delayed service stays so as long as it starts by itself (documented: ChangeServiceConfigW leaves
    SERVICE_DELAYED_AUTO_START_INFO alone).
    """
    mode = _CHANGED_MODES.get((StartMode or "").lower())
    if mode is None:
        raise Win32Error(errors.INVALID_PARAMETER, name, f"the start mode {StartMode}")
    service = controller.installed.read(name)
    if (mode, service.start_mode) != ("auto", "delayed"):
        controller.installed.write(service.changed(start_mode=mode))


@provides("Win32_Process.Terminate")
def terminate(model, process, Reason):
    """End a process, with Reason as its exit code (documented)."""
    if process["ProcessId"] in (pid for _name, pid in SYSTEM_PROCESSES):
        return {"ReturnValue": ACCESS_DENIED}
    for child in model.host.processes.running():
        if child.pid == process["ProcessId"]:
            child.terminate(Reason or 0)
            child.wait(10)
    return {}
