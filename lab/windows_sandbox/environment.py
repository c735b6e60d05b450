# SPDX-License-Identifier: Apache-2.0
"""Users, their profiles, and the environment variables that a process of theirs starts with."""

import re
import zlib
from collections.abc import Mapping

from lab.windows_sandbox.installation import MACHINE_ENVIRONMENT
from lab.windows_sandbox.registry import Registry

SYSTEM = "SYSTEM"
_SYSTEM_NAMES = ("system", "localsystem", r"nt authority\system")
_BUILT_IN = {"administrator": 500, "guest": 501}


def is_system(user: str) -> bool:
    return user.lower() in _SYSTEM_NAMES


def sid(user: str) -> str:
    """Return the user's security identifier, the same each time (inferred: any value below the machine's own
    would do).
    """
    if is_system(user):
        return "S-1-5-18"
    number = _BUILT_IN.get(user.lower(), 1000 + zlib.crc32(user.lower().encode()) % 100_000)
    return f"S-1-5-21-1004336348-1177238915-682003330-{number}"


def profile(user: str) -> str:
    if is_system(user):
        return r"C:\Windows\System32\config\systemprofile"
    domain, _, name = user.rpartition("\\")
    # Those that services run as have theirs with Windows (documented: NetworkService Account).
    return rf"C:\Windows\ServiceProfiles\{name}" if domain.upper() == "NT AUTHORITY" else rf"C:\Users\{name}"


def user_key(user: str) -> str:
    """Return the user's key, which is also HKEY_CURRENT_USER to their processes."""
    return "HKU\\" + (".DEFAULT" if is_system(user) else sid(user))


def expand(text: str, environment: Mapping[str, str]) -> str:
    """Replace %NAME% by its value and leave unknown names alone (documented: ExpandEnvironmentStrings)."""
    values = {name.lower(): value for name, value in environment.items()}
    return re.sub(r"%([^%]+)%", lambda match: values.get(match[1].lower(), match[0]), text)


class Environment(dict):
    """Environment variables: names match in any case and keep their first spelling."""

    def __init__(self, values: Mapping[str, str] = ()):
        super().__init__()
        self.add(values)

    def add(self, values: Mapping[str, str]) -> None:
        spelled = {name.lower(): name for name in self}
        for name, value in dict(values).items():
            self[spelled.get(name.lower(), name)] = str(value)

    def value(self, name: str, default: str = "") -> str:
        return next((value for key, value in self.items() if key.lower() == name.lower()), default)


def machine_variables(registry: Registry) -> dict[str, tuple[str, str]]:
    """Return the machine's variables as the registry has them now: type and text."""
    return registry.values(MACHINE_ENVIRONMENT)


def environment_of(
    registry: Registry, user: str, computer: str, *, machine: Mapping[str, tuple[str, str]] | None = None
) -> Environment:
    """Return the variables of a new logon: the machine's and the user's from the registry, the profile's from
    the user.

    :param machine: the machine's variables of another moment

    The user's override the machine's, except that Path is the machine's followed by the user's (documented:
    CreateEnvironmentBlock, User Environment Variables).
    """
    home = profile(user)
    result = Environment(
        {
            "SystemDrive": "C:",
            "SystemRoot": r"C:\Windows",
            # Those of 64 bits (documented: Recognized environment variables).
            "ALLUSERSPROFILE": r"C:\ProgramData",
            "CommonProgramFiles": r"C:\Program Files\Common Files",
            "CommonProgramFiles(x86)": r"C:\Program Files (x86)\Common Files",
            "CommonProgramW6432": r"C:\Program Files\Common Files",
            "ProgramData": r"C:\ProgramData",
            "ProgramFiles": r"C:\Program Files",
            "ProgramFiles(x86)": r"C:\Program Files (x86)",
            "ProgramW6432": r"C:\Program Files",
            "PUBLIC": r"C:\Users\Public",
            "COMPUTERNAME": computer,
            "USERPROFILE": home,
            "HOMEDRIVE": "C:",
            "HOMEPATH": home[2:],
            "APPDATA": home + r"\AppData\Roaming",
            "LOCALAPPDATA": home + r"\AppData\Local",
            "USERDOMAIN": computer,
        }
    )
    result.add(_expanded(machine_variables(registry) if machine is None else machine, result))
    if not is_system(user):
        result.add(
            {
                "USERNAME": user.rpartition("\\")[2],
                "TEMP": home + r"\AppData\Local\Temp",
                "TMP": home + r"\AppData\Local\Temp",
            }
        )
    key = user_key(user) + r"\Environment"
    own = _expanded(registry.values(key), result) if registry.key_exists(key) else {}
    path = next((own.pop(name) for name in list(own) if name.lower() == "path"), None)
    result.add(own)
    if path:
        result.add({"Path": ";".join(filter(None, (result.value("Path").rstrip(";"), path)))})
    return result


def _expanded(values: Mapping[str, tuple[str, str]], known: Mapping[str, str]) -> dict[str, str]:
    return {
        name: expand(data, known) if kind == "REG_EXPAND_SZ" else data
        for name, (kind, data) in values.items()
    }
