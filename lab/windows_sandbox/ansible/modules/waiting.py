# SPDX-License-Identifier: Apache-2.0
"""win_wait_for."""

import re
import socket
import time
from collections.abc import Callable
from typing import Any

from lab.windows_sandbox.ansible.modules.call import ModuleCall, ModuleFailed


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
