# SPDX-License-Identifier: Apache-2.0
"""Modules in the background: the client gets an id at once, and asks for the result with async_status."""

import json
import ntpath
import os
import threading
from typing import Any

from lab.windows_sandbox.ansible import execution
from lab.windows_sandbox.ansible.payload import Call, UnknownPayload
from lab.windows_sandbox.session import Session, Terminated


def start(session: Session, call: Call) -> dict[str, Any]:
    """Start a module and return what the client is told first (async_wrapper.ps1 of ansible-core 2.18,
    2.21)."""
    folder = session.environment.value("ANSIBLE_ASYNC_DIR")
    if not folder:
        raise UnknownPayload(
            "the environment variable ANSIBLE_ASYNC_DIR is not set and is required for an async task"
        )
    # No other process of this host has the number, which is all that the client wants of it.
    number = threading.get_native_id()
    job_id = f"{call.job.job_id}.{number}"
    path = ntpath.join(session.path(folder), job_id)
    session.writable(path).parent.mkdir(parents=True, exist_ok=True)
    started, finished = (1, 0) if call.job.numeric else (True, False)
    first = {
        "started": started,
        "finished": finished,
        "results_file": path,
        "ansible_job_id": job_id,
        "_ansible_suppress_tmpdir_delete": True,
        "ansible_async_watchdog_pid": number,
    }
    _write(session, path, first)
    # A session of its own: the client closes this one as soon as it has the answer.
    background = Session(
        session.host, session.user, session.environment, session.directory, session.logon_type
    )
    threading.Thread(
        target=_run, args=(background, call, path, {**first, "finished": started}), name=job_id, daemon=True
    ).start()
    return first


def _run(session: Session, call: Call, path: str, last: dict[str, Any]) -> None:
    limit = threading.Timer(call.job.timeout, session.end)
    limit.start()
    # What the client reads if this host fails in a way that it did not foresee.
    result = {"failed": True, "msg": "the simulated host failed; its log says more"}
    try:
        result = execution.run_module(session, call)
    except Terminated:
        result = {"failed": True, "msg": "timed out waiting for module completion"}
    finally:
        limit.cancel()
        _write(session, path, result | last)


def _write(session: Session, path: str, result: dict[str, Any]) -> None:
    target = session.writable(path)
    new = target.with_name(target.name + ".new")
    new.write_text(json.dumps(result))
    os.replace(new, target)
