# SPDX-License-Identifier: Apache-2.0
"""Runs one call: finds the counterpart of the module that was shipped, checks its parameters, answers in
JSON.
"""

import hashlib
import json
import logging
import sys
from typing import Any

from lab.windows_sandbox.ansible import specification
from lab.windows_sandbox.ansible.modules import MODULES
from lab.windows_sandbox.ansible.modules.call import ModuleCall, ModuleFailed
from lab.windows_sandbox.ansible.payload import Call
from lab.windows_sandbox.errors import Win32Error
from lab.windows_sandbox.session import Session

LOG = logging.getLogger(__name__)

# Ansible's own plugins keep the POSIX names although the Windows module is what they ship.
_WINDOWS_NAMES = {"stat": "win_stat", "file": "win_file", "copy": "win_copy", "ping": "win_ping"}

# Modules that check mode leaves out, and from which release on it does not (inferred from their sources).
_NO_CHECK_MODE = {
    "ansible.windows.win_acl": (3, 8),
    "ansible.windows.win_command": (sys.maxsize,),
    "ansible.windows.win_shell": (sys.maxsize,),
}


def run_module(session: Session, call: Call) -> dict[str, Any]:
    """Return the module's result; a failure is a result too."""
    try:
        module, warnings = _module(call)
        given = {name: value for name, value in call.arguments.items() if not name.startswith("_ansible_")}
        parameters = specification.check(module, given, session.expand)
    except specification.ParametersRefused as error:
        return {"changed": False, "failed": True, "msg": str(error)}
    check_mode = bool(call.arguments.get("_ansible_check_mode"))
    if check_mode and module.name in _NO_CHECK_MODE and module.version < _NO_CHECK_MODE[module.name]:
        text = f"remote module ({call.name}) does not support check mode"
        return {"changed": False, "skipped": True, "msg": text, "warnings": warnings}
    run = ModuleCall(session, parameters, check_mode, warnings, version=module.version)
    try:
        result = MODULES[module.name](run)
    except ModuleFailed as failure:
        result = {**failure.result, "failed": True, "msg": str(failure)}
    except Win32Error as error:
        result = {"failed": True, "msg": str(error), "rc": error.code}
    except OSError as error:
        # What the disk below says (full, read-only, a name too long) is what a Windows disk would say too.
        result = {"failed": True, "msg": f"{error.strerror}: {error.filename}"}
    result.setdefault("changed", False)
    result["invocation"] = {"module_args": specification.censored(parameters)}
    if call.arguments.get("_ansible_diff") and run.diff:
        result["diff"] = run.diff
    if run.warnings:
        result["warnings"] = run.warnings
    LOG.info(
        "%s as %s: %s",
        module.name,
        session.user,
        "failed: " + result["msg"] if result.get("failed") else "ok",
    )
    return result


def _module(call: Call) -> tuple[specification.Module, list[str]]:
    if module := specification.shipped(call.source):
        return module, []
    namespace, _, short = call.name.rpartition(".")
    known = specification.modules()
    names = [call.name] + [
        f"{collection}.{_WINDOWS_NAMES.get(short, short)}"
        for collection in ("ansible.windows", "community.windows")
        if namespace in ("", "ansible.legacy", "ansible.builtin")
    ]
    for name in names:
        if name in known:
            read = ", ".join(".".join(map(str, release.version)) for release in known[name])
            warning = (
                f"the simulated host emulates {name} as its collection has it in {read};"
                f" the source shipped is another (SHA-256 {hashlib.sha256(call.source).hexdigest()[:12]}…)"
            )
            LOG.warning(warning)
            return known[name][-1], [warning]
    raise specification.ParametersRefused(
        f"the simulated host has no counterpart of module {call.name}; it has {', '.join(sorted(known))}"
    )


def to_json(result: dict[str, Any]) -> bytes:
    """Return a result as the module would print it."""
    return json.dumps(result).encode() + b"\r\n"
