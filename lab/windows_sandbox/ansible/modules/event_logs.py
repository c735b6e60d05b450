# SPDX-License-Identifier: Apache-2.0
"""win_eventlog, win_eventlog_entry."""

from typing import Any

from lab.windows_sandbox.ansible.modules.call import ModuleCall, ModuleFailed

_LEVELS = {
    "Error": "Error",
    "Warning": "Warning",
    "Information": "Information",
    "SuccessAudit": "Information",
    "FailureAudit": "Warning",
}
_UNKNOWN = (
    "category_file",
    "message_file",
    "parameter_file",
    "overflow_action",
    "retention_days",
    "maximum_size",
)


def win_eventlog(call: ModuleCall) -> dict[str, Any]:
    log, name, state = call.session.host.event_log, call["name"], call["state"]
    for parameter in _UNKNOWN:
        if call[parameter] is not None:
            raise ModuleFailed(f"the simulated host does not know win_eventlog's {parameter}")
    exists, sources = log.exists(name), call["sources"] or []
    changed = False
    touched: list[str] = []
    match state:
        case "present":
            changed = not exists
            touched = [
                source
                for source in sources or ([name] if not exists else [])
                if not log.source_exists(name, source)
            ]
            foreign = [source for source in touched if log.log_of(source)]
            if foreign:
                raise ModuleFailed(f"Source {foreign[0]} already exists and cannot be created")
            for source in touched if not call.check_mode else ():
                log.add_source(name, source)
        case "clear":
            if not exists:
                raise ModuleFailed(f"The log {name} does not exist")
            changed = bool(log.newest(name, 1))
            if not call.check_mode:
                log.clear(name)
        case "absent":
            touched = [source for source in sources if log.source_exists(name, source)]
            changed = bool(touched) if sources else exists
            if not call.check_mode:
                for source in touched:
                    log.remove_source(source)
                if not sources and exists:
                    log.remove(name)
    there = log.exists(name)
    return {
        "changed": changed or bool(touched),
        "name": name,
        "exists": there,
        "sources_changed": touched,
        "entries": len(log.newest(name, 1 << 30)) if there else 0,
        "sources": log.sources(name) if there else [],
        "maximum_size_kb": 20480,
        "overflow_action": "OverwriteAsNeeded",
        "retention_days": 0,
    }


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
