# SPDX-License-Identifier: Apache-2.0
"""The registry: names keep their spelling and match in any case; kept in a JSON file."""

import json
import os
import threading
from pathlib import Path
from typing import Any

TYPES = ("REG_NONE", "REG_SZ", "REG_EXPAND_SZ", "REG_BINARY", "REG_DWORD", "REG_MULTI_SZ", "REG_QWORD")

HIVES = {
    "HKLM": ("HKLM",),
    "HKEY_LOCAL_MACHINE": ("HKLM",),
    "HKU": ("HKU",),
    "HKEY_USERS": ("HKU",),
    "HKCR": ("HKLM", "SOFTWARE", "Classes"),
    "HKEY_CLASSES_ROOT": ("HKLM", "SOFTWARE", "Classes"),
    "HKCC": ("HKLM", "SYSTEM", "CurrentControlSet", "Hardware Profiles", "Current"),
}


class Registry:
    """A tree of keys. A value is a pair (type of TYPES, data): text, a number, a list of text, or bytes.

    :param path: the file it is kept in, read if it exists; every change is written before the call returns
    """

    def __init__(self, path: Path):
        self._path = path
        self._lock = threading.RLock()
        self._root = json.loads(path.read_text()) if path.exists() else _key("")

    def key_exists(self, key: str) -> bool:
        with self._lock:
            return self._find(key) is not None

    def sub_keys(self, key: str) -> list[str]:
        """Return the names of the keys in `key`; KeyError if there is no such key."""
        with self._lock:
            return [child["name"] for child in self._existing(key)["keys"].values()]

    def values(self, key: str) -> dict[str, tuple[str, Any]]:
        """Return all values of `key` by name, '' being the default one; KeyError if there is no such key."""
        with self._lock:
            return {value["name"]: _loaded(value) for value in self._existing(key)["values"].values()}

    def get(self, key: str, name: str) -> tuple[str, Any] | None:
        """Return a value, or None if the key or the value does not exist."""
        with self._lock:
            node = self._find(key)
            value = node["values"].get(name.lower()) if node else None
            return _loaded(value) if value else None

    def data(self, key: str, name: str, default: Any = None) -> Any:
        """Return a value's data, or `default` if the key or the value does not exist."""
        value = self.get(key, name)
        return value[1] if value else default

    def set(self, key: str, name: str, kind: str, data: Any) -> None:
        """Set a value, making the key if it is missing."""
        self.update({key: {name: (kind, data)}})

    def update(self, keys: dict[str, dict[str, tuple[str, Any]]]) -> None:
        """Set many values, by key and name, making the keys that are missing."""
        with self._lock:
            for key, values in keys.items():
                for name, (kind, data) in values.items():
                    if kind not in TYPES:
                        raise ValueError(
                            f"{key}: {kind} is no type of a registry value; expected one of {TYPES}"
                        )
                    stored = data.hex() if isinstance(data, bytes) else data
                    self._made(key)["values"][name.lower()] = {"name": name, "type": kind, "data": stored}
            self._save()

    def create_key(self, key: str) -> None:
        with self._lock:
            self._made(key)
            self._save()

    def delete_value(self, key: str, name: str) -> None:
        """Remove a value; KeyError if the key or the value does not exist."""
        with self._lock:
            del self._existing(key)["values"][name.lower()]
            self._save()

    def delete_key(self, key: str) -> None:
        """Remove a key with all below it; KeyError if it does not exist."""
        with self._lock:
            parent, _, name = key.rpartition("\\")
            del self._existing(parent)["keys"][name.lower()]
            self._save()

    def _find(self, key: str) -> dict | None:
        node = self._root
        for component in _components(key):
            node = node["keys"].get(component.lower())
            if node is None:
                return None
        return node

    def _existing(self, key: str) -> dict:
        node = self._find(key)
        if node is None:
            raise KeyError(key)
        return node

    def _made(self, key: str) -> dict:
        node = self._root
        for component in _components(key):
            node = node["keys"].setdefault(component.lower(), _key(component))
        return node

    def _save(self) -> None:
        new = self._path.with_suffix(".new")
        new.write_text(json.dumps(self._root, indent=1))
        os.replace(new, self._path)


def _key(name: str) -> dict:
    return {"name": name, "keys": {}, "values": {}}


def _loaded(value: dict) -> tuple[str, Any]:
    binary = value["type"] in ("REG_BINARY", "REG_NONE")
    return value["type"], bytes.fromhex(value["data"]) if binary else value["data"]


def _components(key: str) -> list[str]:
    r"""Split HKLM\a\b, HKLM:\a\b or HKEY_LOCAL_MACHINE\a\b; KeyError for another root."""
    hive, *rest = key.split("\\")
    try:
        root = HIVES[hive.rstrip(":").upper()]
    except KeyError:
        raise KeyError(f"{key}: expected one of {', '.join(HIVES)} in front") from None
    return [*root, *[component for component in rest if component]]
