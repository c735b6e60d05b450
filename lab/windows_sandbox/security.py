# SPDX-License-Identifier: Apache-2.0
"""Owners and explicit access rules of files and registry keys, kept in a JSON file by path."""

import json
import os
import threading
from pathlib import Path

# Owner of what an administrator makes (documented: default owner of objects created by administrators).
DEFAULT_OWNER = "S-1-5-32-544"

Rule = dict[str, str]


class Security:
    """What was set; what nothing was set for has the default owner and no explicit rule."""

    def __init__(self, path: Path):
        self._path = path
        self._lock = threading.Lock()
        self._kept: dict[str, dict] = json.loads(path.read_text()) if path.exists() else {}

    def owner(self, path: str) -> str:
        """Return the SID of the owner."""
        with self._lock:
            return self._kept.get(path.lower(), {}).get("owner", DEFAULT_OWNER)

    def set_owner(self, path: str, owner: str) -> None:
        with self._lock:
            self._entry(path)["owner"] = owner
            self._save()

    def rules(self, path: str) -> list[Rule]:
        with self._lock:
            return list(self._kept.get(path.lower(), {}).get("rules", []))

    def add_rule(self, path: str, rule: Rule) -> None:
        with self._lock:
            self._entry(path).setdefault("rules", []).append(rule)
            self._save()

    def remove_rule(self, path: str, rule: Rule) -> None:
        with self._lock:
            self._entry(path)["rules"].remove(rule)
            self._save()

    def forget(self, path: str) -> None:
        """Forget what was set for a path that is gone, and for all below it."""
        lowered = path.lower()
        with self._lock:
            gone = [each for each in self._kept if each == lowered or each.startswith(lowered + "\\")]
            for each in gone:
                del self._kept[each]
            if gone:
                self._save()

    def _entry(self, path: str) -> dict:
        return self._kept.setdefault(path.lower(), {})

    def _save(self) -> None:
        new = self._path.with_suffix(".new")
        new.write_text(json.dumps(self._kept, indent=1))
        os.replace(new, self._path)
