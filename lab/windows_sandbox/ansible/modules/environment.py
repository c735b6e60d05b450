# SPDX-License-Identifier: Apache-2.0
"""win_environment, win_path."""

from typing import Any

from lab.windows_sandbox.ansible.modules.call import ModuleCall, ModuleFailed
from lab.windows_sandbox.environment import user_key
from lab.windows_sandbox.installation import MACHINE_ENVIRONMENT


def win_environment(call: ModuleCall) -> dict[str, Any]:
    if (call["name"] is None) == (call["variables"] is None):
        raise ModuleFailed(
            "one of the following is required: name, variables"
            if call["name"] is None
            else "parameters are mutually exclusive: variables, name"
        )
    variables = call["variables"] or {call["name"]: call["value"]}
    result: dict[str, Any] = {"values": {}, "changed": False}
    shown = {"before": {}, "after": {}}
    for name, value in variables.items():
        status = _set(call, name, value)
        result["values"][name] = status
        result["changed"] |= status["changed"]
        result |= {"before_value": status["before"], "value": status["after"]}
        for when, values in shown.items():
            if status[when]:
                values[name] = status[when]
    if call.version >= (3, 3):
        result["env_values"] = result["values"]
    call.diff = {when: {call["level"]: values} for when, values in shown.items()}
    return result


def _set(call: ModuleCall, name: str, value: Any) -> dict[str, Any]:
    value = None if value is None or value == "" else str(value)
    state = call["state"] or ("present" if value else "absent")
    if state == "present" and value is None:
        raise ModuleFailed(
            "When state=present, value must be defined and not an empty string, if you wish to remove the"
            " envvar, set state=absent"
        )
    if state == "absent" and value is not None:
        call.warn(f"When removing environment variable '{name}' it should not have a value '{value}' set")
        value = None
    if call["level"] == "process":
        # It would be gone with the module's own process.
        before = call.session.environment.value(name) or None
        return {"changed": before != value, "before": before, "after": value}
    registry = call.session.host.registry
    key = MACHINE_ENVIRONMENT if call["level"] == "machine" else user_key(call.session.user) + r"\Environment"
    before = registry.data(key, name)
    changed = before != value
    if changed and not call.check_mode:
        if value is None:
            registry.delete_value(key, name)
        else:
            # .NET writes REG_EXPAND_SZ only where a value of that type is there (documented:
            # SetEnvironmentVariable).
            kind = (registry.get(key, name) or ("REG_SZ",))[0]
            registry.set(key, name, kind, value)
    return {"changed": changed, "before": before, "after": value}


def win_path(call: ModuleCall) -> dict[str, Any]:
    registry, name = call.session.host.registry, call["name"]
    key = MACHINE_ENVIRONMENT if call["scope"] == "machine" else user_key(call.session.user) + r"\Environment"
    present = registry.data(key, name, "")
    elements = [element for element in present.split(";") if element]
    before, result = list(elements), {}
    if call["state"] == "absent":
        for element in call["elements"]:
            result["removed_idx"] = index = _index(elements, element)
            if index >= 0:
                del elements[index]
    else:
        _add(elements, call["elements"])
    value = ";".join(elements)
    result |= {"path_value": value if elements != before else present, "changed": elements != before}
    if result["changed"] and not call.check_mode:
        registry.set(key, name, "REG_EXPAND_SZ", value)
    return result


def _index(elements: list[str], wanted: str) -> int:
    """Return where an element is, neither quotes nor a backslash around it counting, or -1."""
    plain = [element.strip('"').strip("\\").lower() for element in elements]
    wanted = wanted.strip('"').strip("\\").lower()
    return plain.index(wanted) if wanted in plain else -1


def _add(elements: list[str], wanted: list[str]) -> None:
    """Add what is missing, and move what is not in the order that was asked for."""
    last = -1
    for element in wanted:
        index = _index(elements, element)
        if 0 <= index and index >= last:
            last = index
            continue
        if index >= 0:
            del elements[index]
        elements.append(element)
        last = len(elements) - 1
