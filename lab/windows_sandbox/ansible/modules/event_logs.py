# SPDX-License-Identifier: Apache-2.0
"""win_eventlog, win_eventlog_entry."""

import re
from dataclasses import replace
from typing import Any

from lab.windows_sandbox.ansible.modules.call import ModuleCall, ModuleFailed

_LEVELS = {
    "Error": "Error",
    "Warning": "Warning",
    "Information": "Information",
    "SuccessAudit": "Information",
    "FailureAudit": "Warning",
}
# What nothing here acts on; refused when a task sets it.
_UNKNOWN = ("category_file", "message_file", "parameter_file")
_UNITS = {"KB": 1, "MB": 1 << 10, "GB": 1 << 20}


def win_eventlog(call: ModuleCall) -> dict[str, Any]:
    log, name, state = call.session.host.event_log, call["name"], call["state"]
    for parameter in _UNKNOWN:
        if call[parameter] is not None:
            raise ModuleFailed(f"the simulated host does not know win_eventlog's {parameter}")
    sources = call["sources"] or []
    if state == "absent" and name in sources:
        raise ModuleFailed(f"Cannot remove default source {name} from log {name} - you must remove the log")
    changed, touched = {"present": _present, "clear": _clear, "absent": _absent}[state](call, sources)
    result: dict[str, Any] = {"changed": changed, "name": name, "exists": log.exists(name)}
    result["sources_changed"] = [] if call.check_mode else touched
    if result["exists"]:
        limits = log.limits(name)
        result |= {
            "entries": len(log.newest(name, 1 << 30)),
            "sources": log.sources(name),
            "maximum_size_kb": limits.kilobytes,
            "overflow_action": limits.overflow_action,
            "retention_days": limits.retention_days,
        }
    return result


def _present(call: ModuleCall, sources: list[str]) -> tuple[bool, list[str]]:
    log, name = call.session.host.event_log, call["name"]
    exists = log.exists(name)
    if not exists and not sources:
        raise ModuleFailed("You must specify one or more sources when creating a log for the first time")
    missing = []
    for source in sources:
        owner = log.log_of(source)
        if owner and not exists:
            raise ModuleFailed(f"Source {source} already exists and cannot be created")
        if owner and owner.lower() != name.lower():
            raise ModuleFailed(f"Source {source} does not belong to log {name} and cannot be modified")
        missing += [] if owner else [source]
    for source in missing if not call.check_mode else ():
        log.add_source(name, source)
    present = log.limits(name)
    wanted = replace(
        present,
        kilobytes=_kilobytes(call["maximum_size"]) if call["maximum_size"] else present.kilobytes,
        overflow_action=call["overflow_action"] or present.overflow_action,
        retention_days=call["retention_days"] or present.retention_days,
    )
    if wanted != present and not call.check_mode:
        log.set_limits(name, wanted)
    return bool(missing) or wanted != present, missing


def _kilobytes(text: str) -> int:
    match = re.fullmatch(r"(\d+(?:\.\d+)?)(KB|MB|GB)", text, re.IGNORECASE)
    if not match:
        raise ModuleFailed(f"Maximum size {text} is not properly specified")
    kilobytes = float(match[1]) * _UNITS[match[2].upper()]
    if not 64 <= kilobytes < 4 << 20:
        raise ModuleFailed("Maximum size must be between 64KB and 4GB")
    if kilobytes % 64:
        raise ModuleFailed("Maximum size must be divisible by 64KB")
    return int(kilobytes)


def _clear(call: ModuleCall, sources: list[str]) -> tuple[bool, list[str]]:
    log, name = call.session.host.event_log, call["name"]
    if not log.exists(name):
        raise ModuleFailed(f"Cannot clear log {name} as it does not exist")
    changed = bool(log.newest(name, 1))
    if not call.check_mode:
        log.clear(name)
    return changed, []


def _absent(call: ModuleCall, sources: list[str]) -> tuple[bool, list[str]]:
    log, name = call.session.host.event_log, call["name"]
    if not log.exists(name):
        return False, []
    touched = [source for source in sources or log.sources(name) if log.source_exists(name, source)]
    if not call.check_mode:
        for source in touched:
            log.remove_source(source)
        if not sources:
            log.remove(name)
    return not sources or bool(touched), touched


def win_eventlog_entry(call: ModuleCall) -> dict[str, Any]:
    log, name, source = call.session.host.event_log, call["log"], call["source"]
    if not log.exists(name):
        raise ModuleFailed(f"Log {name} does not exist and cannot be written to")
    owner = log.log_of(source)
    if owner is None:
        raise ModuleFailed(f"Source {source} does not exist")
    if owner.lower() != name.lower():
        raise ModuleFailed(f"Source {source} does not belong to log {name} and cannot be written to")
    if not 0 <= call["event_id"] <= 65535:
        raise ModuleFailed("Event ID must be between 0 and 65535")
    if not call.check_mode:
        level = _LEVELS[call["entry_type"] or "Information"]
        log.write(owner, source, call["event_id"], level, call["message"])
    return {"changed": True, "msg": f"Entry added to log {name} from source {source}"}
