# SPDX-License-Identifier: Apache-2.0
"""Processes as /proc(5) shows them, told apart even when a pid is used again."""

import os
import signal
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

# Fields of /proc/PID/stat after the command's closing parenthesis, counted from 0.
STATE, PARENT, SESSION, START = 0, 1, 3, 19


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
    """Return the process that a pid file names, or None if the file is missing or its process has ended.

    A pid file holds `PID START`, or only `PID`: then the process must be older than the file.
    """
    try:
        words = path.read_text(encoding="ascii").split()
    except FileNotFoundError:
        return None
    fields = _stat(int(words[0])) if words else None
    if fields is None:
        return None
    if len(words) > 1:
        process = Process(int(words[0]), int(words[1]))
    else:
        ticks = os.sysconf("SC_CLK_TCK")
        age = time.clock_gettime(time.CLOCK_BOOTTIME) - int(fields[START]) / ticks
        if time.time() - path.stat().st_mtime > age + 2:
            return None
        process = Process(int(words[0]), int(fields[START]))
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


def end(leaders: Iterable[Process], grace: float, ask: Callable[[Process], None] | None = None) -> None:
    """End processes with everything that they started.

    :param leaders: asked to end first; what remains of their families is killed
    :param grace: seconds that they get
    :param ask: how to ask one of them; SIGTERM if not given
    """
    leaders = [leader for leader in leaders if leader.alive()]
    seen = family(leaders)
    for leader in leaders:
        if ask is None:
            leader.signal(signal.SIGTERM)
        else:
            ask(leader)
    deadline = time.monotonic() + grace
    while any(leader.alive() for leader in leaders) and time.monotonic() < deadline:
        # Again and again: a server may start something while it shuts down, and its orphans change parents.
        seen |= family(leaders)
        time.sleep(0.05)
    seen |= family([process for process in seen if process.alive()])
    for process in seen:
        process.signal(signal.SIGKILL)
    while any(process.alive() for process in seen):
        time.sleep(0.02)


def _stat(pid: int) -> list[str] | None:
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return None
    return text.rpartition(")")[2].split()
