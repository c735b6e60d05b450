# SPDX-License-Identifier: Apache-2.0
"""The Windows event logs, kept as lines of JSON."""

import json
import threading
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

LEVELS = ("Information", "Warning", "Error")

# Logs that a Hyper-V host has; another name is unknown to Get-WinEvent, and to us.
LOGS = (
    "Application",
    "System",
    "Security",
    "Microsoft-Windows-Hyper-V-VMMS-Admin",
    "Microsoft-Windows-Hyper-V-Worker-Admin",
)


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

    def __init__(self, path: Path):
        self._path = path
        self._lock = threading.Lock()

    def write(self, log: str, provider: str, number: int, level: str, message: str) -> None:
        if log not in LOGS or level not in LEVELS:
            raise ValueError(
                f"cannot log event {number} of {provider}: {log}/{level} is none of {LOGS}/{LEVELS}"
            )
        event = Event(datetime.now(UTC).timestamp(), log, provider, number, level, message)
        with self._lock, open(self._path, "a") as file:
            file.write(json.dumps(asdict(event)) + "\n")

    def newest(self, log: str, count: int) -> list[Event]:
        """Return up to `count` events of a log, oldest first; KeyError if there is no such log."""
        if log.lower() not in (name.lower() for name in LOGS):
            raise KeyError(log)
        with self._lock:
            lines = self._path.read_text().splitlines() if self._path.exists() else []
        events = [
            event
            for event in (Event(**json.loads(line)) for line in lines)
            if event.log.lower() == log.lower()
        ]
        return events[-count:]
