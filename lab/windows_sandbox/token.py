# SPDX-License-Identifier: Apache-2.0
"""The access token of a session: its groups and privileges (documented: Access Tokens, well-known SIDs,
Privilege Constants).
"""

from dataclasses import dataclass

from lab.windows_sandbox.environment import is_system
from lab.windows_sandbox.session import Session


@dataclass(frozen=True)
class TokenGroup:
    """A group of a token; `type` is Alias, WellKnownGroup or Label."""

    domain: str
    name: str
    sid: str
    type: str


# By how the user was logged on.
_LOGON = {
    "Network": ("NETWORK", "S-1-5-2"),
    "Interactive": ("INTERACTIVE", "S-1-5-4"),
    "Batch": ("BATCH", "S-1-5-3"),
    "Service": ("SERVICE", "S-1-5-6"),
    "NetworkCleartext": ("NETWORK", "S-1-5-2"),
    # The token is the one of whoever has them, who came over the network.
    "NewCredentials": ("NETWORK", "S-1-5-2"),
}

# What whoami says of each privilege that an account here may hold (documented: Privilege Constants).
PRIVILEGES = {
    "SeAssignPrimaryTokenPrivilege": "Replace a process level token",
    "SeAuditPrivilege": "Generate security audits",
    "SeBackupPrivilege": "Back up files and directories",
    "SeChangeNotifyPrivilege": "Bypass traverse checking",
    "SeCreateGlobalPrivilege": "Create global objects",
    "SeCreatePagefilePrivilege": "Create a pagefile",
    "SeCreatePermanentPrivilege": "Create permanent shared objects",
    "SeCreateSymbolicLinkPrivilege": "Create symbolic links",
    "SeCreateTokenPrivilege": "Create a token object",
    "SeDebugPrivilege": "Debug programs",
    "SeDelegateSessionUserImpersonatePrivilege": "Obtain an impersonation token for another user in the same"
    " session",
    "SeEnableDelegationPrivilege": "Enable computer and user accounts to be trusted for delegation",
    "SeImpersonatePrivilege": "Impersonate a client after authentication",
    "SeIncreaseBasePriorityPrivilege": "Increase scheduling priority",
    "SeIncreaseQuotaPrivilege": "Adjust memory quotas for a process",
    "SeIncreaseWorkingSetPrivilege": "Increase a process working set",
    "SeLoadDriverPrivilege": "Load and unload device drivers",
    "SeLockMemoryPrivilege": "Lock pages in memory",
    "SeMachineAccountPrivilege": "Add workstations to domain",
    "SeManageVolumePrivilege": "Perform volume maintenance tasks",
    "SeProfileSingleProcessPrivilege": "Profile single process",
    "SeRelabelPrivilege": "Modify an object label",
    "SeRemoteShutdownPrivilege": "Force shutdown from a remote system",
    "SeRestorePrivilege": "Restore files and directories",
    "SeSecurityPrivilege": "Manage auditing and security log",
    "SeShutdownPrivilege": "Shut down the system",
    "SeSyncAgentPrivilege": "Synchronize directory service data",
    "SeSystemEnvironmentPrivilege": "Modify firmware environment values",
    "SeSystemProfilePrivilege": "Profile system performance",
    "SeSystemtimePrivilege": "Change the system time",
    "SeTakeOwnershipPrivilege": "Take ownership of files or other objects",
    "SeTcbPrivilege": "Act as part of the operating system",
    "SeTimeZonePrivilege": "Change the time zone",
    "SeTrustedCredManAccessPrivilege": "Access Credential Manager as a trusted caller",
    "SeUndockPrivilege": "Remove computer from docking station",
}


def mandatory_level(session: Session) -> TokenGroup:
    """Return the token's integrity level: an administrator over the network has an elevated token."""
    accounts = session.host.accounts
    level, number = (
        ("System", "S-1-16-16384")
        if is_system(session.user)
        else ("High", "S-1-16-12288")
        if accounts.is_administrator(session.user)
        else ("Medium", "S-1-16-8192")
    )
    return TokenGroup("Mandatory Label", f"{level} Mandatory Level", number, "Label")


def token_groups(session: Session) -> list[TokenGroup]:
    """Return the groups of a session's token, its integrity level last."""
    accounts, computer = session.host.accounts, session.host.computer_name
    if is_system(session.user):
        known = [
            ("", "Everyone", "S-1-1-0"),
            ("BUILTIN", "Administrators", "S-1-5-32-544"),
            ("NT AUTHORITY", "Authenticated Users", "S-1-5-11"),
        ]
    else:
        # Who is authenticated is one of the users.
        groups = map(accounts.group, dict.fromkeys([*accounts.groups_of(session.user), "Users"]))
        known = [
            ("", "Everyone", "S-1-1-0"),
            *(
                ("BUILTIN" if group.sid.startswith("S-1-5-32-") else computer, group.name, group.sid)
                for group in groups
                if group
            ),
            ("NT AUTHORITY", *_LOGON[session.logon_type]),
            ("NT AUTHORITY", "Authenticated Users", "S-1-5-11"),
            ("NT AUTHORITY", "This Organization", "S-1-5-15"),
            ("NT AUTHORITY", "Local account", "S-1-5-113"),
        ]
    listed = [
        TokenGroup(*group, "Alias" if group[0] in ("BUILTIN", computer) else "WellKnownGroup")
        for group in known
    ]
    return [*listed, mandatory_level(session)]


def privileges(session: Session) -> dict[str, str]:
    """Return the privileges of a session's token and their state: a logon over the network has them enabled
    (inferred: Ansible.Become.cs, for which the others may be disabled).
    """
    network = _LOGON[session.logon_type][0] == "NETWORK"
    enabled = {"SeChangeNotifyPrivilege", "SeCreateGlobalPrivilege", "SeImpersonatePrivilege"}
    return {
        name: "enabled-by-default" if network or name in enabled else "disabled"
        for name in session.host.rights.privileges(session.user)
    }
