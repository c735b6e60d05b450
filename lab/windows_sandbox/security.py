# SPDX-License-Identifier: Apache-2.0
"""Owners and explicit access rules of files and registry keys, kept in a JSON file by path; Ansible's modules
and advapi32.dll see the same ones.
"""

import json
import os
import re
import threading
from pathlib import Path

from lab.hyperv_model import CimError
from lab.hyperv_model.providers import serves
from lab.windows_sandbox.accounts import WELL_KNOWN, Accounts
from lab.windows_sandbox.environment import is_system, sid

# Owner of what an administrator makes (documented: default owner of objects created by administrators).
DEFAULT_OWNER = "S-1-5-32-544"

NONE_MAPPED = 1332  # ERROR_NONE_MAPPED (winerror.h)

_WELL_KNOWN = {name.lower().removeprefix("nt authority\\"): number for number, name in WELL_KNOWN.items()}

Rule = dict[str, str]


def account_sid(accounts: Accounts, name: str) -> str | None:
    """Return the SID of an account in any spelling, or None if this host does not know it."""
    if re.fullmatch(r"S-1-[\d-]+", name, re.IGNORECASE):
        return name.upper()
    short = re.sub(r"^(nt authority|builtin)\\", "", name.lower())
    if is_system(name) or short in _WELL_KNOWN:
        return sid("SYSTEM") if is_system(name) else _WELL_KNOWN[short]
    found = accounts.user(name) or accounts.group(name)
    return found.sid if found else None


@serves("advapi32.LookupAccountNameW")
def look_up_account(model, name):
    found = account_sid(model.host.accounts, name)
    if found is None:
        raise CimError(NONE_MAPPED, f"no account {name} on {model.name}")
    return found


@serves("advapi32.GetNamedSecurityInfoW")
def get_rules(model, path):
    return model.host.security.rules(path)


@serves("advapi32.SetNamedSecurityInfoW")
def set_rules(model, path, rules):
    model.host.security.set_rules(path, rules)


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

    def set_rules(self, path: str, rules: list[Rule]) -> None:
        with self._lock:
            self._entry(path)["rules"] = rules
            self._save()

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
