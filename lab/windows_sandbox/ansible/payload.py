# SPDX-License-Identifier: Apache-2.0
"""What a PowerShell command line of Ansible's carries: bytes in, calls out.

Inferred from ansible-core 2.18, 2.19 and 2.21 (executor/powershell, plugins/shell/powershell.py).
2.18 sends its wrapper's text, four NUL bytes, and JSON; from 2.19 on the wrapper is JSON too, and a manifest
that names its scripts follows.
"""

import base64
import json
import re
from dataclasses import dataclass
from typing import Any

_POWERSHELL = re.compile(r'\s*"?(?:[^"]*\\)?powershell(?:\.exe)?"?\s(.*)', re.IGNORECASE | re.DOTALL)
_ENCODED = re.compile(r"-EncodedCommand\s+(\S+)", re.IGNORECASE)

_SEPARATOR = b"\0\0\0\0"

# The line of the bootstrap script that says what it does: split its input and run the first part.
BOOTSTRAPS = (
    '$split_parts = $exec_wrapper_str.Split(@("`0`0`0`0"), 2, [StringSplitOptions]::RemoveEmptyEntries)',
    "$code = ConvertFrom-Json -InputObject $codeJson",
    "$code = $codeJson | ConvertFrom-Json",
)

# The actions of a payload that are understood; each is a wrapper around the next.
_ACTIONS = {
    "module_powershell_wrapper",
    "module_script_wrapper",
    "become_wrapper",
    "async_wrapper",
    "async_watchdog",
}


# The same of a manifest, and the scripts of Ansible's own plugins, which come alone.
_WRAPPERS = {"become_wrapper.ps1", "async_wrapper.ps1", "async_watchdog.ps1", "module_wrapper.ps1"}
_PLUGIN_SCRIPTS = {
    "winrm_put_file.ps1",
    "winrm_fetch_file.ps1",
    "powershell_mkdtemp.ps1",
    "powershell_expand_user.ps1",
}


# Ansible.AccessToken.LogonType; and Ansible.Become.LogonFlags, of which nothing shows here.
LOGON_TYPES = ("Interactive", "Network", "Batch", "Service", "Unlock", "NetworkCleartext", "NewCredentials")
_LOGON_FLAGS = ("none", "withprofile", "netcredentialsonly")


class UnknownPayload(Exception):
    """Input that is none of what Ansible sends."""


class NotEncoded(UnknownPayload):
    """What stands after -EncodedCommand is no base64 of UTF-16."""


@dataclass(frozen=True)
class AsyncJob:
    """The job's id as Ansible chose it, and how long the module may run, in seconds; whether its state is
    told in numbers (2.18) or truth values."""

    job_id: str
    timeout: int
    numeric: bool = False


@dataclass(frozen=True)
class Call:
    """A module, or a script's command line, to run.

    :param name: the module's name as Ansible calls it, or None for a script
    :param source: the module's source as shipped, or the PowerShell that starts the script
    :param become_user: the account to run as, or None for the one that is logged on
    :param become_password: its password, or None if the task knows none
    :param logon_type: how it is logged on, one of LOGON_TYPES
    """

    name: str | None
    source: bytes
    arguments: dict[str, Any]
    environment: dict[str, str]
    become_user: str | None
    job: AsyncJob | None
    become_password: str | None = None
    logon_type: str = "Interactive"


@dataclass(frozen=True)
class PluginScript:
    """A script of one of Ansible's plugins: its name, its parameters, and its input."""

    name: str
    parameters: dict[str, Any]
    data: bytes


def unwrap(command_line: str) -> str | None:
    """Return the script that a PowerShell command line carries encoded, however deep; None for any other
    command line.

    :raises NotEncoded: if PowerShell could not read it
    """
    script = None
    while powershell := _POWERSHELL.fullmatch(command_line if script is None else script):
        encoded = _ENCODED.search(powershell[1])
        if encoded is None:
            return script
        try:
            script = base64.b64decode(encoded[1], validate=True).decode("utf-16-le")
        except ValueError as error:
            raise NotEncoded(encoded[1]) from error
    return script


def reads_call(script: str) -> bool:
    """Say whether a script does nothing but run the call that comes by standard input."""
    return any(line in script for line in BOOTSTRAPS)


def decode(stdin: bytes) -> Call | PluginScript:
    """Return what is in the standard input of the bootstrap script; UnknownPayload if it is nothing of
    Ansible's."""
    if stdin.lstrip().startswith(b"{"):
        return _of_manifest(stdin)
    _, separator, rest = stdin.partition(_SEPARATOR)
    if not separator:
        raise UnknownPayload(
            "the bootstrap script got no payload: expected four NUL bytes and JSON in its input"
        )
    try:
        return _call(json.loads(rest))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UnknownPayload(f"the payload is none of ansible-core 2.18: {error!r}") from error


def _call(payload: dict[str, Any]) -> Call:
    actions = payload["actions"]
    if unknown := set(actions) - _ACTIONS:
        raise UnknownPayload(
            f"the payload asks for {', '.join(sorted(unknown))}; known are {', '.join(sorted(_ACTIONS))}"
        )
    asynchronous = "async_wrapper" in actions
    return Call(
        name=None if "module_script_wrapper" in actions else payload["module_args"]["_ansible_module_name"],
        source=base64.b64decode(payload["module_entry"]),
        arguments=payload["module_args"],
        environment=_environment(payload["environment"]),
        become_user=payload["become_user"] if "become_wrapper" in actions else None,
        job=AsyncJob(payload["async_jid"], payload["async_timeout_sec"], True) if asynchronous else None,
        become_password=payload.get("become_password"),
        logon_type=_logon_type(payload.get("become_flags") or ""),
    )


def _logon_type(flags: str) -> str:
    """Return the logon type that a task's flags ask for. From 2.19 on the controller reads them."""
    types = {name.lower(): name for name in LOGON_TYPES}
    logon_type = "Interactive"
    for flag in flags.split(" ") if flags else ():
        key, _, value = flag.partition("=")
        plain = value.replace("_", "").lower()
        if key == "logon_type" and plain in types:
            logon_type = types[plain]
        elif key != "logon_flags" or not set(plain.split(",")) <= {"", *_LOGON_FLAGS}:
            raise UnknownPayload(
                f"internal error: failed to parse become_flags '{flags}': expected logon_type"
                f" ({', '.join(LOGON_TYPES)}) and logon_flags, not '{flag}'"
            )
    return logon_type


def _of_manifest(stdin: bytes) -> Call | PluginScript:
    """Return what a manifest of ansible-core 2.19 or newer asks for: scripts by name, actions around the
    last one."""
    _, separator, rest = stdin.partition(b"\n" + _SEPARATOR + b"\n")
    text, _, data = rest.partition(b"\n" + _SEPARATOR + b"\n")
    if not separator:
        raise UnknownPayload(
            "the bootstrap script got no manifest: expected four NUL bytes and JSON in its input"
        )
    try:
        manifest = json.loads(text)
        actions = {
            action["name"]: {**(action["params"] or {}), **(action.get("secure_params") or {})}
            for action in manifest["actions"]
        }
        if unknown := set(actions) - _WRAPPERS - _PLUGIN_SCRIPTS:
            known = ", ".join(sorted(_WRAPPERS | _PLUGIN_SCRIPTS))
            raise UnknownPayload(f"the manifest asks for {', '.join(sorted(unknown))}; known are {known}")
        name = next(reversed(actions))
        if name in _PLUGIN_SCRIPTS:
            return PluginScript(name, actions[name], data)
        module = actions["module_wrapper.ps1"]
        script = module["Script"]
        variables = {variable["Name"]: variable["Value"] for variable in module.get("Variables", ())}
        arguments = variables.get("complex_args", {})
        become, job = actions.get("become_wrapper.ps1"), actions.get("async_wrapper.ps1")
        return Call(
            name=arguments["_ansible_module_name"] if module.get("ForModule") else None,
            source=base64.b64decode(manifest["scripts"][script]["script"]),
            arguments=arguments,
            environment=_environment(module["Environment"]),
            become_user=become["BecomeUser"] if become else None,
            job=AsyncJob(job["AsyncJid"], actions["async_watchdog.ps1"]["Timeout"]) if job else None,
            become_password=become.get("BecomePassword") if become else None,
            logon_type=become.get("LogonType", "Interactive") if become else "Interactive",
        )
    except (ValueError, KeyError, TypeError, AttributeError, StopIteration) as error:
        raise UnknownPayload(f"the manifest is none of ansible-core 2.19 to 2.21: {error!r}") from error


def _environment(value: dict[str, Any] | list | None) -> dict[str, str]:
    # Ansible sends an empty list where a task has no environment.
    return {name: str(text) for name, text in value.items()} if isinstance(value, dict) else {}
