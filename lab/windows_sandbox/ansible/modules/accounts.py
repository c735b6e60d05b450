# SPDX-License-Identifier: Apache-2.0
"""win_user, win_group, win_group_membership, win_whoami."""

from typing import Any

from lab.windows_sandbox.accounts import Group, User
from lab.windows_sandbox.ansible.modules.call import ModuleCall, ModuleFailed
from lab.windows_sandbox.environment import is_system, sid
from lab.windows_sandbox.token import privileges, token_groups

# Parameter of win_user, and the field of User that it sets.
_FIELDS = {
    "account_disabled": "disabled",
    "description": "description",
    "fullname": "full_name",
    "home_directory": "home_directory",
    "login_script": "login_script",
    "password_expired": "password_expired",
    "password_never_expires": "password_never_expires",
    "profile": "profile",
    "user_cannot_change_password": "may_not_change_password",
}


def win_user(call: ModuleCall) -> dict[str, Any]:
    if call["account_expires"] not in (None, "never"):
        raise ModuleFailed("the accounts of the simulated host do not expire: expected account_expires=never")
    if call["account_locked"]:
        raise ModuleFailed("account_locked must be set to 'no' if provided")
    accounts, name, state = call.session.host.accounts, call["name"], call["state"]
    user, result = accounts.user(name), {"name": name, "state": state, "changed": False}
    call.diff = {"before": _shown(call, user), "after": _shown(call, user)}
    match state:
        case "absent":
            result["msg"] = f"User '{name}' " + ("deleted successfully" if user else "was not found")
            result["changed"], call.diff["after"] = bool(user), ""
            if user and not call.check_mode:
                accounts.delete_user(user.name)
        case "query":
            result |= {"msg": f"Querying user '{name}'", "state": "present" if user else "absent"}
        case "present":
            result["changed"] = _present(call, user)
            if not call.check_mode:
                call.diff["after"] = _shown(call, accounts.user(name))
    return result | _described(call, accounts.user(name))


def _present(call: ModuleCall, user: User | None) -> bool:
    accounts, password = call.session.host.accounts, call["password"]
    changes = {field: call[name] for name, field in _FIELDS.items() if call[name] is not None}
    groups = _groups(call)
    if user is None:
        if call.check_mode:
            call.diff["after"] = {"name": call["name"]}
            return True
        user = accounts.create_user(call["name"], password or "")
        password, created = None, True
    else:
        created = False
        changes = {field: value for field, value in changes.items() if getattr(user, field) != value}
    if password is not None and (
        call["update_password"] != "always" or accounts.user_of_password(user.name, password)
    ):
        password = None
    if changes or password is not None:
        if not call.check_mode:
            accounts.change_user(user.name, password=password, **changes)
    moved = _move(call, user.name, groups) if groups is not None else False
    return created or bool(changes) or password is not None or moved


def _groups(call: ModuleCall) -> set[str] | None:
    if call["groups"] is None:
        return None
    found = set()
    for name in call["groups"]:
        if name.strip():
            group = call.session.host.accounts.group(name)
            if group is None:
                raise ModuleFailed(f"group '{name}' not found")
            found.add(group.name)
    return found


def _move(call: ModuleCall, user: str, wanted: set[str]) -> bool:
    accounts, action = call.session.host.accounts, call["groups_action"]
    present = set(accounts.groups_of(user))
    add = wanted - present if action != "remove" else set()
    remove = wanted & present if action == "remove" else present - wanted if action == "replace" else set()
    if not call.check_mode:
        for group in add:
            accounts.add_member(group, user)
        for group in remove:
            accounts.remove_member(group, user)
    return bool(add or remove)


def _shown(call: ModuleCall, user: User | None) -> Any:
    if user is None:
        return ""
    fields = {name: getattr(user, field) for name, field in _FIELDS.items()}
    return {"name": user.name, "groups": call.session.host.accounts.groups_of(user.name), **fields}


def _described(call: ModuleCall, user: User | None) -> dict[str, Any]:
    if user is None:
        return {}
    root = f"WinNT://WORKGROUP/{call.session.host.computer_name}"
    return {
        "fullname": user.full_name,
        "path": f"{root}/{user.name}",
        "description": user.description,
        "password_expired": user.password_expired,
        "password_never_expires": user.password_never_expires,
        "user_cannot_change_password": user.may_not_change_password,
        "account_disabled": user.disabled,
        "account_locked": False,
        "sid": user.sid,
        "groups": [
            {"name": group, "path": f"{root}/{group}"}
            for group in call.session.host.accounts.groups_of(user.name)
        ],
    }


def _member(call: ModuleCall, name: str) -> str:
    user = call.session.host.accounts.user(name)
    if user is None:
        raise ModuleFailed(
            f"Failed to translate '{name}' to a SecurityIdentifier: no local user has this name"
        )
    return user.name


def _spelled(call: ModuleCall, name: str) -> str:
    return f"{call.session.host.computer_name}\\{name}"


def _set_members(call: ModuleCall, group: Group, wanted: list[str]) -> bool:
    changed = {name.lower() for name in wanted} != {name.lower() for name in group.members}
    if changed and not call.check_mode:
        call.session.host.accounts.set_members(group.name, wanted)
    return changed


def win_group(call: ModuleCall) -> dict[str, Any]:
    accounts, name = call.session.host.accounts, call["name"]
    group = accounts.group(name)
    call.diff = {"before": _group_diff(call, group), "after": None}
    if call["state"] == "absent":
        if group and not call.check_mode:
            accounts.delete_group(group.name)
        return {"changed": bool(group), "sid": None}
    changed = group is None
    if group is None:
        if call.check_mode:
            return {"changed": True, "sid": "S-1-5-0000"}
        group = accounts.create_group(name)
    if call["description"] is not None and call["description"] != group.description:
        changed = True
        if not call.check_mode:
            accounts.describe_group(group.name, call["description"])
    if members := call["members"]:
        if members["set"] is not None:
            if members["add"] or members["remove"]:
                raise ModuleFailed("parameters are mutually exclusive: set, add, remove found in members")
            wanted = [_member(call, each) for each in members["set"]]
        else:
            remove = {_member(call, each) for each in members["remove"] or []}
            add = [_member(call, each) for each in members["add"] or []]
            wanted = [each for each in group.members if each not in remove]
            wanted += [each for each in dict.fromkeys(add) if each not in wanted]
        changed |= _set_members(call, group, wanted)
    if not call.check_mode:
        call.diff["after"] = _group_diff(call, accounts.group(name))
    return {"changed": changed, "sid": group.sid}


def _group_diff(call: ModuleCall, group: Group | None) -> dict[str, Any] | None:
    if group is None:
        return None
    members = sorted(_spelled(call, member) for member in group.members)
    return {"name": group.name, "description": group.description, "members": members}


def win_group_membership(call: ModuleCall) -> dict[str, Any]:
    group = call.session.host.accounts.group(call["name"])
    result: dict[str, Any] = {"name": call["name"], "changed": False}
    state = call["state"]
    result |= {"added": []} if state in ("present", "pure") else {}
    result |= {"removed": []} if state in ("absent", "pure") else {}
    if group is None:
        raise ModuleFailed(f"Could not find local group {call['name']}", **result)
    given = list(dict.fromkeys(_member(call, name) for name in call["members"]))
    added = [name for name in given if name not in group.members] if state != "absent" else []
    if state == "absent":
        removed = [name for name in given if name in group.members]
    else:
        removed = [name for name in group.members if name not in given] if state == "pure" else []
    wanted = [name for name in group.members if name not in removed] + added
    result["changed"] = _set_members(call, group, wanted)
    result |= {"added": [_spelled(call, name) for name in added]} if "added" in result else {}
    result |= {"removed": [_spelled(call, name) for name in removed]} if "removed" in result else {}
    return result | {"members": [_spelled(call, name) for name in wanted]}


def win_whoami(call: ModuleCall) -> dict[str, Any]:
    session = call.session
    system = is_system(session.user)
    *groups, label = token_groups(session)
    elevated = system or session.host.accounts.is_administrator(session.user)
    domain = "NT AUTHORITY" if system else session.host.computer_name
    return {
        "account": {
            "account_name": "SYSTEM" if system else session.user,
            "domain_name": domain,
            "sid": sid(session.user),
            "type": "User",
        },
        "authentication_package": "Negotiate" if system else "NTLM",
        "groups": [
            {
                "account_name": group.name,
                "attributes": ["Mandatory", "Enabled by default", "Enabled"],
                "domain_name": group.domain,
                "sid": group.sid,
                "type": group.type,
            }
            for group in groups
        ],
        "impersonation_level": "SecurityAnonymous",
        "label": {
            "account_name": label.name,
            "domain_name": label.domain,
            "sid": label.sid,
            "type": label.type,
        },
        "login_domain": domain,
        "logon_type": session.logon_type,
        "privileges": privileges(session),
        "rights": session.host.rights.of(session.user) if elevated else [],
        # A process has no other (documented: Access Tokens).
        "token_type": "TokenPrimary",
        "user_flags": [],
    }
