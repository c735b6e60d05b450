# SPDX-License-Identifier: Apache-2.0
"""The Windows event logs, kept as lines of JSON; their sources in the registry, where Windows has them."""

import json
import os
import threading
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from lab.windows_sandbox.registry import Registry

LEVELS = ("Information", "Warning", "Error")

# Logs that a Hyper-V host has; another name is unknown to Get-WinEvent, and to us, until someone makes it.
LOGS = (
    "Application",
    "System",
    "Security",
    "Microsoft-Windows-Hyper-V-VMMS-Admin",
    "Microsoft-Windows-Hyper-V-Worker-Admin",
)

# Where the classic logs that someone has made are, and each log's sources (documented: Eventlog Key).
_KEY = r"HKLM\SYSTEM\CurrentControlSet\Services\EventLog"

# Seconds that an event is kept (documented: Eventlog Key, Retention).
_DAY, _FOREVER = 86400, 0xFFFFFFFF


@dataclass(frozen=True)
class Limits:
    """How large a log grows, and what becomes of its events then: OverwriteAsNeeded, OverwriteOlder than some
    days, or DoNotOverwrite (-1 days).
    """

    kilobytes: int
    overflow_action: str
    retention_days: int


# Those of Windows' logs, and of one that someone makes (documented: EventLog.MaximumKilobytes,
# EventLog.OverflowAction).
_WINDOWS_LIMITS = Limits(20480, "OverwriteAsNeeded", 0)
_NEW_LIMITS = Limits(512, "OverwriteOlder", 7)


@dataclass(frozen=True)
class Event:
    """One event; `time` is seconds since 1970 in UTC."""

    time: float
    log: str
    provider: str
    id: int
    level: str
    message: str

    @property
    def created(self) -> datetime:
        return datetime.fromtimestamp(self.time, UTC)


class EventLog:
    """All logs of one host.

    :param path: the file they are kept in, oldest event first
    """

    def __init__(self, path: Path, registry: Registry):
        self._path, self._registry = path, registry
        self._lock = threading.Lock()

    def names(self) -> list[str]:
        """Return the names of all logs."""
        made = self._registry.sub_keys(_KEY) if self._registry.key_exists(_KEY) else []
        return [*LOGS, *(name for name in made if name not in LOGS)]

    def exists(self, log: str) -> bool:
        return log.lower() in map(str.lower, self.names())

    def sources(self, log: str) -> list[str]:
        key = f"{_KEY}\\{log}"
        return sorted(self._registry.sub_keys(key), key=str.lower) if self._registry.key_exists(key) else []

    def source_exists(self, log: str, source: str) -> bool:
        return self._registry.key_exists(f"{_KEY}\\{log}\\{source}")

    def log_of(self, source: str) -> str | None:
        """Return the log that a source writes to, or None if there is no such source."""
        return next((log for log in self.names() if self.source_exists(log, source)), None)

    def limits(self, log: str) -> Limits:
        """Return a log's limits; of one that is missing, those that it would begin with."""
        key = f"{_KEY}\\{log}"
        default = _WINDOWS_LIMITS if log.lower() in map(str.lower, LOGS) else _NEW_LIMITS
        size = self._registry.data(key, "MaxSize", default.kilobytes << 10)
        retention = self._registry.data(key, "Retention")
        if retention is None:
            return replace(default, kilobytes=size >> 10)
        action = {0: "OverwriteAsNeeded", _FOREVER: "DoNotOverwrite"}.get(retention, "OverwriteOlder")
        days = -1 if retention == _FOREVER else retention // _DAY
        return Limits(size >> 10, action, days)

    def set_limits(self, log: str, limits: Limits) -> None:
        """Keep a log's limits, which are told and not enforced."""
        retention = {"OverwriteAsNeeded": 0, "DoNotOverwrite": _FOREVER}.get(
            limits.overflow_action, limits.retention_days * _DAY
        )
        key = f"{_KEY}\\{log}"
        self._registry.set(key, "MaxSize", "REG_DWORD", limits.kilobytes << 10)
        self._registry.set(key, "Retention", "REG_DWORD", retention)

    def add_source(self, log: str, source: str) -> None:
        """Make a source, and the log with a source of its name if it is missing (documented:
        EventLog.CreateEventSource)."""
        if not self.exists(log):
            self._registry.create_key(f"{_KEY}\\{log}\\{log}")
        self._registry.create_key(f"{_KEY}\\{log}\\{source}")

    def remove_source(self, source: str) -> None:
        self._registry.delete_key(f"{_KEY}\\{self.log_of(source)}\\{source}")

    def remove(self, log: str) -> None:
        """Remove a log that someone has made, with its sources and events."""
        if log.lower() in map(str.lower, LOGS):
            raise ValueError(f"cannot remove the log {log}: it is a part of Windows")
        self.clear(log)
        self._registry.delete_key(f"{_KEY}\\{log}")

    def write(self, log: str, provider: str, number: int, level: str, message: str) -> None:
        if not self.exists(log) or level not in LEVELS:
            raise ValueError(
                f"cannot log event {number} of {provider}: {log}/{level} is none of {self.names()}/{LEVELS}"
            )
        event = Event(datetime.now(UTC).timestamp(), log, provider, number, level, message)
        with self._lock, open(self._path, "a") as file:
            file.write(json.dumps(asdict(event)) + "\n")

    def newest(self, log: str, count: int) -> list[Event]:
        """Return up to `count` events of a log, oldest first; KeyError if there is no such log."""
        if not self.exists(log):
            raise KeyError(log)
        with self._lock:
            return [event for event in self._read() if event.log.lower() == log.lower()][-count:]

    def clear(self, log: str) -> None:
        with self._lock:
            kept = [event for event in self._read() if event.log.lower() != log.lower()]
            new = self._path.with_suffix(".new")
            new.write_text("".join(json.dumps(asdict(event)) + "\n" for event in kept))
            os.replace(new, self._path)

    def _read(self) -> list[Event]:
        lines = self._path.read_text().splitlines() if self._path.exists() else []
        return [Event(**json.loads(line)) for line in lines]
