# SPDX-License-Identifier: Apache-2.0
"""A server of the lab: started in its own session, found again by its pid file, ended with its children."""

import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from lab.errors import LabError
from lab.home import Home
from lab.services import detach, processes

# How git, uv, pip, apt-get and Maven mark an error; and colours.
ERROR = re.compile(r"! \[|fatal: |error: |ERROR: |E: |\[ERROR\] ")
ESCAPES = re.compile(r"\x1b\[[0-9;]*m")
# A server gets no more of the caller's environment than it needs: the executor hands its own to every job.
PASSED_ON = ("HOME", "USER", "LOGNAME", "TZ")


@dataclass(frozen=True)
class Daemon:
    """One server, by the name that its pid file and its log have.

    :param grace: seconds it gets to end by itself
    """

    home: Home
    name: str
    grace: float = 10

    @property
    def log(self) -> Path:
        """Return the file that holds what the server prints."""
        return self.home.logs / f"{self.name}.log"

    @property
    def process(self) -> processes.Process | None:
        """Return the server's process, or None if it does not run."""
        return processes.read_pid_file(self.home.pids / self.name)

    def start(
        self,
        command: Sequence[str | Path],
        environment: dict[str, str] | None = None,
    ) -> None:
        """Start the server; it does not answer yet when this returns.

        :param environment: variables it needs beyond PATH, HOME and the locale
        """
        if self.process:
            raise LabError(f"{self.name} runs already, with pid {self.process.pid}: expected it to be down")
        pid_file = self.home.pids / self.name
        pid_file.unlink(missing_ok=True)
        with self.log.open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-IS", detach.__file__, str(pid_file), *map(str, command)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.home.state,
                env=base_environment() | (environment or {}),
            )
        process.returncode = 0  # it outlives us: Popen need not warn of that
        deadline = time.monotonic() + 10
        while not pid_file.exists() or not pid_file.read_text():
            if time.monotonic() > deadline:
                raise LabError(f"{self.name} did not start: {last_words(self.log)}", self.log)
            time.sleep(0.01)

    def wait(self, answers: Callable[[], bool], seconds: float) -> None:
        """Wait until the server answers.

        :param answers: asked about ten times a second
        :raises LabError: if the server ends first, or takes longer than `seconds`
        """
        deadline = time.monotonic() + seconds
        while not answers():
            if not self.process:
                raise LabError(f"{self.name} ended before it answered: {last_words(self.log)}", self.log)
            if time.monotonic() > deadline:
                raise LabError(f"{self.name} does not answer after {seconds:.0f} s", self.log)
            time.sleep(0.1)

    def wait_for_port(self, address: str, port: int) -> None:
        """Wait until the server accepts connections.

        :raises LabError: as `wait` does
        """

        def answers() -> bool:
            with socket.socket() as connection:
                return connection.connect_ex((address, port)) == 0

        self.wait(answers, 20)

    def stop(self) -> None:
        """End the server with all that it started; done already is fine."""
        if process := self.process:
            processes.end([process], self.grace)
        (self.home.pids / self.name).unlink(missing_ok=True)


def base_environment() -> dict[str, str]:
    """Return what every server and every program of the lab gets of the caller's environment."""
    return {
        "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "LANG": "C.UTF-8",
        **{name: os.environ[name] for name in PASSED_ON if name in os.environ},
    }


def telling_line(output: str) -> str:
    """Return the line of a program's output that says best why it failed: its first error, or the last."""
    lines = [line.strip() for line in ESCAPES.sub("", output).splitlines()]
    return next(filter(ERROR.match, lines), None) or next(filter(None, reversed(lines)), "no output")


def last_words(log: Path) -> str:
    """Return the telling line of a log."""
    if not log.exists():
        return f"{log} does not exist"
    return telling_line(log.read_text(encoding="utf-8", errors="replace"))
