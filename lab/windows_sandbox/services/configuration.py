# SPDX-License-Identifier: Apache-2.0
r"""Installed services, kept where Windows keeps them: HKLM\SYSTEM\CurrentControlSet\Services (documented)."""

import struct
from dataclasses import dataclass, replace
from typing import Any

from lab.windows_sandbox import errors
from lab.windows_sandbox.errors import Win32Error
from lab.windows_sandbox.installation import SERVICES
from lab.windows_sandbox.registry import Registry

START_MODES = {"boot": 0, "system": 1, "auto": 2, "manual": 3, "disabled": 4}
ERROR_CONTROLS = ("ignore", "normal", "severe", "critical")
ACTIONS = ("none", "restart", "reboot", "run_command")
TYPES = {"win32_own_process": 0x10, "win32_share_process": 0x20}


@dataclass(frozen=True)
class Configuration:
    """A service as it is installed. `failure_actions` are pairs (one of ACTIONS, delay in milliseconds)."""

    name: str
    path: str
    display_name: str
    account: str = "LocalSystem"
    start_mode: str = "auto"  # a key of START_MODES, or delayed
    description: str | None = None
    dependencies: tuple[str, ...] = ()
    error_control: str = "normal"
    service_type: str = "win32_own_process"
    load_order_group: str = ""
    failure_actions: tuple[tuple[str, int], ...] = ()
    failure_reset_period: int = 0  # seconds
    failure_command: str | None = None
    failure_reboot_message: str | None = None
    failure_actions_on_non_crash: bool = False

    def changed(self, **fields: Any) -> "Configuration":
        return replace(self, **fields)


def key_of(name: str) -> str:
    return f"{SERVICES}\\{name}"


def pack_failure_actions(configuration: Configuration) -> bytes:
    """Return the value FailureActions: SERVICE_FAILURE_ACTIONS with its pointers zero, then type and delay of
    each action.
    """
    head = struct.pack(
        "<5I", configuration.failure_reset_period, 0, 0, len(configuration.failure_actions), 20
    )
    return head + b"".join(
        struct.pack("<2I", ACTIONS.index(kind), delay) for kind, delay in configuration.failure_actions
    )


def unpack_failure_actions(data: bytes) -> tuple[int, tuple[tuple[str, int], ...]]:
    """Return the reset period in seconds and the actions."""
    period, _, _, count, _ = struct.unpack_from("<5I", data)
    pairs = (struct.unpack_from("<2I", data, 20 + 8 * number) for number in range(count))
    return period, tuple((ACTIONS[kind], delay) for kind, delay in pairs)


class InstalledServices:
    """Reads and writes services in a registry."""

    def __init__(self, registry: Registry):
        self._registry = registry

    def names(self) -> list[str]:
        return [
            name
            for name in self._registry.sub_keys(SERVICES)
            if self._registry.get(key_of(name), "ImagePath")
        ]

    def find(self, name: str) -> str | None:
        """Return the service's name as it is spelled, from its name or display name in any case, or None."""
        wanted = name.lower()
        for spelled in self.names():
            if wanted in (
                spelled.lower(),
                str(self._registry.data(key_of(spelled), "DisplayName", spelled)).lower(),
            ):
                return spelled
        return None

    def read(self, name: str) -> Configuration:
        """Return a service; Win32Error 1060 if it is not installed."""
        spelled = self.find(name)
        if spelled is None:
            raise Win32Error(errors.SERVICE_DOES_NOT_EXIST, name)
        values = {key: data for key, (_, data) in self._registry.values(key_of(spelled)).items()}
        start_mode = next(mode for mode, number in START_MODES.items() if number == values["Start"])
        period, actions = (
            unpack_failure_actions(values["FailureActions"]) if "FailureActions" in values else (0, ())
        )
        return Configuration(
            name=spelled,
            path=values["ImagePath"],
            display_name=values.get("DisplayName", spelled),
            account=values.get("ObjectName", "LocalSystem"),
            start_mode="delayed" if values.get("DelayedAutostart") and start_mode == "auto" else start_mode,
            description=values.get("Description"),
            dependencies=tuple(values.get("DependOnService", ())),
            error_control=ERROR_CONTROLS[values.get("ErrorControl", 1)],
            service_type=next(name for name, number in TYPES.items() if number == values.get("Type", 0x10)),
            load_order_group=values.get("Group", ""),
            failure_actions=actions,
            failure_reset_period=period,
            failure_command=values.get("FailureCommand"),
            failure_reboot_message=values.get("RebootMessage"),
            failure_actions_on_non_crash=bool(values.get("FailureActionsOnNonCrashFailures", 0)),
        )

    def create(self, configuration: Configuration) -> None:
        """Install a service; Win32Error 1073 if there is one of that name."""
        if self.find(configuration.name):
            raise Win32Error(errors.SERVICE_EXISTS, configuration.name)
        self.write(configuration)

    def write(self, configuration: Configuration) -> None:
        """Install a service or change the one there is; values that others keep in its key stay."""
        mode = configuration.start_mode
        values = {
            "ImagePath": ("REG_EXPAND_SZ", configuration.path),
            "DisplayName": ("REG_SZ", configuration.display_name),
            "ObjectName": ("REG_SZ", configuration.account),
            "Start": ("REG_DWORD", START_MODES["auto" if mode == "delayed" else mode]),
            "DelayedAutostart": ("REG_DWORD", int(mode == "delayed")),
            "ErrorControl": ("REG_DWORD", ERROR_CONTROLS.index(configuration.error_control)),
            "Type": ("REG_DWORD", TYPES[configuration.service_type]),
            "Description": ("REG_SZ", configuration.description),
            "DependOnService": ("REG_MULTI_SZ", list(configuration.dependencies) or None),
            "Group": ("REG_SZ", configuration.load_order_group or None),
            "FailureActions": (
                "REG_BINARY",
                pack_failure_actions(configuration) if configuration.failure_actions else None,
            ),
            "FailureCommand": ("REG_SZ", configuration.failure_command),
            "RebootMessage": ("REG_SZ", configuration.failure_reboot_message),
            "FailureActionsOnNonCrashFailures": (
                "REG_DWORD",
                int(configuration.failure_actions_on_non_crash),
            ),
        }
        key = key_of(configuration.name)
        self._registry.update({key: {name: value for name, value in values.items() if value[1] is not None}})
        for name, (_, data) in values.items():
            if data is None and self._registry.get(key, name):
                self._registry.delete_value(key, name)

    def delete(self, name: str) -> None:
        self._registry.delete_key(key_of(name))

    def dependents(self, name: str) -> list[str]:
        """Return the services that depend on this one."""
        lowered = name.lower()
        return [
            other
            for other in self.names()
            if lowered in (dependency.lower() for dependency in self.read(other).dependencies)
        ]

    def as_tree(self, name: str) -> dict[str, Any]:
        """Return the service's key as nested dictionaries: data by value's name, keys by name (bytes in
        hexadecimal).
        """
        return self._tree(key_of(name))

    def _tree(self, key: str) -> dict[str, Any]:
        values = {
            name: data.hex() if isinstance(data, bytes) else data
            for name, (_, data) in self._registry.values(key).items()
        }
        return values | {name: self._tree(f"{key}\\{name}") for name in self._registry.sub_keys(key)}
