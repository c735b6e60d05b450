# SPDX-License-Identifier: Apache-2.0
"""The scripts that Ansible's own plugins send outside of modules, and what each does.

They are recognised by their text (inferred from ansible-core 2.18 and 2.21: plugins/connection/winrm.py,
plugins/shell/powershell.py), or come by name (from 2.19 on). Anything else is no script of Ansible's, and is
not run.
"""

import base64
import hashlib
import json
import ntpath
import os
import re
from collections.abc import Callable

from lab.windows_sandbox.ansible.payload import PluginScript
from lab.windows_sandbox.errors import Win32Error
from lab.windows_sandbox.session import Session

_QUOTED = r"'((?:[^']|'')*)'"
_STRICT = r"Set-StrictMode -Version Latest\s+"


class ScriptFailed(Exception):
    """What PowerShell would have written to its error stream."""


def _text(quoted: str) -> str:
    return quoted.replace("''", "'")


def put_file(session: Session, path: str, lines: bytes) -> str:
    """Write a file from lines of base64; the client checks the SHA-1 in the answer."""
    data = b"".join(base64.b64decode(line) for line in lines.split())
    target = session.writable(path)
    if not target.parent.is_dir():
        raise ScriptFailed(f"Could not find a part of the path '{path}'.")
    target.write_bytes(data)
    return json.dumps({"sha1": hashlib.sha1(data, usedforsecurity=False).hexdigest()})


def fetch_file(session: Session, path: str, size: int, offset: int) -> str:
    """Read a piece of a file, in base64."""
    if session.is_directory(path):
        return "[DIR]"
    if not session.is_file(path):
        raise ScriptFailed(f"{path} does not exist")
    with open(session.local(path), "rb") as file:
        file.seek(offset)
        return base64.b64encode(file.read(size)).decode()


def make_temporary_directory(session: Session, parent: str, name: str) -> str:
    path = ntpath.join(session.path(parent), name)
    session.writable(path).mkdir(parents=True)
    return path


def remove(session: Session, path: str) -> str:
    if not os.path.lexists(session.local(path, follow=False)):
        raise ScriptFailed(f"Remove-Item : Cannot find path '{path}' because it does not exist.")
    session.remove(path)
    return ""


def expand_user(session: Session, path: str) -> str:
    home = session.environment.value("USERPROFILE")
    return home + path[1:] if path == "~" or path.startswith("~\\") else path


def _written_expand_user(session: Session, match: re.Match) -> str:
    """As `expand_user`, of the three forms of the script that 2.18 writes."""
    below_home, literal = match.groups()
    return session.directory + _text(below_home or "") if literal is None else _text(literal)


_PUT_FILE = (
    rf"begin \{{\s+\$path = {_QUOTED}\s.*"
    r"\[System\.IO\.File\]::Create\(\$path\).*FromBase64String\(\$input\).*"
)
_FETCH_FILE = (
    rf"Set-StrictMode -Version Latest\s+\$path = {_QUOTED}\s+"
    r"If \(Test-Path -LiteralPath \$path -PathType Leaf\)\s+\{"
    r"\s+\$buffer_size = (\d+)\s+\$offset = (\d+)\s.*"
)
_MAKE_TEMPORARY_DIRECTORY = (
    rf".*\$tmp_path = \[System\.Environment\]::ExpandEnvironmentVariables\({_QUOTED}\)\s+"
    rf"\$tmp = New-Item -Type Directory -Path \$tmp_path -Name {_QUOTED}\s.*"
)
# 2.21 has no more before and after it, and no quotes around what needs none.
_REMOVE = (
    rf"(?:{_STRICT})?Remove-Item (?:{_QUOTED}|([\w\\.\[\]/~!%^:-]+)) -Force(?: -Recurse)?(?:;.*)?"
)
_EXPAND_USER = (
    r"Set-StrictMode -Version Latest\s+try \{ [^}]*\} catch \{\}; Write-Output "
    rf"(?:\(Get-Location\)\.Path|\(\(Get-Location\)\.Path \+ {_QUOTED}\)|{_QUOTED})\s.*"
)

# win_reboot's three (ansible.windows 2 and 3: plugin_utils/_reboot.py). AutoLogonChecked is what Windows
# makes when it is ready for a logon.
_BOOT_TIME = (
    rf"(?:{_STRICT})?"
    r"\(Get-CimInstance -ClassName Win32_OperatingSystem -Property LastBootUpTime\)"
    r"\.LastBootUpTime\.ToFileTime\(\)[\s;].*"
)
_REBOOT = (
    rf"(?:{_STRICT})?\$ErrorActionPreference = 'Continue'\s.*"
    rf"\{{ (?:C:\\Windows\\System32\\)?shutdown\.exe /r /t (\d+) /c {_QUOTED} \|.*ConvertTo-Json -Compress .*"
)
_LOGON_READY = (
    rf"(?:{_STRICT})?"
    r"Get-Item -LiteralPath 'HKLM:\\SOFTWARE\\Microsoft\\Windows NT\\CurrentVersion\\Winlogon"
    r"\\AutoLogonChecked'"
    r" -ErrorAction Stop; '(success-[0-9a-f-]+)'[\s;].*"
)
# What it tries when a restart is scheduled already.
_ABORT = rf"(?:{_STRICT})?(?:C:\\Windows\\System32\\)?shutdown\.exe /a[\s;].*"


def boot_time(session: Session) -> str:
    """Return when the host booted, as a FILETIME."""
    return str(int((session.host.booted + 11_644_473_600) * 10_000_000))


def reboot(session: Session, seconds: int, comment: str) -> str:
    """Do what shutdown.exe does and answer what the plugin makes of it."""
    try:
        session.host.schedule_restart(seconds, session.user, comment)
    except Win32Error as error:
        return json.dumps({"stdout": "", "stderr": f"{error.text}.({error.code})", "rc": error.code})
    return json.dumps({"stdout": "", "stderr": "", "rc": 0})


def abort(session: Session) -> str:
    """Take back a restart that is scheduled: the plugin looks at nothing that is said to this."""
    session.host.abort_restart()
    return ""


# Pattern → what a script does, given the session, its match, and standard input. They are compiled when one
# comes, not when a host starts, of which they would be a twentieth.
_WRITTEN: tuple[tuple[str, Callable[[Session, re.Match, bytes], str]], ...] = (
    (_PUT_FILE, lambda session, match, stdin: put_file(session, _text(match[1]), stdin)),
    (
        _FETCH_FILE,
        lambda session, match, stdin: fetch_file(session, _text(match[1]), int(match[2]), int(match[3])),
    ),
    (
        _MAKE_TEMPORARY_DIRECTORY,
        lambda session, match, stdin: make_temporary_directory(session, _text(match[1]), _text(match[2])),
    ),
    (
        _REMOVE,
        lambda session, match, stdin: remove(session, match[2] if match[1] is None else _text(match[1])),
    ),
    (_BOOT_TIME, lambda session, match, stdin: boot_time(session)),
    (_REBOOT, lambda session, match, stdin: reboot(session, int(match[1]), _text(match[2]))),
    (_ABORT, lambda session, match, stdin: abort(session)),
    (_LOGON_READY, lambda session, match, stdin: match[1]),
    (_EXPAND_USER, lambda session, match, stdin: _written_expand_user(session, match)),
)


def find(script: str) -> Callable[[Session, bytes], str] | None:
    """Return what a plugin's script does, given the session and standard input; None if it is none."""
    for pattern, act in _WRITTEN:
        if match := re.fullmatch(pattern, script, re.DOTALL):
            return lambda session, stdin, act=act, match=match: act(session, match, stdin)
    return None


def run(session: Session, script: PluginScript) -> str:
    """Run a script that came by its name and return its output."""
    values = script.parameters
    match script.name:
        case "winrm_put_file.ps1":
            return put_file(session, values["Path"], script.data)
        case "winrm_fetch_file.ps1":
            return fetch_file(session, values["Path"], values["BufferSize"], values["Offset"])
        case "powershell_mkdtemp.ps1":
            return make_temporary_directory(session, values["Directory"], values["Name"])
        case "powershell_expand_user.ps1":
            return expand_user(session, values["Path"])
    raise ScriptFailed(f"the simulated host does not know the script {script.name}")
