# SPDX-License-Identifier: Apache-2.0
"""The Windows event logs, kept as lines of JSON; their sources in the registry, where Windows has them."""

import json
import os
import threading
from dataclasses import asdict, dataclass
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

    def add_source(self, log: str, source: str) -> None:
        """Make a source, and the log if it is missing."""
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
