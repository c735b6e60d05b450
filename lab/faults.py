# SPDX-License-Identifier: Apache-2.0
"""Faults as rules: what goes wrong on a simulated host, when and how often. Off without a file of them.

A node reads ``faults.json`` in its folder (or ``--faults FILE``) when it starts and again at SIGHUP. It is a
list of objects; each has ``fault`` and what RULES says of it:

``{"fault": "winrm", "action": "Command", "do": "refuse", "code": 2150858843, "after": 3, "times": 1}``
    ``do``: ``refuse`` (a WSManFault with ``code``), ``drop`` (the connection), ``hang`` (for ``seconds``,
    then as ever). ``action`` is the last word of a WS-Management action, ``*`` any; ``after`` requests go
    well first.
``{"fault": "job", "method": "Msvm_ComputerSystem.RequestStateChange", "message": "…", "code": 32768}``
    The job of the next ``times`` calls takes ``seconds``, and fails if there is a ``message``.
``{"fault": "disk-full"}``
    No file of C:\\ can be written by a module, a shell or Hyper-V, which pauses machines whose disks grow;
    what a program writes itself is not held up.
``{"fault": "death", "seconds": 30}``
    The node's process is killed, as if its power went.
"""

import errno
import json
import logging
import os
import signal
import threading
import time
from pathlib import Path
from typing import Any

from lab.hyperv_model import jobs
from lab.winrm_server import faults as wsman

LOG = logging.getLogger(__name__)

# Fault, and its keys with what they are if they are left out (None: they must be there).
RULES: dict[str, dict[str, Any]] = {
    "winrm": {"action": "*", "do": None, "code": 0, "seconds": 0.0, "after": 0, "times": 1},
    "job": {"method": None, "message": "", "code": jobs.FAILED, "seconds": 0.0, "times": 1},
    "disk-full": {},
    "death": {"seconds": None},
}
_DEEDS = ("refuse", "drop", "hang")


class RuleError(Exception):
    """A file of rules that cannot be read; the message is one line for the user."""


def read(path: Path) -> list[dict[str, Any]]:
    """Return the rules of a file, complete; none if there is no such file."""
    if not path.exists():
        return []
    try:
        rules = json.loads(path.read_text())
    except ValueError as error:
        raise RuleError(f"{path} is not JSON: {error}") from error
    if not isinstance(rules, list):
        raise RuleError(f"{path} holds {type(rules).__name__}; expected a list of rules")
    return [_complete(path, rule) for rule in rules]


def _complete(path: Path, rule: Any) -> dict[str, Any]:
    kind = rule.get("fault") if isinstance(rule, dict) else None
    if kind not in RULES:
        raise RuleError(f"{path}: {rule} is no rule; expected a fault out of {', '.join(RULES)}")
    known = RULES[kind]
    if unknown := set(rule) - {"fault", *known}:
        raise RuleError(
            f"{path}: {kind} has no {', '.join(sorted(unknown))}; expected {', '.join(known) or 'nothing'}"
        )
    if missing := [key for key, default in known.items() if default is None and key not in rule]:
        raise RuleError(f"{path}: {kind} needs {', '.join(missing)}")
    if kind == "winrm" and rule["do"] not in _DEEDS:
        raise RuleError(f"{path}: winrm does {rule['do']!r}; expected one of {', '.join(_DEEDS)}")
    return {**known, **rule}


class Faults:
    """The rules of one node, and what they do.

    :param path: the file they are in
    :param model_faults: the Hyper-V model's own list of what jobs do (jobs.Fault)
    """

    def __init__(self, path: Path, model_faults: list[jobs.Fault]):
        self._path, self._model_faults = path, model_faults
        self._lock = threading.Lock()
        self._requests: list[dict[str, Any]] = []
        self._disk_full = False
        self._death: threading.Timer | None = None

    def load(self) -> None:
        """Read the file anew; RuleError leaves everything as it was."""
        rules = read(self._path)
        with self._lock:
            self._requests = [rule for rule in rules if rule["fault"] == "winrm"]
            self._disk_full = any(rule["fault"] == "disk-full" for rule in rules)
            if self._death:
                self._death.cancel()
            deaths = [rule["seconds"] for rule in rules if rule["fault"] == "death"]
            self._death = (
                threading.Timer(min(deaths), os.kill, (os.getpid(), signal.SIGKILL)) if deaths else None
            )
        self._model_faults[:] = [
            jobs.Fault(
                rule["method"], rule["message"] or None, rule["code"], rule["seconds"] or None, rule["times"]
            )
            for rule in rules
            if rule["fault"] == "job"
        ]
        if self._death:
            self._death.daemon = True
            self._death.start()
        for rule in rules:
            LOG.warning("by rule: %s", rule)

    def disturb(self, action: str) -> None:
        """Do to a WS-Management request what the rules say: Fault, ConnectionAbortedError, or a delay."""
        with self._lock:
            rule = next((each for each in self._requests if self._applies(each, action)), None)
        if rule is None:
            return
        LOG.warning("by rule: %s %s", rule["do"], action)
        if rule["do"] == "drop":
            raise ConnectionAbortedError("dropped by a fault rule")
        if rule["do"] == "refuse":
            kind = wsman.Kind(
                rule["code"], "s:Receiver", "w:InternalError", "A fault rule of this host says no."
            )
            raise wsman.Fault(kind)
        time.sleep(rule["seconds"])

    @staticmethod
    def _applies(rule: dict[str, Any], action: str) -> bool:
        if rule["action"] not in ("*", action.rpartition("/")[2]) or rule["times"] <= 0:
            return False
        if rule["after"] > 0:
            rule["after"] -= 1
            return False
        rule["times"] -= 1
        return True

    def check_space(self) -> None:
        """Raise OSError as a full disk does, if the rules say that it is."""
        if self._disk_full:
            raise OSError(errno.ENOSPC, "There is not enough space on the disk", "C:\\")
