# SPDX-License-Identifier: Apache-2.0
"""User rights: which accounts may log on in which way and hold which privileges, and what a logon's token has
of them (documented: User Rights Assignment, with the defaults of a stand-alone server; Hyper-V's virtual
machines log on as services).
"""

import json
import os
import threading
from pathlib import Path

from lab.windows_sandbox import errors
from lab.windows_sandbox.accounts import Accounts
from lab.windows_sandbox.environment import is_system, sid
from lab.windows_sandbox.errors import Win32Error

_EVERYONE = "S-1-1-0"
_SERVICE = "S-1-5-6"
_LOCAL, _NETWORK = "S-1-5-19", "S-1-5-20"
_ALL_SERVICES, _MACHINES = "S-1-5-80-0", "S-1-5-83-0"
_ADMINISTRATORS, _USERS, _BACKUP = "S-1-5-32-544", "S-1-5-32-545", "S-1-5-32-551"

_DEFAULTS: dict[str, tuple[str, ...]] = {
    "SeAssignPrimaryTokenPrivilege": (_LOCAL, _NETWORK),
    "SeAuditPrivilege": (_LOCAL, _NETWORK),
    "SeBackupPrivilege": (_ADMINISTRATORS, _BACKUP),
    "SeBatchLogonRight": (_ADMINISTRATORS, _BACKUP, "S-1-5-32-559"),
    "SeChangeNotifyPrivilege": (_EVERYONE, _LOCAL, _NETWORK, _ADMINISTRATORS, _USERS, _BACKUP),
    "SeCreateGlobalPrivilege": (_LOCAL, _NETWORK, _ADMINISTRATORS, _SERVICE),
    "SeCreatePagefilePrivilege": (_ADMINISTRATORS,),
    "SeCreatePermanentPrivilege": (),
    "SeCreateSymbolicLinkPrivilege": (_ADMINISTRATORS, _MACHINES),
    "SeCreateTokenPrivilege": (),
    "SeDebugPrivilege": (_ADMINISTRATORS,),
    "SeDelegateSessionUserImpersonatePrivilege": (_ADMINISTRATORS,),
    "SeDenyBatchLogonRight": (),
    "SeDenyInteractiveLogonRight": (),
    "SeDenyNetworkLogonRight": (),
    "SeDenyRemoteInteractiveLogonRight": (),
    "SeDenyServiceLogonRight": (),
    "SeEnableDelegationPrivilege": (),
    "SeImpersonatePrivilege": (_LOCAL, _NETWORK, _ADMINISTRATORS, _SERVICE),
    "SeIncreaseBasePriorityPrivilege": (_ADMINISTRATORS, "S-1-5-90-0"),
    "SeIncreaseQuotaPrivilege": (_LOCAL, _NETWORK, _ADMINISTRATORS),
    "SeIncreaseWorkingSetPrivilege": (_USERS,),
    "SeInteractiveLogonRight": (_ADMINISTRATORS, _USERS, _BACKUP),
    "SeLoadDriverPrivilege": (_ADMINISTRATORS,),
    "SeLockMemoryPrivilege": (),
    "SeMachineAccountPrivilege": (),
    "SeManageVolumePrivilege": (_ADMINISTRATORS,),
    "SeNetworkLogonRight": (_EVERYONE, _ADMINISTRATORS, _USERS, _BACKUP),
    "SeProfileSingleProcessPrivilege": (_ADMINISTRATORS,),
    "SeRelabelPrivilege": (),
    "SeRemoteInteractiveLogonRight": (_ADMINISTRATORS, "S-1-5-32-555"),
    "SeRemoteShutdownPrivilege": (_ADMINISTRATORS,),
    "SeRestorePrivilege": (_ADMINISTRATORS, _BACKUP),
    "SeSecurityPrivilege": (_ADMINISTRATORS,),
    "SeServiceLogonRight": (_ALL_SERVICES, _MACHINES),
    "SeShutdownPrivilege": (_ADMINISTRATORS, _BACKUP),
    "SeSyncAgentPrivilege": (),
    "SeSystemEnvironmentPrivilege": (_ADMINISTRATORS,),
    "SeSystemProfilePrivilege": (_ADMINISTRATORS,),
    "SeSystemtimePrivilege": (_LOCAL, _ADMINISTRATORS),
    "SeTakeOwnershipPrivilege": (_ADMINISTRATORS,),
    "SeTcbPrivilege": (),
    "SeTimeZonePrivilege": (_LOCAL, _ADMINISTRATORS),
    "SeTrustedCredManAccessPrivilege": (),
    "SeUndockPrivilege": (_ADMINISTRATORS,),
}

# What every token has by the way its user was logged on (documented: well-known SIDs).
_ALWAYS = (_EVERYONE, "S-1-5-11", _USERS)


class UserRights:
    """The rights on one host.

    :param path: the JSON file that keeps them
    """

    def __init__(self, path: Path, accounts: Accounts):
        self._path, self._accounts = path, accounts
        self._lock = threading.Lock()
        kept = json.loads(path.read_text()) if path.exists() else {}
        self._holders = {right: list(kept.get(right, holders)) for right, holders in _DEFAULTS.items()}

    def holders(self, right: str) -> list[str]:
        """Return the SIDs that hold a right; Win32Error 1313 if Windows knows none of the name."""
        with self._lock:
            return list(self._holders[self._spelled(right)])

    def set_holders(self, right: str, holders: list[str]) -> None:
        with self._lock:
            self._holders[self._spelled(right)] = list(holders)
            new = self._path.with_suffix(".new")
            new.write_text(json.dumps(self._holders, indent=1))
            os.replace(new, self._path)

    def of(self, user: str) -> list[str]:
        """Return the rights that a user has, directly and by groups."""
        with self._lock:
            if is_system(user):
                return sorted(right for right in self._holders if right.endswith("Privilege"))
            numbers = {sid(user), *_ALWAYS}
            numbers |= {self._accounts.group(group).sid for group in self._accounts.groups_of(user)}
            return sorted(right for right, holders in self._holders.items() if numbers & set(holders))

    def check_logon(self, user: str, logon_type: str) -> None:
        """Win32Error if a user may not log on in this way (documented: Account Rights Constants)."""
        kind = "Network" if logon_type == "NetworkCleartext" else logon_type
        rights = self.of(user)
        if f"Se{kind}LogonRight" not in rights or f"SeDeny{kind}LogonRight" in rights:
            raise Win32Error(errors.LOGON_TYPE_NOT_GRANTED, user)

    def privileges(self, user: str) -> list[str]:
        return [right for right in self.of(user) if right.endswith("Privilege")]

    @staticmethod
    def _spelled(right: str) -> str:
        found = next((name for name in _DEFAULTS if name.lower() == right.lower()), None)
        if found is None:
            raise Win32Error(errors.NO_SUCH_PRIVILEGE, right)
        return found
