# SPDX-License-Identifier: Apache-2.0
"""Local users and groups, and who may log on with a password."""

import json
import os
import threading
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from lab.windows_sandbox import errors
from lab.windows_sandbox.environment import sid
from lab.windows_sandbox.errors import Win32Error
from lab.windows_sandbox.md4 import password_hash

ADMINISTRATORS = "Administrators"
USERS = "Users"
REMOTE_MANAGEMENT = "Remote Management Users"

# What every Windows Server with the Hyper-V role has (documented: well-known SIDs).
_GROUPS = {
    ADMINISTRATORS: (
        "S-1-5-32-544",
        "Administrators have complete and unrestricted access to the computer/domain",
    ),
    USERS: ("S-1-5-32-545", "Users are prevented from making accidental or intentional system-wide changes"),
    "Guests": ("S-1-5-32-546", "Guests have the same access as members of the Users group by default"),
    "Backup Operators": (
        "S-1-5-32-551",
        "Backup Operators can override security restrictions for the sole purpose of backing up or restoring"
        " files",
    ),
    "Performance Log Users": (
        "S-1-5-32-559",
        "Members of this group may schedule logging of performance counters, enable trace providers, and"
        " collect event traces both locally and via remote access to this computer",
    ),
    "Remote Desktop Users": ("S-1-5-32-555", "Members in this group are granted the right to logon remotely"),
    "Performance Monitor Users": (
        "S-1-5-32-558",
        "Members of this group can access performance counter data",
    ),
    "Event Log Readers": ("S-1-5-32-573", "Members of this group can read event logs from local machine"),
    "Hyper-V Administrators": (
        "S-1-5-32-578",
        "Members of this group have complete access to all of Hyper-V",
    ),
    REMOTE_MANAGEMENT: (
        "S-1-5-32-580",
        "Members of this group can access WMI resources over management protocols",
    ),
}

# Accounts that are nobody's (documented: well-known SIDs).
WELL_KNOWN = {
    "S-1-1-0": "Everyone",
    "S-1-3-0": "CREATOR OWNER",
    "S-1-5-6": r"NT AUTHORITY\SERVICE",
    "S-1-5-11": r"NT AUTHORITY\Authenticated Users",
    "S-1-5-18": r"NT AUTHORITY\SYSTEM",
    "S-1-5-19": r"NT AUTHORITY\LOCAL SERVICE",
    "S-1-5-20": r"NT AUTHORITY\NETWORK SERVICE",
    "S-1-5-80-0": r"NT SERVICE\ALL SERVICES",
    "S-1-5-83-0": r"NT VIRTUAL MACHINE\Virtual Machines",
    "S-1-5-90-0": r"Window Manager\Window Manager Group",
}


@dataclass(frozen=True)
class User:
    """A local user; without a `password_hash` no password logs them on."""

    name: str
    sid: str
    password_hash: str = ""
    full_name: str = ""
    description: str = ""
    disabled: bool = False
    password_expired: bool = False
    password_never_expires: bool = False
    may_not_change_password: bool = False
    home_directory: str = ""
    login_script: str = ""
    profile: str = ""


@dataclass(frozen=True)
class Group:
    """A local group; `members` are names of users."""

    name: str
    sid: str
    description: str = ""
    members: tuple[str, ...] = ()


class Accounts:
    """The accounts of one host.

    :param folder: where they are kept: accounts.json, and accounts.smbpasswd for NTLM
    :param computer: the host's NetBIOS name, which may stand before a user's
    """

    def __init__(self, folder: Path, computer: str):
        self._path, self.password_file, self._computer = (
            folder / "accounts.json",
            folder / "accounts.smbpasswd",
            computer,
        )
        self._lock = threading.RLock()
        self._users: dict[str, User] = {}
        self._groups: dict[str, Group] = {}
        if self._path.exists():
            kept = json.loads(self._path.read_text())
            self._users = {entry["name"].lower(): User(**entry) for entry in kept["users"]}
            self._groups = {
                entry["name"].lower(): Group(**{**entry, "members": tuple(entry["members"])})
                for entry in kept["groups"]
            }
        else:
            self._groups = {
                name.lower(): Group(name, number, description)
                for name, (number, description) in _GROUPS.items()
            }
            built_in = "Built-in account for administering the computer/domain"
            guest = "Built-in account for guest access to the computer/domain"
            self._users["administrator"] = User("Administrator", sid("Administrator"), description=built_in)
            self._users["guest"] = User("Guest", sid("Guest"), description=guest, disabled=True)
            self.set_members(ADMINISTRATORS, ["Administrator"])
            self.set_members("Guests", ["Guest"])
        self._save()

    def users(self) -> list[User]:
        with self._lock:
            return sorted(self._users.values(), key=lambda user: user.name.lower())

    def groups(self) -> list[Group]:
        with self._lock:
            return sorted(self._groups.values(), key=lambda group: group.name.lower())

    def user(self, name: str) -> User | None:
        r"""Return the user that NAME, HOST\NAME, .\NAME or a SID means, or None."""
        with self._lock:
            if name.upper().startswith("S-1-"):
                return next((user for user in self._users.values() if user.sid == name.upper()), None)
            domain, _, short = name.rpartition("\\")
            return self._users.get(short.lower()) if domain.upper() in ("", ".", self._computer) else None

    def group(self, name: str) -> Group | None:
        r"""Return the group that NAME, BUILTIN\NAME or a SID means, or None."""
        with self._lock:
            if name.upper().startswith("S-1-"):
                return next((group for group in self._groups.values() if group.sid == name.upper()), None)
            domain, _, short = name.rpartition("\\")
            known = domain.upper() in ("", ".", "BUILTIN", self._computer)
            return self._groups.get(short.lower()) if known else None

    def name_of(self, number: str) -> str:
        """Return the account of a SID with its domain, or the SID if there is none (any longer)."""
        if user := self.user(number):
            return f"{self._computer}\\{user.name}"
        if group := self.group(number):
            domain = "BUILTIN" if number.startswith("S-1-5-32-") else self._computer
            return f"{domain}\\{group.name}"
        return WELL_KNOWN.get(number, number)

    def groups_of(self, user: str) -> list[str]:
        with self._lock:
            return [group.name for group in self.groups() if user.lower() in map(str.lower, group.members)]

    def create_user(self, name: str, password: str = "") -> User:
        """Make a user, who belongs to no group yet."""
        with self._lock:
            self._users[name.lower()] = User(name, sid(name))
            self._save()
        return self.change_user(name, password=password)

    def change_user(self, name: str, /, *, password: str | None = None, **changes: Any) -> User:
        """Set fields of a user; an empty password logs nobody on over the network (documented:
        LimitBlankPasswordUse)."""
        if password is not None:
            changes["password_hash"] = password_hash(password) if password else ""
        with self._lock:
            user = replace(self._users[name.lower()], **changes)
            self._users[name.lower()] = user
            self._save()
        return user

    def delete_user(self, name: str) -> None:
        with self._lock:
            del self._users[name.lower()]
            for group in self.groups():
                self.remove_member(group.name, name)

    def create_group(self, name: str, description: str = "") -> Group:
        with self._lock:
            self._groups[name.lower()] = Group(name, sid(name), description)
            self._save()
            return self._groups[name.lower()]

    def describe_group(self, name: str, description: str) -> None:
        with self._lock:
            self._groups[name.lower()] = replace(self._groups[name.lower()], description=description)
            self._save()

    def delete_group(self, name: str) -> None:
        with self._lock:
            del self._groups[name.lower()]
            self._save()

    def set_members(self, group: str, members: list[str]) -> None:
        with self._lock:
            self._groups[group.lower()] = replace(self._groups[group.lower()], members=tuple(members))
            self._save()

    def ensure_administrator(self, name: str) -> None:
        """Make a user an administrator, and make the user if there is none."""
        with self._lock:
            if self.user(name) is None:
                self.create_user(name)
            if not self.is_administrator(name):
                self.add_member(ADMINISTRATORS, name)

    def add_member(self, group: str, member: str) -> None:
        self.set_members(group, [*self.group(group).members, member])

    def remove_member(self, group: str, member: str) -> None:
        members = self.group(group).members
        self.set_members(group, [each for each in members if each.lower() != member.lower()])

    def user_of_password(self, name: str, password: str) -> str | None:
        """Return the name of the user that this password logs on over the network, or None."""
        user = self.user(name)
        known = user and not user.disabled and not user.password_expired and user.password_hash
        return user.name if known and user.password_hash == password_hash(password) else None

    def check_password(self, name: str, password: str) -> None:
        """Log a user on who is at this computer, where an empty password does; Win32Error if they are not
        (documented: LogonUserW).
        """
        self.check_password_hash(name, password_hash(password) if password else "")

    def check_password_hash(self, name: str, known: str) -> None:
        """Do the same with the password's hash, which an empty password has none of."""
        user = self.user(name)
        if user is None or user.password_hash != known:
            raise Win32Error(errors.LOGON_FAILURE, name)
        if user.disabled:
            raise Win32Error(errors.ACCOUNT_DISABLED, name)
        if user.password_expired:
            raise Win32Error(errors.PASSWORD_MUST_CHANGE, name)

    def is_administrator(self, name: str) -> bool:
        return ADMINISTRATORS in self.groups_of(name)

    def _save(self) -> None:
        kept = {
            "users": [asdict(user) for user in self.users()],
            "groups": [asdict(group) for group in self.groups()],
        }
        lines = [
            f"{spelled}:0:{'0' * 32}:{user.password_hash}:[U]:LCT-00000000\n"
            for user in self.users()
            if user.password_hash and not user.disabled and not user.password_expired
            for spelled in (user.name, f"{self._computer}\\{user.name}", f".\\{user.name}")
        ]
        for path, text in ((self._path, json.dumps(kept, indent=1)), (self.password_file, "".join(lines))):
            new = path.with_suffix(".new")
            new.touch(0o600)
            new.write_text(text)
            os.replace(new, path)
