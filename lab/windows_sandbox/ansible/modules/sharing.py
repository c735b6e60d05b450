# SPDX-License-Identifier: Apache-2.0
r"""win_share: kept in the registry, where the server service has its shares. Nobody serves them: there is no
SMB in this host, and no \\path leads anywhere."""

from typing import Any

from lab.windows_sandbox.ansible.modules.call import ModuleCall, ModuleFailed
from lab.windows_sandbox.security import account_sid

SHARES = r"HKLM\SYSTEM\CurrentControlSet\Services\LanmanServer\Shares"

_RIGHTS = ("full", "change", "read", "deny")


def win_share(call: ModuleCall) -> dict[str, Any]:
    registry, name = call.session.host.registry, call["name"]
    kept = registry.get(SHARES, name)
    present = dict(entry.split("=", 1) for entry in kept[1]) if kept else None
    if call["state"] == "absent":
        if present and not call.check_mode:
            registry.delete_value(SHARES, name)
        return {
            "changed": bool(present),
            "actions": [f"Remove-SmbShare -Force -Name {name}"] if present else [],
        }
    if not call["path"]:
        raise ModuleFailed("Get-AnsibleParam: Missing required argument: path")
    if not call.session.is_directory(call["path"]):
        raise ModuleFailed(f"{call['path']} directory does not exist on the host")
    wanted = {
        "Path": call.session.path(call["path"]),
        "Remark": call["description"] or "",
        "Enumeration": "Unrestricted" if call["list"] else "AccessBased",
        "CachingMode": call["caching_mode"] or "Manual",
        "Encrypt": str(bool(call["encrypt"])),
        **_permissions(call, present or {}),
    }
    actions = [
        f"Set-SmbShare -Force -Name {name} {field}={value}"
        for field, value in wanted.items()
        if (present or {}).get(field, "") != value
    ]
    if present is None:
        actions.insert(0, f"New-SmbShare -Name {name} -Path {wanted['Path']}")
    if actions and not call.check_mode:
        registry.set(SHARES, name, "REG_MULTI_SZ", [f"{field}={value}" for field, value in wanted.items()])
    return {"changed": bool(actions), "actions": actions}


def _permissions(call: ModuleCall, present: dict[str, str]) -> dict[str, str]:
    """Return who has which right; the higher right is the only one that counts."""
    taken: set[str] = set()
    result = {}
    for right in _RIGHTS:
        numbers = []
        for account in filter(None, (part.strip() for part in (call[right] or "").split(","))):
            number = account_sid(call.session.host.accounts, account)
            if number is None:
                raise ModuleFailed(f"{account} is not a valid user or group on the host machine or domain")
            numbers.append(number)
        kept = set(filter(None, present.get(right, "").split(","))) if call["rule_action"] == "add" else set()
        chosen = (set(numbers) | kept) - (taken if right != "deny" else set())
        taken |= chosen
        result[right] = ",".join(sorted(chosen))
    return result
