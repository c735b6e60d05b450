# SPDX-License-Identifier: Apache-2.0
"""Processes as /proc(5) shows them, told apart even when a pid is used again."""

import os
import signal
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

# Fields of /proc/PID/stat after the command's closing parenthesis, counted from 0.
STATE, PARENT, SESSION, START = 0, 1, 3, 19
# Seconds that those get which their server left behind.
STRAGGLERS = 5


@dataclass(frozen=True)
class Process:
    """One process: its pid, and the clock tick at which it started."""

    pid: int
    start: int

    def alive(self) -> bool:
        """Say whether it still runs; a zombie does not."""
        fields = _stat(self.pid)
        return fields is not None and int(fields[START]) == self.start and fields[STATE] not in "ZX"

    def signal(self, number: int) -> None:
        """Send a signal, unless the process has ended."""
        if self.alive():
            try:
                os.kill(self.pid, number)
            except ProcessLookupError:
                return  # it ended in between, which is what the signal was for


def read_pid_file(path: Path) -> Process | None:
    """Return the process that a pid file (`PID START`) names, or None if there is none, or it has ended."""
    try:
        pid, start = path.read_text(encoding="ascii").split()
    except FileNotFoundError:
        return None
    process = Process(int(pid), int(start))
    return process if process.alive() else None


def family(leaders: Iterable[Process]) -> set[Process]:
    """Return the leaders that run, what descends from them, and the rest of the sessions that they lead."""
    table = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit() and (fields := _stat(int(entry))) is not None:
            table[int(entry)] = fields
    found = {leader.pid for leader in leaders if leader.alive()}
    sessions = set(found)
    grown = True
    while grown:
        more = {
            pid
            for pid, fields in table.items()
            if pid not in found and (int(fields[PARENT]) in found or int(fields[SESSION]) in sessions)
        }
        found |= more
        grown = bool(more)
    return {Process(pid, int(table[pid][START])) for pid in found if pid in table}


def end(leaders: Iterable[Process], grace: float) -> None:
    """End processes with everything that they started.

    The leaders are asked first. What remains of their families is asked then (ssh-agent removes its folder
    when asked), and killed in the end.

    :param grace: seconds that the leaders get
    """
    leaders = [leader for leader in leaders if leader.alive()]
    seen = family(leaders)
    _signal(leaders, signal.SIGTERM)
    deadline = time.monotonic() + grace
    while any(leader.alive() for leader in leaders) and time.monotonic() < deadline:
        # Again and again: a server may start something while it shuts down, and its orphans change parents.
        seen |= family(leaders)
        time.sleep(0.05)
    for number in (signal.SIGTERM, signal.SIGKILL):
        seen |= family(seen)
        _signal(seen, number)
        deadline = time.monotonic() + STRAGGLERS
        while any(process.alive() for process in seen) and time.monotonic() < deadline:
            time.sleep(0.02)


def _signal(receivers: Iterable[Process], number: int) -> None:
    for process in receivers:
        process.signal(number)


def _stat(pid: int) -> list[str] | None:
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return None
    return text.rpartition(")")[2].split()


def proportional_memory(pid: int) -> int:
    """Return the KiB of a process as proc(5) counts Pss; 0 if it has ended."""
    try:
        text = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii")
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return next(int(line.split()[1]) for line in text.splitlines() if line.startswith("Pss:"))
