# SPDX-License-Identifier: Apache-2.0
"""win_acl, win_owner: who owns what, and explicit access rules. They are kept and told, not enforced: every
account that gets into this host is one administrator or another."""

import ntpath
import re
from collections.abc import Iterable
from typing import Any

from lab.windows_sandbox.ansible.modules.call import ModuleCall, ModuleFailed
from lab.windows_sandbox.ansible.modules.registry import key_of
from lab.windows_sandbox.security import account_sid

# System.Security.AccessControl.FileSystemRights and RegistryRights (documented).
_RIGHTS = {
    "file": {
        "ReadData", "ListDirectory", "WriteData", "CreateFiles", "AppendData", "CreateDirectories",
        "ReadExtendedAttributes", "WriteExtendedAttributes", "ExecuteFile", "Traverse",
        "DeleteSubdirectoriesAndFiles", "ReadAttributes", "WriteAttributes", "Write", "Delete",
        "ReadPermissions", "Read", "ReadAndExecute", "Modify", "ChangePermissions", "TakeOwnership",
        "Synchronize", "FullControl",
    },
    "registry": {
        "QueryValues", "SetValue", "CreateSubKey", "EnumerateSubKeys", "Notify", "CreateLink", "ReadKey",
        "WriteKey", "Delete", "ReadPermissions", "ChangePermissions", "TakeOwnership", "FullControl",
        "ExecuteKey",
    },
}  # fmt: skip
# System.Security.AccessControl.InheritanceFlags, and what a folder or key gets (documented; win_acl).
_INHERITANCE = ("None", "ContainerInherit", "ObjectInherit")
_INHERITED = ("ContainerInherit", "ObjectInherit")


def win_acl(call: ModuleCall) -> dict[str, Any]:
    path, kind = _object(call)
    number = account_sid(call.session.host.accounts, call["user"])
    if number is None:
        raise ModuleFailed(f"{call['user']} is not a valid user or group on the host machine or domain")
    leaf = kind == "file" and call.session.is_file(path)
    rule = {
        "sid": number,
        "rights": _flags(call, call["rights"], _RIGHTS[kind]),
        "type": call["type"],
        "inherit": "None" if leaf else _flags(call, call["inherit"] or ", ".join(_INHERITED), _INHERITANCE),
        "propagation": call["propagation"],
    }
    security = call.session.host.security
    present = rule in security.rules(path)
    if present == (call["state"] == "present"):
        return {
            "changed": False,
            "msg": f"the specified rule {'already exists' if present else 'does not exist'}",
        }
    if not call.check_mode:
        security.remove_rule(path, rule) if present else security.add_rule(path, rule)
    return {"changed": True}


def _flags(call: ModuleCall, text: str, names: Iterable[str]) -> str:
    """Return an enumeration's flags in one order and spelling, as .NET converts them."""
    spelled = {name.lower(): name for name in names}
    given = [part.strip() for part in text.split(",")]
    if unknown := [part for part in given if part.lower() not in spelled]:
        raise ModuleFailed(
            f"an error occurred when attempting to {call['state']} {call['rights']} permission(s) on"
            f" {call['path']} for {call['user']} - Unable to match the identifier name {unknown[0]} to a"
            " valid enumerator name"
        )
    return ", ".join(sorted(spelled[part.lower()] for part in set(given)))


def _object(call: ModuleCall) -> tuple[str, str]:
    path = call["path"]
    if re.match(r"HK(LM|CU|CR|U|CC):", path, re.IGNORECASE):
        key = key_of(call, "registry")
        if not call.session.host.registry.key_exists(key):
            raise ModuleFailed(f"{path} file or directory does not exist on the host")
        return key, "registry"
    if re.match(r"cert:", path, re.IGNORECASE):
        raise ModuleFailed("the simulated host keeps no access rules of certificates")
    if not call.session.exists(path):
        raise ModuleFailed(f"{path} file or directory does not exist on the host")
    return call.session.path(path), "file"


def win_owner(call: ModuleCall) -> dict[str, Any]:
    session, security = call.session, call.session.host.security
    if not session.exists(call["path"]):
        raise ModuleFailed(f"{call['path']} file or directory does not exist on the host")
    number = account_sid(call.session.host.accounts, call["user"])
    if number is None:
        raise ModuleFailed(f"Failed to translate '{call['user']}' to a SecurityIdentifier")
    path = session.path(call["path"])
    paths = [path]
    if call["recurse"] and session.is_directory(path):
        paths += session.host.filesystem.tree(path)
    changed = [each for each in paths if security.owner(each) != number]
    for each in changed if not call.check_mode else ():
        security.set_owner(ntpath.normpath(each), number)
    return {"changed": bool(changed)}
