# SPDX-License-Identifier: Apache-2.0
"""advapi32.dll's access control lists of files, as documented by Microsoft.

A list is opaque to those who pass it on; here it stands for rules as the host keeps them, with .NET's names.
"""

import ctypes
import ntpath
import os

from .. import paths
from . import memory, service_call
from .library import function

FILE_OBJECT, DACL_SECURITY_INFORMATION = 1, 4
GRANT, SET, DENY, REVOKE = 1, 2, 3, 4  # ACCESS_MODE
TRUSTEE_IS_NAME = 1
# Generic rights and FileSystemRights (documented).
RIGHTS = {
    0x80000000: "Read", 0x40000000: "Write", 0x20000000: "ReadAndExecute", 0x10000000: "FullControl",
    0x1F01FF: "FullControl", 0x301BF: "Modify", 0x200A9: "ReadAndExecute", 0x20089: "Read", 0x116: "Write",
}  # fmt: skip
# Flags of inheritance and propagation, with .NET's names (documented).
INHERITANCE = {2: "ContainerInherit", 1: "ObjectInherit"}
PROPAGATION = {4: "NoPropagateInherit", 8: "InheritOnly"}


@function(returns_code=True)
def GetNamedSecurityInfoW(path, kind, information, _owner, _group, dacl, _sacl, descriptor):
    rules = service_call.call("advapi32.GetNamedSecurityInfoW", path=_file(path, kind, information))
    # The list is part of the descriptor, which is what LocalFree takes.
    address = memory.allocate(bytes(8), rules)
    ctypes.c_void_p.from_address(dacl).value = address
    ctypes.c_void_p.from_address(descriptor).value = address


@function(returns_code=True)
def SetNamedSecurityInfoW(path, kind, information, _owner, _group, dacl, _sacl):
    service_call.call(
        "advapi32.SetNamedSecurityInfoW", path=_file(path, kind, information), rules=memory.meaning(dacl)
    )


@function(returns_code=True)
def SetEntriesInAclW(count, entries, old, new):
    rules = list(memory.meaning(old)) if old else []
    for entry in entries[:count]:
        rules = _merged(rules, entry)
    ctypes.c_void_p.from_address(new).value = memory.allocate(bytes(8), rules)


def _file(path: str, kind: int, information: int) -> str:
    if kind != FILE_OBJECT or information != DACL_SECURITY_INFORMATION:
        raise NotImplementedError(
            f"security of objects of type {kind}, information {information:#x}: the lab knows lists of files"
        )
    os.stat(paths.to_host(path))
    return ntpath.normpath(path)


def _merged(rules: list, entry) -> list:
    if entry.Trustee.TrusteeForm != TRUSTEE_IS_NAME:
        raise NotImplementedError(f"a trustee of form {entry.Trustee.TrusteeForm}, the lab knows names")
    number = service_call.call("advapi32.LookupAccountNameW", name=entry.Trustee.pstrName)
    if entry.grfAccessMode in (SET, REVOKE):
        rules = [rule for rule in rules if rule["sid"] != number]
    if entry.grfAccessMode == REVOKE:
        return rules
    if entry.grfAccessMode not in (GRANT, SET, DENY) or entry.grfAccessPermissions not in RIGHTS:
        raise NotImplementedError(
            f"access mode {entry.grfAccessMode}, rights {entry.grfAccessPermissions:#x}: not simulated"
        )
    rule = {
        "sid": number,
        "rights": RIGHTS[entry.grfAccessPermissions],
        "type": "deny" if entry.grfAccessMode == DENY else "allow",
        **_inheritance(entry.grfInheritance),
    }
    return rules if rule in rules else [*rules, rule]


def _inheritance(flags: int) -> dict:
    named = [
        ", ".join(name for flag, name in names.items() if flags & flag) or "None"
        for names in (INHERITANCE, PROPAGATION)
    ]
    return dict(zip(("inherit", "propagation"), named, strict=True))
