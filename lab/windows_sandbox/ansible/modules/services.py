# SPDX-License-Identifier: Apache-2.0
"""win_service, win_service_info."""

import fnmatch
from typing import Any

from lab.windows_sandbox.ansible.modules.call import ModuleCall, ModuleFailed
from lab.windows_sandbox.environment import is_system
from lab.windows_sandbox.errors import Win32Error
from lab.windows_sandbox.services.configuration import TYPES, Configuration
from lab.windows_sandbox.services.controller import Running, ServiceController

_STATES = {"running": "started"}

# Parameters that nothing here acts on. They are refused when a task sets them, so that no one relies on them.
_UNKNOWN = ("pre_shutdown_timeout_ms", "required_privileges", "sid_info")

# Milliseconds that Windows gives a service to shut down, unless it is told otherwise (documented:
# SERVICE_PRESHUTDOWN_INFO).
_PRE_SHUTDOWN_TIMEOUT = 10_000

# Parameter, and the field of Configuration that it sets as it is.
_PLAIN = {
    "path": "path",
    "display_name": "display_name",
    "error_control": "error_control",
    "start_mode": "start_mode",
    "load_order_group": "load_order_group",
    "failure_reset_period_sec": "failure_reset_period",
    "failure_actions_on_non_crash_failure": "failure_actions_on_non_crash",
}
# Those where empty text means none.
_CLEARED_BY_EMPTY = {
    "description": "description",
    "failure_command": "failure_command",
    "failure_reboot_msg": "failure_reboot_message",
}


def _dependencies(call: ModuleCall, present: tuple[str, ...]) -> tuple[str, ...]:
    given = call["dependencies"]
    if given is None:
        return present
    if call["dependency_action"] == "add":
        return (*present, *[name for name in given if name not in present])
    if call["dependency_action"] == "remove":
        return tuple(name for name in present if name not in given)
    return present if set(given) == set(present) else tuple(given)


def _wanted(call: ModuleCall, present: Configuration) -> Configuration:
    """Return the service as the task wants it."""
    fields: dict[str, Any] = {
        field: call[name] for name, field in _PLAIN.items() if call[name] not in (None, "")
    }
    fields |= {
        field: call[name] or None for name, field in _CLEARED_BY_EMPTY.items() if call[name] is not None
    }
    if "failure_reset_period" in fields:
        fields["failure_reset_period"] = int(fields["failure_reset_period"])
    if "path" in fields:
        fields["path"] = call.session.expand(fields["path"])
    if call["username"]:
        fields["account"] = _account(call, call["username"])
    if call["failure_actions"] is not None:
        fields["failure_actions"] = tuple(
            (action["type"], int(action["delay_ms"])) for action in call["failure_actions"]
        )
        if any(kind == "reboot" for kind, _ in fields["failure_actions"]):
            raise ModuleFailed(
                "the simulated host does not reboot itself: it does not know the failure action reboot"
            )
    if call["service_type"]:
        if call["service_type"] not in TYPES:
            raise ModuleFailed(f"the simulated host has no services of type {call['service_type']}")
        fields["service_type"] = call["service_type"]
    return present.changed(dependencies=_dependencies(call, present.dependencies), **fields)


def _account(call: ModuleCall, name: str) -> str:
    try:
        return call.session.host.services.accounts.account(name)
    except Win32Error as error:
        raise ModuleFailed(
            'Exception calling "Translate" with "1" argument(s): "Some or all identity references could'
            f' not be translated." ({error})'
        ) from error


def _shown(call: ModuleCall, account: str) -> str:
    """Return a service's account with its domain."""
    if is_system(account):
        return r"NT AUTHORITY\SYSTEM"
    return account.replace(".\\", call.session.host.computer_name + "\\", 1)


def win_service(call: ModuleCall) -> dict[str, Any]:
    for name in _UNKNOWN:
        if call[name] is not None:
            raise ModuleFailed(f"the simulated host does not know win_service's {name}")
    if call["desktop_interact"]:
        raise ModuleFailed(
            "the simulated host has no desktop: it does not know win_service's desktop_interact"
        )
    controller = call.session.host.services
    name = controller.installed.find(call["name"])
    before = controller.installed.read(name) if name else None
    call.diff["before"] = _diff(call, before, controller.query(name).state) if before else ""
    if call["state"] == "absent":
        call.diff["after"] = ""
        return _absent(call, controller, name)
    if name is None:
        if not call["path"]:
            raise ModuleFailed(
                f"Service '{call['name']}' is not installed, need to set 'path' to create a new service",
                exists=False,
            )
        wanted = _wanted(
            call, Configuration(call["name"], call["path"], call["display_name"] or call["name"])
        )
        if call.check_mode:
            call.diff["after"] = _planned(call)
            return {"changed": True, "exists": True, "name": wanted.name}
        controller.create(wanted)
        changed = True
    else:
        wanted = _wanted(call, before)
        changed = wanted != before
        if changed and not call.check_mode:
            controller.installed.write(wanted)
    changes_password = bool(call["password"]) and (
        before is None or wanted.account != before.account or call["update_password"] == "always"
    )
    if changes_password and not call.check_mode:
        controller.accounts.set_password(wanted.name, call["password"])
    changed |= changes_password | _set_state(call, controller, wanted)
    call.diff["after"] = _diff(call, wanted, call["state"] or controller.query(wanted.name).state)
    if changes_password:
        call.diff["after"]["password"] = "CHANGED REDACTED"
    if call["failure_actions_on_non_crash_failure"] is not None:
        # The module shows a variable that it never sets.
        call.diff["after"]["failure_actions_on_non_crash_failure"] = None
    return {"changed": changed, "exists": True, **_described(call, controller, wanted)}


def _settings(call: ModuleCall, service: Configuration) -> dict[str, Any]:
    """Return what both modules tell of a service's configuration."""
    return {
        "dependencies": list(service.dependencies),
        "description": service.description,
        "desktop_interact": False,
        "display_name": service.display_name,
        "error_control": service.error_control,
        "failure_actions": _actions(service),
        "failure_actions_on_non_crash_failure": service.failure_actions_on_non_crash,
        "failure_command": service.failure_command,
        "failure_reboot_msg": service.failure_reboot_message,
        "failure_reset_period_sec": service.failure_reset_period,
        "load_order_group": service.load_order_group,
        "name": service.name,
        "path": service.path,
        "service_type": service.service_type,
        "sid_info": "none",
        "start_mode": service.start_mode,
        "username": _shown(call, service.account),
    }


def _diff(call: ModuleCall, service: Configuration, state: str) -> dict[str, Any]:
    """Return a service as the module's diff shows it."""
    return {
        **_settings(call, service),
        "password": "REDACTED",
        "pre_shutdown_timeout_ms": _PRE_SHUTDOWN_TIMEOUT,
        "required_privileges": [],
        "state": _STATES.get(state, state),
    }


def _planned(call: ModuleCall) -> dict[str, Any]:
    """Return what the diff shows of a service that check mode does not make: the task's own values."""
    unseen = ("dependency_action", "force_dependent_services", "update_password")
    shown = {name: value for name, value in call.parameters.items() if name not in unseen}
    return shown | {"password": "REDACTED", "failure_actions_on_non_crash_failure": None}


def _actions(service: Configuration) -> list[dict[str, Any]]:
    return [{"type": kind, "delay_ms": delay} for kind, delay in service.failure_actions]


def _absent(call: ModuleCall, controller: ServiceController, name: str | None) -> dict[str, Any]:
    if name is None:
        return {"exists": False}
    if not call.check_mode:
        if controller.query(name).state != "stopped":
            controller.stop(name, force=call["force_dependent_services"])
        controller.delete(name)
    return {"changed": True, "exists": False}


def _set_state(call: ModuleCall, controller: ServiceController, service: Configuration) -> bool:
    state, present = call["state"], controller.query(service.name).state
    if state == "paused":
        raise ModuleFailed(f"failed to pause service {service.name}: The service does not support pausing")
    stops = state == "restarted" and present != "stopped" or state == "stopped" and present != "stopped"
    starts = state == "restarted" or state == "started" and present != "running"
    if not call.check_mode:
        verb = "stopped"
        try:
            if stops:
                controller.stop(service.name, force=call["force_dependent_services"])
            verb = "started"
            if starts:
                controller.start(service.name)
        except Win32Error as error:
            raise ModuleFailed(
                f"Service '{service.display_name} ({service.name})' cannot be {verb} due to the following"
                f" error: {error} (Win32 error {error.code})",
                exists=True,
            ) from error
    return stops or starts


def _described(call: ModuleCall, controller: ServiceController, service: Configuration) -> dict[str, Any]:
    return {
        "name": service.name,
        "display_name": service.display_name,
        "path": service.path,
        "description": service.description,
        "dependencies": list(service.dependencies),
        "depended_by": controller.installed.dependents(service.name),
        "start_mode": service.start_mode,
        "username": service.account if is_system(service.account) else _shown(call, service.account),
        "desktop_interact": False,
        "can_pause_and_continue": False,
        "state": controller.query(service.name).state.replace("_", ""),
    }


def win_service_info(call: ModuleCall) -> dict[str, Any]:
    controller = call.session.host.services
    pattern = call["name"] or "*"
    found = [
        name
        for name in controller.installed.names()
        if fnmatch.fnmatch(name.lower(), pattern.lower())
        or fnmatch.fnmatch(controller.installed.read(name).display_name.lower(), pattern.lower())
    ]
    services = [_information(call, controller.installed.read(name), controller.query(name)) for name in found]
    return {"exists": bool(services), "services": services}


def _information(call: ModuleCall, service: Configuration, running: Running) -> dict[str, Any]:
    controller = call.session.host.services
    return {
        **_settings(call, service),
        "checkpoint": running.checkpoint,
        "controls_accepted": list(running.controls),
        "dependency_of": controller.installed.dependents(service.name),
        "launch_protection": "none",
        "process_id": running.process_id,
        "service_exit_code": running.service_exit_code,
        "service_flags": [],
        "state": _STATES.get(running.state, running.state),
        "triggers": [],
        "wait_hint_ms": running.wait_hint,
        "win32_exit_code": running.exit_code,
    }
