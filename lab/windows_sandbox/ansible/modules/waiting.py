# SPDX-License-Identifier: Apache-2.0
"""win_wait_for, win_wait_for_process."""

import ntpath
import re
import socket
import time
from collections.abc import Callable
from typing import Any

from lab.windows_sandbox.ansible.modules.call import ModuleCall, ModuleFailed
from lab.windows_sandbox.environment import is_system
from lab.windows_sandbox.processes import Child
from lab.windows_sandbox.security import account_sid
from lab.windows_sandbox.session import Session

# As Get-Process names them, without their users (inferred: it shows none for what has no token to open).
_SYSTEM_PROCESSES = (("Idle", 0), ("System", 4))


def _listens(host: str, port: int, timeout: float) -> bool:
    try:
        with socket.create_connection((host, port), timeout):
            return True
    except OSError:
        return False


def _wanted(call: ModuleCall) -> tuple[Callable[[], bool], str]:
    """Return the condition to wait for, and what it is called when time is up."""
    session, state, regex = call.session, call["state"], call["regex"]
    if call["path"] is not None:
        path, present = call["path"], state in ("present", "started")
        if regex is None:
            return (
                lambda: session.exists(path) == present,
                f"file {path} to be {'present' if present else 'absent'}",
            )

        def matches() -> bool:
            return session.is_file(path) and bool(
                re.search(regex, session.local(path).read_text(errors="replace"), re.IGNORECASE)
            )

        wording = f"string regex {regex} in file {path} to {'match' if present else 'not match'}"
        return lambda: matches() == present, wording
    host, port, up = call["host"], call["port"], state in ("started", "present")
    return (
        lambda: _listens(host, port, call["connect_timeout"]) == up,
        f"{host}:{port} to {'start' if up else 'stop'} listening",
    )


def win_wait_for(call: ModuleCall) -> dict[str, Any]:
    if call["port"] is not None and call["path"] is not None:
        raise ModuleFailed("port and path parameter can not both be passed to win_wait_for", elapsed=0)
    if call["state"] == "drained" or call["exclude_hosts"]:
        raise ModuleFailed("the simulated host does not know state=drained of win_wait_for", elapsed=0)
    if call["path"] is not None and call["state"] == "stopped":
        raise ModuleFailed(
            "state=stopped should only be used for checking a port in the win_wait_for module", elapsed=0
        )
    if call["port"] is not None and call["regex"] is not None:
        raise ModuleFailed(
            "regex should by used when checking a string in a file in the win_wait_for module", elapsed=0
        )
    started, attempts = time.monotonic(), 0
    call.session.pause(call["delay"] or 0)
    if call["port"] is None and call["path"] is None:
        call.session.pause(call["timeout"])
        return {"elapsed": time.monotonic() - started, "wait_attempts": 0}
    condition, wording = _wanted(call)
    deadline = time.monotonic() + call["timeout"]
    while time.monotonic() < deadline:
        attempts += 1
        if condition():
            return {"elapsed": time.monotonic() - started, "wait_attempts": attempts}
        call.session.pause(call["sleep"])
    raise ModuleFailed(
        f"timeout while waiting for {wording}", elapsed=time.monotonic() - started, wait_attempts=attempts
    )


def _matching(call: ModuleCall) -> list[dict[str, Any]]:
    session = call.session
    names = [name.lower() for name in call["process_name_exact"] or ()]
    pattern, owner = call["process_name_pattern"], call["owner"]
    wanted_sid = _sid(session, owner)
    if owner and wanted_sid is None:
        raise ModuleFailed(f"account_name {owner} is not a valid account, cannot get SID")
    processes = [{"name": name, "pid": pid, "owner": None} for name, pid in _SYSTEM_PROCESSES]
    processes += [_process(session, child) for child in session.host.processes.running()]
    return [
        process
        for process in processes
        if (not pattern or re.search(pattern, process["name"], re.IGNORECASE))
        and (not names or process["name"].lower() in names)
        and (not call["pid"] or process["pid"] == call["pid"])
        and (not owner or wanted_sid == _sid(session, process["owner"]))
    ]


def _process(session: Session, child: Child) -> dict[str, Any]:
    """Return a process as Get-Process -IncludeUserName has it."""
    user = child.user
    if is_system(user):
        owner = r"NT AUTHORITY\SYSTEM"
    else:
        owner = user if "\\" in user else rf"{session.host.computer_name}\{user}"
    return {"name": ntpath.splitext(child.image)[0], "pid": child.pid, "owner": owner}


def _sid(session: Session, account: str | None) -> str | None:
    return account_sid(session.host.accounts, account) if account else None


def win_wait_for_process(call: ModuleCall) -> dict[str, Any]:
    named = [
        name for name in ("pid", "process_name_exact", "process_name_pattern") if call[name] not in (0, None)
    ]
    if len(named) > 1:
        raise ModuleFailed(f"parameters are mutually exclusive: {', '.join(named[:2])}")
    if not named and call["owner"] is None:
        raise ModuleFailed(
            "one of the following is required: owner, pid, process_name_exact, process_name_pattern"
        )
    present = call["state"] == "present"
    for name in () if present else ("sleep", "process_min_count"):
        if call[name] != 1:
            call.warn(f"Parameter '{name}' has no effect when waiting for a process to stop.")
    started = time.monotonic()
    call.session.pause(call["pre_wait_delay"])
    found = _matching(call)
    awaited = {process["pid"] for process in found}

    def arrived() -> bool:
        if present:
            return len(found) >= call["process_min_count"]
        return awaited.isdisjoint(process["pid"] for process in _matching(call))

    while not arrived():
        if time.monotonic() - started > call["timeout"]:
            late, what = ("Timed out", "start") if present else ("Timeout", "stop")
            raise ModuleFailed(
                f"{late} while waiting for process(es) to {what}",
                elapsed=time.monotonic() - started,
                matched_processes=found,
            )
        # Who waits for the end polls nothing; its seconds are none that the task asks for.
        call.session.pause(call["sleep"] if present else 0.05)
        if present:
            found = _matching(call)
    call.session.pause(call["post_wait_delay"])
    return {"elapsed": time.monotonic() - started, "matched_processes": found}
