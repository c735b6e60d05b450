# SPDX-License-Identifier: Apache-2.0
"""win_hostname, win_timezone, win_feature, win_optional_feature: kept in the registry, where Windows keeps
them.
"""

import re
from typing import Any

from lab.windows_sandbox.ansible.modules.call import ModuleCall, ModuleFailed
from lab.windows_sandbox.installation import COMPUTER_NAME, FEATURES, TIME_ZONE

_TCPIP = r"HKLM\SYSTEM\CurrentControlSet\Services\Tcpip\Parameters"

# Names as tzutil /l lists them on Windows Server 2022, a part of its 140.
_ZONES = (
    "AUS Eastern Standard Time", "Central Europe Standard Time", "Central European Standard Time",
    "Central Standard Time", "China Standard Time", "Coordinated Universal Time", "E. Europe Standard Time",
    "Eastern Standard Time", "FLE Standard Time", "GMT Standard Time", "GTB Standard Time",
    "Greenwich Standard Time", "India Standard Time", "Israel Standard Time", "Korea Standard Time",
    "Mountain Standard Time", "Pacific Standard Time", "Romance Standard Time", "Russian Standard Time",
    "Singapore Standard Time", "Tokyo Standard Time", "UTC", "W. Europe Standard Time",
)  # fmt: skip

# Role services and features that this host knows: display name, whether a restart ends its installation.
_FEATURES = {
    "Hyper-V": ("Hyper-V", True),
    "Hyper-V-PowerShell": ("Hyper-V Module for Windows PowerShell", False),
    "Hyper-V-Tools": ("Hyper-V GUI Management Tools", False),
    "RSAT-Hyper-V-Tools": ("Hyper-V Management Tools", False),
    "Failover-Clustering": ("Failover Clustering", True),
    "Multipath-IO": ("Multipath I/O", True),
    "FS-FileServer": ("File Server", False),
    "FS-iSCSITarget-Server": ("iSCSI Target Server", False),
    "NetworkVirtualization": ("Network Virtualization", True),
    "Web-Server": ("Web Server (IIS)", False),
    "Telnet-Client": ("Telnet Client", False),
    "SNMP-Service": ("SNMP Service", False),
    "Windows-Server-Backup": ("Windows Server Backup", False),
}
# The same as DISM names them (documented: Enable-WindowsOptionalFeature, Install Hyper-V).
_OPTIONAL = {
    "Microsoft-Hyper-V": "Hyper-V",
    "Microsoft-Hyper-V-Management-Clients": "Hyper-V-Tools",
    "Microsoft-Hyper-V-Management-PowerShell": "Hyper-V-PowerShell",
    "MultipathIo": "Multipath-IO",
    "TelnetClient": "Telnet-Client",
}
_BELOW = {"Hyper-V": ("RSAT-Hyper-V-Tools", "Hyper-V-Tools", "Hyper-V-PowerShell")}


def win_hostname(call: ModuleCall) -> dict[str, Any]:
    registry, new = call.session.host.registry, call["name"]
    old = registry.data(_TCPIP, "NV Hostname") or call.session.host.name
    call.diff = {"before": old, "after": new}
    changed = old.lower() != new.lower()
    if changed:
        if not re.fullmatch(r"(?!\d+$)[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?", new):
            raise ModuleFailed(
                f"Failed to rename computer to '{new}': The computer name is not valid.", old_name=old
            )
        if not call.check_mode:
            registry.set(_TCPIP, "NV Hostname", "REG_SZ", new)
            registry.set(COMPUTER_NAME, "ComputerName", "REG_SZ", new.upper()[:15])
    return {"changed": changed, "old_name": old, "reboot_required": changed}


def win_timezone(call: ModuleCall) -> dict[str, Any]:
    registry, new = call.session.host.registry, call["timezone"]
    old = registry.data(TIME_ZONE, "TimeZoneKeyName", "UTC")
    call.diff = {"before": f"{old}\n", "after": f"{new}\n"}
    result = {"changed": old.lower() != new.lower(), "previous_timezone": old, "timezone": new}
    if result["changed"]:
        if new.removesuffix("_dstoff").lower() not in map(str.lower, _ZONES):
            raise ModuleFailed(f"The specified timezone: {new} isn't supported on the machine.", **result)
        if not call.check_mode:
            registry.set(TIME_ZONE, "TimeZoneKeyName", "REG_SZ", new)
    return result


def _change_features(call: ModuleCall, names: list[str]) -> list[str]:
    """Install or remove features as the task's state says; return those that were not so."""
    registry, present = call.session.host.registry, call["state"] == "present"
    changed = [
        name for name in names if bool(registry.data(f"{FEATURES}\\{name}", "InstallState", 0)) != present
    ]
    for name in changed if not call.check_mode else ():
        registry.set(f"{FEATURES}\\{name}", "InstallState", "REG_DWORD", int(present))
    return changed


def win_optional_feature(call: ModuleCall) -> dict[str, Any]:
    names = {dism.lower(): name for dism, name in _OPTIONAL.items()}
    for given in call["name"]:
        if given.lower() not in names:
            raise ModuleFailed(
                f"Failed to find feature '{given}' (the simulated host knows {', '.join(_OPTIONAL)})",
                reboot_required=False,
            )
    if call["source"] and not call.session.exists(call["source"]):
        raise ModuleFailed(f"Path could not be found '{call['source']}'", reboot_required=False)
    changed = _change_features(call, [names[given.lower()] for given in call["name"]])
    restart = not call.check_mode and any(_FEATURES[name][1] for name in changed)
    return {"changed": bool(changed), "reboot_required": restart}


def win_feature(call: ModuleCall) -> dict[str, Any]:
    present = call["state"] == "present"
    if call["source"] and not call.session.exists(call["source"]):
        raise ModuleFailed(f"Failed to find source path {call['source']} for feature install")
    names = {name.lower(): name for name in _FEATURES}
    wanted: list[str] = []
    for given in call["name"]:
        if given.lower() not in names:
            verb = "install" if present else "uninstall"
            who = f"Failed to {verb} Windows Feature: " if call.version < (3, 8) else ""
            raise ModuleFailed(
                f"{who}ArgumentNotValid: The role, role service, or feature name"
                f" is not valid: '{given}'. The name was not found. (the simulated host knows"
                f" {', '.join(sorted(_FEATURES))})"
            )
        wanted.append(names[given.lower()])
        if call["include_sub_features"] or call["include_management_tools"]:
            wanted += _BELOW.get(wanted[-1], ())
    changed = _change_features(call, list(dict.fromkeys(wanted)))
    restart = any(_FEATURES[name][1] for name in changed)
    return {
        "changed": bool(changed),
        "success": True,
        "failed": False,
        "exitcode": "SuccessRestartRequired" if restart else "Success" if changed else "NoChangeNeeded",
        "reboot_required": restart,
        "feature_result": [
            {
                "id": list(_FEATURES).index(name) + 1,
                "display_name": _FEATURES[name][0],
                "message": [],
                "reboot_required": _FEATURES[name][1],
                **({"restart_needed": _FEATURES[name][1]} if call.version < (3, 8) else {}),
                "skip_reason": "NotSkipped",
                "success": True,
            }
            for name in changed
        ],
    }
