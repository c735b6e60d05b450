# SPDX-License-Identifier: Apache-2.0
"""The socket that service programs connect to: lines of JSON both ways, as lab/windows_shims says."""

import json
import logging
import re
import socket
import struct
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from lab.windows_sandbox import errors

LOG = logging.getLogger(__name__)

# No report of a service is longer.
_LONGEST_LINE = 64 << 10


class Connection:
    """One connected program."""

    def __init__(self, connected: socket.socket):
        self._socket = connected
        self.ended = threading.Event()

    @property
    def pid(self) -> int:
        """The program's process id, as this machine counts (unix(7): SO_PEERCRED)."""
        return struct.unpack("3i", self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))[0]

    def send(self, message: dict[str, Any]) -> None:
        """Send one message; BrokenPipeError if the program has gone."""
        self._socket.sendall(json.dumps(message).encode() + b"\n")

    def messages(self):
        """Yield messages until the program closes the connection or ends."""
        with self._socket.makefile("rb") as lines:
            while line := lines.readline(_LONGEST_LINE):
                yield json.loads(line)

    def close(self) -> None:
        self._socket.close()
        self.ended.set()


class Listener:
    """Listens on a Unix socket and hands each connection to `serve` in a thread of its own."""

    def __init__(self, path: Path, serve: Callable[[Connection], None]):
        self._serve, self._path = serve, path
        path.unlink(missing_ok=True)
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.bind(str(path))
        self._socket.listen()
        threading.Thread(target=self._accept, name="services.sock", daemon=True).start()

    def close(self) -> None:
        self._path.unlink(missing_ok=True)
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()

    def _accept(self) -> None:
        while True:
            try:
                connected, _ = self._socket.accept()
            except OSError:
                return  # close() was called
            threading.Thread(target=self._run, args=(Connection(connected),), daemon=True).start()

    def _run(self, connection: Connection) -> None:
        try:
            self._serve(connection)
        except (ConnectionError, ValueError, KeyError) as error:
            LOG.warning("a service program said what nobody understands, and was disconnected: %r", error)
        finally:
            connection.close()


def descends_from(pid: int, ancestor: int) -> bool | None:
    """Say whether a process is another or descends from it; None if it has ended, so that nobody can tell."""
    while pid > 1 and pid != ancestor:
        try:
            status = Path(f"/proc/{pid}/status").read_text()
        except (FileNotFoundError, ProcessLookupError):
            return None
        pid = int(re.search(r"^PPid:\s*(\d+)", status, re.MULTILINE)[1])
    return pid == ancestor


def refuse(connection: Connection) -> None:
    """Tell a program that the service control manager has not started it (documented: error 1063)."""
    number = errors.FAILED_SERVICE_CONTROLLER_CONNECT
    LOG.warning(
        "process %d, which is no service's, was refused (%d): %s",
        connection.pid,
        number,
        errors.MESSAGES[number],
    )
    connection.send({"error": number, "message": errors.MESSAGES[number]})
