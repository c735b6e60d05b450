# SPDX-License-Identifier: Apache-2.0
"""Processes of the simulated host: real ones, each in a bubblewrap of its own, gone with the host at the
latest.
"""

import contextlib
import ntpath
import os
import signal
import subprocess
import threading
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from lab.windows_sandbox import command_line as lines
from lab.windows_sandbox import errors, programs
from lab.windows_sandbox.containment import Containment
from lab.windows_sandbox.environment import Environment
from lab.windows_sandbox.errors import Win32Error

# What is always there: their ids are Windows' own.
SYSTEM_PROCESSES = (("System Idle Process", 0), ("System", 4))


@dataclass(frozen=True)
class Completed:
    """A process that has ended: its exit code and what it wrote."""

    exit_code: int
    stdout: bytes
    stderr: bytes


class Child:
    """A running process; read() hands out its output as lab/winrm_server/host.py asks.

    :ivar path: of its program, in C:\\
    :ivar image: that program's name
    :ivar user: whose it is
    :ivar started: when, in seconds since the epoch
    """

    def __init__(self, popen: subprocess.Popen, path: str, command_line: str, user: str):
        self._popen, self.path, self.command_line, self.user = popen, path, command_line, user
        self.image, self.started = ntpath.basename(path), time.time()
        # TerminateProcess is told 1 as a rule.
        self._terminated_with = 1
        self._news = threading.Condition()
        self._output = {"stdout": bytearray(), "stderr": bytearray()}
        self._readers = [
            threading.Thread(target=self._collect, args=(name, stream), daemon=True)
            for name, stream in (("stdout", popen.stdout), ("stderr", popen.stderr))
            if stream
        ]
        self._exit_code: int | None = None
        for reader in self._readers:
            reader.start()
        threading.Thread(target=self._reap, daemon=True).start()

    @property
    def pid(self) -> int:
        """The process id, as this machine counts."""
        return self._popen.pid

    @property
    def exit_code(self) -> int | None:
        """None while it runs."""
        return self._exit_code

    def write(self, data: bytes) -> None:
        self._popen.stdin.write(data)
        self._popen.stdin.flush()

    def close_stdin(self) -> None:
        self._popen.stdin.close()

    def read(self, timeout: float) -> tuple[bytes, bytes, int | None]:
        """Wait up to `timeout` seconds for output or the end; return what was written since, and the exit
        code or None.
        """
        with self._news:
            self._news.wait_for(lambda: any(self._output.values()) or self._exit_code is not None, timeout)
            taken = [bytes(buffer) for buffer in self._output.values()]
            for buffer in self._output.values():
                buffer.clear()
            return taken[0], taken[1], self._exit_code

    def wait(self, timeout: float | None = None) -> int | None:
        """Wait for the end and return the exit code, or None after `timeout` seconds."""
        with self._news:
            self._news.wait_for(lambda: self._exit_code is not None, timeout)
            return self._exit_code

    def terminate(self, exit_code: int = 1) -> None:
        """End it with all that it started; harmless when it has ended."""
        if self._exit_code is None:
            self._terminated_with = exit_code
            _kill_tree(self._popen)

    def _collect(self, name: str, stream: IO[bytes]) -> None:
        while chunk := os.read(stream.fileno(), 65536):
            with self._news:
                self._output[name] += chunk
                self._news.notify_all()
        stream.close()

    def _reap(self) -> None:
        code = self._popen.wait()
        for reader in self._readers:
            reader.join()
        with self._news:
            # Windows' exit codes are unsigned; killed here means ended by TerminateProcess there.
            self._exit_code = self._terminated_with if code < 0 else code
            self._news.notify_all()


def _kill_tree(popen: subprocess.Popen) -> None:
    """Kill bubblewrap and what it has started.

    It asks the kernel to let its child die with it, but a bubblewrap that is killed right after it has forked
    did not get there yet. Stopped, it forks no more.
    """
    popen.send_signal(signal.SIGSTOP)
    deadline = time.monotonic() + 1
    while popen.poll() is None and _state(popen.pid) not in "TZ" and time.monotonic() < deadline:
        time.sleep(0.001)
    children = _children(popen.pid)
    popen.kill()
    for pid in children:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def _state(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return "Z"


def _children(pid: int) -> list[int]:
    try:
        return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []


class Processes:
    """Starts processes and ends those that are left."""

    def __init__(self, containment: Containment):
        self.containment = containment
        self._children: set[Child] = set()
        self._lock = threading.Lock()
        # One thread for the host's life starts them all: what dies with its parent dies with the thread that
        # forked it.
        self._starter = ThreadPoolExecutor(1, "process-starter")

    def start(
        self,
        command_line: str,
        directory: str,
        environment: Mapping[str, str],
        user: str,
        *,
        output: IO | None = None,
    ) -> Child:
        """Start a command line in a Windows folder.

        :param user: whose process it is
        :param output: a file for both output streams, and no input; otherwise all three are pipes
        :raises Win32Error: if the folder or the program is missing, or the program cannot run here
        """
        filesystem = self.containment.filesystem
        if len(command_line) > lines.LONGEST:
            raise Win32Error(
                errors.INVALID_NAME,
                command_line[:40] + "…",
                f"the command line has {len(command_line)} characters, at most {lines.LONGEST} are allowed",
            )
        if not filesystem.local(directory).is_dir():
            raise Win32Error(errors.DIRECTORY, directory)
        program, rest = programs.find(filesystem, command_line, directory, Environment(environment))
        if not program.command:
            raise Win32Error(
                errors.NOT_SUPPORTED, program.path, "what runs outside of the host's shells cannot start it"
            )
        vector = programs.arguments(filesystem, program, rest)
        command, descriptor = self.containment.command(vector, directory, environment)
        streams = (
            {"stdin": subprocess.DEVNULL, "stdout": output, "stderr": output}
            if output
            else {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        )
        try:
            popen = self._starter.submit(subprocess.Popen, command, pass_fds=[descriptor], **streams).result()
        finally:
            os.close(descriptor)
        child = Child(popen, program.path, command_line, user)
        with self._lock:
            self._children = {other for other in self._children if other.exit_code is None} | {child}
        return child

    def running(self) -> list[Child]:
        """Return what runs, in the order of their ids."""
        with self._lock:
            return sorted(
                (child for child in self._children if child.exit_code is None), key=lambda child: child.pid
            )

    def end(self) -> None:
        """End every process that is left, and wait for it."""
        with self._lock:
            children, self._children = self._children, set()
        for child in children:
            child.terminate()
        for child in children:
            child.wait()
