# SPDX-License-Identifier: Apache-2.0
"""win_ping, async_status."""

import json
import ntpath
from typing import Any

from lab.windows_sandbox.ansible.modules.call import ModuleCall, ModuleFailed


def win_ping(call: ModuleCall) -> dict[str, Any]:
    if call["data"] == "crash":
        raise ModuleFailed("Unhandled exception while executing module: boom")
    return {"ping": call["data"]}


def async_status(call: ModuleCall) -> dict[str, Any]:
    path = ntpath.join(call["_async_dir"], call["jid"])
    local = call.session.local(path)
    if not local.is_file():
        raise ModuleFailed(
            f"could not find job at '{call['_async_dir']}'", ansible_job_id=call["jid"], started=1, finished=1
        )
    if call["mode"] == "cleanup":
        call.session.writable(path).unlink()
        return {"ansible_job_id": call["jid"], "erased": path}
    # Written whole or not at all (asynchronous.py), so there is no half a file to be patient with.
    result = json.loads(local.read_text())
    return (
        {"finished": 0, **result}
        if "started" in result
        else {**result, "finished": 1, "ansible_job_id": call["jid"]}
    )
