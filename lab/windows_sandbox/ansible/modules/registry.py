# SPDX-License-Identifier: Apache-2.0
"""win_regedit, win_reg_stat."""

import re
from collections.abc import Callable
from typing import Any

from lab.windows_sandbox.ansible.modules.call import ModuleCall, ModuleFailed
from lab.windows_sandbox.environment import user_key

# By Windows' own names, those of .NET's RegistryValueKind.
_KIND_NAMES = {
    "REG_NONE": "None",
    "REG_BINARY": "Binary",
    "REG_DWORD": "DWord",
    "REG_EXPAND_SZ": "ExpandString",
    "REG_MULTI_SZ": "MultiString",
    "REG_SZ": "String",
    "REG_QWORD": "QWord",
}
_KINDS = {name.lower(): kind for kind, name in _KIND_NAMES.items()}
_BYTES = ("REG_NONE", "REG_BINARY")
_LARGEST = {"dword": 0xFFFFFFFF, "qword": 0xFFFFFFFFFFFFFFFF}


def key_of(call: ModuleCall, what: str) -> str:
    """Return the key that the parameter path names, as Registry takes it."""
    match = re.fullmatch(r"(HKCC|HKCR|HKCU|HKLM|HKU):\\(.*)", call["path"], re.IGNORECASE | re.DOTALL)
    if not match:
        raise ModuleFailed(
            f"path: {call['path']} is not a valid {what} path, see module documentation for examples."
        )
    hive = user_key(call.session.user) if match[1].upper() == "HKCU" else match[1].upper()
    return f"{hive}\\{match[2]}".rstrip("\\")


def _bytes(data: Any) -> bytes:
    match data:
        case None:
            return b""
        case str():
            digits = re.sub(r"[^a-f0-9,:]", "", data.lower().removeprefix("hex:")).replace(",", ":")
            return bytes(
                int(part, 16)
                for part in (digits.split(":") if ":" in digits else re.findall("..?", digits))
                if part
            )
        case int() if data > 255:
            raise ModuleFailed(
                f"cannot convert binary data '{data}' to byte array, please specify this value as a yaml byte"
                " array or a comma separated hex value string"
            )
        case int():
            return bytes([data])
        case list():
            return bytes(data)
    raise ModuleFailed(f"cannot convert binary data '{data}' to byte array")


def _number(text: str) -> int:
    try:
        return int(text, 16 if text.strip().lower().startswith("0x") else 10)
    except ValueError as error:
        raise ModuleFailed(
            f'Unhandled exception while executing module: Cannot convert value "{text}" to type'
            ' "System.UInt64". Error: "Input string was not in a correct format."'
        ) from error


def _data(kind: str, name: str, data: Any) -> Any:
    if kind in ("binary", "none"):
        return _bytes(data)
    if kind in _LARGEST:
        number = _number(data) if isinstance(data, str) else data or 0
        if number % 1:
            raise ModuleFailed(
                f"data '{data}' cannot be a decimal or float value with a remainder when type is dword or"
                " qword"
            )
        number = int(number)
        if not 0 <= number <= _LARGEST[kind]:
            raise ModuleFailed(f"data cannot be larger than 0x{_LARGEST[kind]:x} when type is {kind}")
        return number
    if kind == "multistring":
        return [] if data is None else [str(item) for item in data] if isinstance(data, list) else [str(data)]
    # The default value of a key stays unset unless there is data for it.
    return str(data) if data is not None else "" if name else None


def win_regedit(call: ModuleCall) -> dict[str, Any]:
    if call["hive"]:
        raise ModuleFailed(
            "the simulated host has no registry hives in files: it does not know win_regedit's hive"
        )
    key, name, kind = key_of(call, "powershell"), call["name"] or "", call["type"]
    registry = call.session.host.registry
    result: dict[str, Any] = {"changed": False, "data_changed": False, "data_type_changed": False}
    if call["state"] == "absent":
        whole_key = call["delete_key"] and not name
        if registry.key_exists(key) if whole_key else registry.get(key, name):
            result["changed"] = True
            here = {} if whole_key else {name: _in_diff(registry.get(key, name), call.session.expand)}
            call.diff = {"before": {call["path"]: here}, "after": {} if whole_key else {call["path"]: {}}}
            if not call.check_mode:
                registry.delete_key(key) if whole_key else registry.delete_value(key, name)
        return result
    if not name and kind != "string":
        call.warn(
            "the data type when name is not specified can only be 'string', the type has automatically been"
            " converted"
        )
        kind = "string"
    new, old = (_KINDS[kind], _data(kind, name, call["data"])), registry.get(key, name)
    result["changed"] = is_new_key = not registry.key_exists(key)
    before, after = {}, {}
    call.diff = {"before": {} if is_new_key else {call["path"]: before}, "after": {call["path"]: after}}
    if old and new[1] is not None:
        before[name] = _in_diff(old)
    if new[1] is not None and not (is_new_key and call.check_mode):
        after[name] = _in_diff(new)
    if new[1] is not None and new != old:
        result |= {
            "changed": True,
            "data_type_changed": bool(old) and old[0] != new[0],
            "data_changed": bool(old) and old[1] != new[1],
        }
    if result["changed"] and not call.check_mode:
        registry.create_key(key)
        if new[1] is not None:
            registry.set(key, name, *new)
    return result


def _hexadecimal(data: bytes) -> list[str]:
    return [f"0x{byte:02x}" for byte in data]


def _in_diff(value: tuple[str, Any], expand: Callable[[str], str] = str) -> dict[str, Any]:
    kind, data = value
    match kind:
        case "REG_NONE" | "REG_BINARY":
            data = _hexadecimal(data)
        case "REG_DWORD":
            data = f"0x{data:08x}"
        case "REG_QWORD":
            data = f"0x{data:016x}"
        case "REG_EXPAND_SZ":
            data = expand(data)
    return {"type": _KIND_NAMES[kind], "value": data}


def _property(call: ModuleCall, value: tuple[str, Any]) -> dict[str, Any]:
    kind, data = value
    raw = _hexadecimal(data) if kind in _BYTES else data
    shown = list(data) if kind in _BYTES else call.session.expand(data) if kind == "REG_EXPAND_SZ" else data
    return {"type": kind, "value": shown, "raw_value": raw}


def win_reg_stat(call: ModuleCall) -> dict[str, Any]:
    key, registry = key_of(call, "registry"), call.session.host.registry
    if call["name"] is not None:
        value = registry.get(key, call["name"])
        return {"exists": True, **_property(call, value)} if value else {"exists": False}
    if not registry.key_exists(key):
        return {"exists": False}
    properties = {name: _property(call, value) for name, value in registry.values(key).items()}
    return {"exists": True, "properties": properties, "sub_keys": registry.sub_keys(key)}
