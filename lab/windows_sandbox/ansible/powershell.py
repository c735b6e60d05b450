# SPDX-License-Identifier: Apache-2.0
"""The process that a PowerShell command line gets: it answers what Ansible sends, and runs nothing else."""

import hashlib
import json
import logging
import re
from collections.abc import Callable

from lab.windows_sandbox import command_line as lines
from lab.windows_sandbox import scripts
from lab.windows_sandbox.ansible import asynchronous, clixml, execution, payload, plugin_scripts
from lab.windows_sandbox.environment import is_system
from lab.windows_sandbox.errors import Win32Error
from lab.windows_sandbox.scripts.ansible_variable import AnsibleVariable, ScriptFailed
from lab.windows_sandbox.session import Session, Terminated
from lab.windows_sandbox.threaded_process import ThreadedProcess

LOG = logging.getLogger(__name__)


class BecomeFailed(Exception):
    """Another user cannot be had; the words are those of become_wrapper.ps1."""

    def __init__(self, user: str, reason: str):
        super().__init__(
            f"internal error: failed to become user '{user}': Exception calling \"CreateProcessAsUser\" with"
            f' "9" argument(s): "{reason}"'
        )


class PowerShell(ThreadedProcess):
    """PowerShell with what -EncodedCommand carried."""

    def __init__(self, session: Session, script: str):
        def act(stdin: bytes, emit: Callable[[int, bytes], None]) -> int:
            try:
                stdout, stderr, code = answer(session, script, stdin)
            except (
                plugin_scripts.ScriptFailed,
                scripts.ScriptRefused,
                ScriptFailed,
                payload.UnknownPayload,
                BecomeFailed,
                Win32Error,
                OSError,
            ) as error:
                LOG.warning("PowerShell of %s: %s", session.user, error)
                stdout, stderr, code = b"", clixml.errors(str(error)), 1
            except Terminated:
                raise
            except BaseException as error:
                # The traceback is for whoever mends this host.
                emit(2, clixml.errors(f"the simulated host failed: {error!r}"))
                raise
            emit(1, stdout)
            emit(2, stderr)
            return code

        super().__init__(session, act)


# PowerShell's exit code for parameters that it does not take, 0xFFFD0000 (inferred: PowerShell 7's source).
_BAD_PARAMETER = 4294770688


def not_encoded(session: Session) -> ThreadedProcess:
    """Return PowerShell with an -EncodedCommand that it cannot read, as one in quotes is (recorded: issue
    2569 of community.vmware).
    """

    def act(stdin: bytes, emit: Callable[[int, bytes], None]) -> int:
        text = (
            "Cannot process the command because the value specified with -EncodedCommand is not properly"
            " encoded. The value must be Base64 encoded.\r\n"
        )
        emit(2, text.encode())
        return _BAD_PARAMETER

    return ThreadedProcess(session, act)


def answer(session: Session, script: str, stdin: bytes) -> tuple[bytes, bytes, int]:
    """Return standard output, standard error and exit code of a script."""
    if payload.reads_call(script):
        call = payload.decode(stdin)
        if isinstance(call, payload.Call):
            return answer_call(session, call)
        output = plugin_scripts.run(session, call)
        return output.encode() + b"\r\n" if output else b"", b"", 0
    if act := plugin_scripts.find(script):
        output = act(session, stdin)
        return output.encode() + b"\r\n" if output else b"", b"", 0
    first = next((line for line in script.splitlines() if line.strip()), "")
    raise scripts.ScriptRefused(
        "the simulated host runs no PowerShell, and this is no script of Ansible's own plugins: SHA-256"
        f" {hashlib.sha256(script.encode()).hexdigest()}, first line: {first[:120]}"
    )


def answer_call(session: Session, call: payload.Call) -> tuple[bytes, bytes, int]:
    if call.become_user:
        session = _become(session, call.become_user, call.become_password, call.logon_type)
    session.environment.add(call.environment)
    if call.name is None:
        return _run_script_file(session, call.source.decode())
    if call.job:
        return execution.to_json(asynchronous.start(session, call)), b"", 0
    result = execution.run_module(session, call)
    return execution.to_json(result), b"", int(bool(result.get("failed")))


def _become(session: Session, name: str, password: str | None, logon_type: str = "Interactive") -> Session:
    """Return a session of another user. Without a password an administrator gets a batch logon of any user
    (inferred: Ansible.Become.cs, which asks for SYSTEM's token first). New credentials are for other
    computers: here it is the same user still, and nobody asks if they are right (documented: LogonUserW).
    """
    accounts = session.host.accounts
    if logon_type == "NewCredentials":
        return session.become(session.user, logon_type)
    if is_system(name):
        return session.become("SYSTEM", "Service")
    user = accounts.user(name)
    if user is None:
        raise BecomeFailed(name, "Some or all identity references could not be translated.")
    if password is None:
        if not is_system(session.user) and not accounts.is_administrator(session.user):
            raise BecomeFailed(
                name,
                r"Failed to get token for NT AUTHORITY\SYSTEM required for become as a service account or an"
                " account without a password",
            )
        return session.become(user.name, "Network" if logon_type == "Network" else "Batch")
    if logon_type == "Unlock":
        raise BecomeFailed(name, "the simulated host does not know the logon type unlock")
    try:
        accounts.check_password(user.name, password)
        session.host.rights.check_logon(user.name, logon_type)
    except Win32Error as error:
        raise BecomeFailed(
            name,
            rf"Failed to logon .\{user.name}"
            f" ({error.text}, Win32ErrorCode {error.code} - 0x{error.code:08X})",
        ) from error
    return session.become(user.name, logon_type)


# What the action plugin `script` sends: & C:\…\name.ps1 its arguments; exit $LASTEXITCODE
_SCRIPT_FILE = re.compile(r"\s*&\s*(.*);\s*exit \$LASTEXITCODE\s*", re.DOTALL)


def _run_script_file(session: Session, text: str) -> tuple[bytes, bytes, int]:
    match = _SCRIPT_FILE.fullmatch(text)
    if not match:
        raise payload.UnknownPayload(f"a script is started in a way that nobody here knows: {text[:120]}")
    path, *words = lines.split(match[1].replace("'", '"'))
    parameters = _named(words)
    output = scripts.run(
        session, AnsibleVariable(), session.local(path).read_text(encoding="utf-8-sig"), parameters
    )
    text = "".join((item if isinstance(item, str) else json.dumps(item)) + "\r\n" for item in output)
    return text.encode(), b"", 0


def _named(words: list[str]) -> dict[str, str]:
    names, values = words[::2], words[1::2]
    if len(names) != len(values) or not all(name.startswith("-") for name in names):
        raise scripts.ScriptRefused(
            f"the simulated host takes a script's arguments as -Name value only, not {' '.join(words)}"
        )
    return {name.removeprefix("-"): value for name, value in zip(names, values, strict=True)}
