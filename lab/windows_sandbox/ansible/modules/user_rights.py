# SPDX-License-Identifier: Apache-2.0
"""win_user_right."""

from typing import Any

from lab.windows_sandbox.ansible.modules.call import ModuleCall, ModuleFailed
from lab.windows_sandbox.errors import Win32Error
from lab.windows_sandbox.security import account_sid


def win_user_right(call: ModuleCall) -> dict[str, Any]:
    host, right = call.session.host, call["name"]
    wanted = [_sid(call, name) for name in call["users"]]
    try:
        present = host.rights.holders(right)
    except Win32Error as error:
        raise ModuleFailed(
            f"the specified right {right} is not a valid right", added=[], removed=[]
        ) from error
    added = [] if call["action"] == "remove" else [each for each in wanted if each not in present]
    removed = {
        "add": [],
        "remove": [each for each in present if each in wanted],
        "set": [each for each in present if each not in wanted],
    }[call["action"]]
    after = [each for each in present if each not in removed] + added
    if (added or removed) and not call.check_mode:
        host.rights.set_holders(right, after)
    shown = host.accounts.name_of
    call.diff = {"before": {right: list(map(shown, present))}, "after": {right: list(map(shown, after))}}
    return {
        "changed": bool(added or removed),
        "added": list(map(shown, added)),
        "removed": list(map(shown, removed)),
    }


def _sid(call: ModuleCall, name: str) -> str:
    found = account_sid(call.session.host.accounts, name)
    if found is None:
        raise ModuleFailed(f"Failed to translate the account '{name}' to a SID", added=[], removed=[])
    return found
