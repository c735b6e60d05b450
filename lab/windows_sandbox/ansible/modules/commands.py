# SPDX-License-Identifier: Apache-2.0
"""win_command, win_shell."""

from datetime import UTC, datetime, timedelta
from typing import Any

from lab.windows_sandbox import command_line as lines
from lab.windows_sandbox import command_prompt, errors, tools
from lab.windows_sandbox.ansible.modules.call import ModuleCall, ModuleFailed
from lab.windows_sandbox.errors import Win32Error
from lab.windows_sandbox.processes import Completed


def win_command(call: ModuleCall) -> dict[str, Any]:
    given = [name for name in ("_raw_params", "argv", "cmd") if call[name]]
    if len(given) != 1:
        raise ModuleFailed(
            f"parameters are mutually exclusive: {', '.join(given)}"
            if given
            else "one of the following is required: _raw_params, argv, cmd"
        )
    command = lines.join(call["argv"]) if call["argv"] else (call["cmd"] or call["_raw_params"].strip())
    return _execute(call, command, command)


def win_shell(call: ModuleCall) -> dict[str, Any]:
    # The parameter has this name from 3.8 on.
    command = call.parameters.get("cmd", call.parameters.get("_raw_params")).strip()
    if call["executable"] not in ("cmd", "cmd.exe"):
        raise ModuleFailed(
            "the simulated host runs no PowerShell: use win_command, a module, or a script that has a"
            f" counterpart in lab/windows_sandbox/scripts; refused: {command.splitlines()[0][:200]}",
            cmd=command,
        )
    return _execute(call, command, "cmd.exe /c " + command)


def _execute(call: ModuleCall, shown: str, command: str) -> dict[str, Any]:
    session = call.session
    for name, reason, skips in (("creates", "exists", True), ("removes", "does not exist", False)):
        if call[name] and session.exists(call[name]) == skips:
            return {"msg": f"skipped, since {call[name]} {reason}", "cmd": shown, "skipped": True, "rc": 0}
    started = datetime.now(UTC)
    completed = _completed(call, command, shown)
    ended = datetime.now(UTC)
    result = {
        "changed": True,
        "cmd": shown,
        "rc": completed.exit_code,
        "stdout": _text(call, completed.stdout),
        "stderr": _text(call, completed.stderr),
        "start": f"{started:%Y-%m-%d %H:%M:%S.%f}",
        "end": f"{ended:%Y-%m-%d %H:%M:%S.%f}",
        "delta": _duration(ended - started),
    }
    if completed.exit_code:
        raise ModuleFailed("non-zero return code", **result)
    return result


def _completed(call: ModuleCall, command: str, shown: str) -> Completed:
    stdin = (call["stdin"] or "").encode()
    run = command_prompt.run if command_prompt.is_command_prompt(command) else tools.execute
    try:
        if call["chdir"] and not call.session.is_directory(call["chdir"]):
            raise Win32Error(errors.DIRECTORY, call["chdir"])
        return run(call.session, command, call["chdir"], stdin)
    except Win32Error as error:
        raise ModuleFailed(
            f"Failed to run: '{shown}': Exception calling \"CreateProcess\": {error}",
            cmd=shown,
            rc=error.code,
        ) from error


def _text(call: ModuleCall, output: bytes) -> str:
    return output.decode(call["output_encoding_override"] or "utf-8", "replace")


def _duration(elapsed: timedelta) -> str:
    return f"{timedelta(seconds=elapsed.seconds)}.{elapsed.microseconds:06}"
