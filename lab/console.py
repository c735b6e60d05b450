# SPDX-License-Identifier: Apache-2.0
"""A build's console: what a run is doing, read from the lines that Zuul streams."""

import re
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise

from lab.services import zuul

# "2026-11-23 06:55:51.602345 | PLAY [Bring up the control plane]"
# "2026-11-23 06:55:41.023110 | PRE-RUN START: [trusted : …/playbooks/base/pre.yaml@master]"
STAMP = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d+")
MARK = re.compile(r"(?P<kind>PRE-RUN START|RUN START|POST-RUN START|PLAY|TASK)(?:: .*| \[(?P<text>.*)\].*)$")
KINDS = {
    "PLAY": "play",
    "TASK": "task",
    "PRE-RUN START": "stage",
    "RUN START": "stage",
    "POST-RUN START": "stage",
}


@dataclass(frozen=True)
class Event:
    """Something that a run begins.

    :param kind: `stage` (pre-run, run, post-run), `play` or `task`
    """

    time: datetime
    kind: str
    text: str


class Parser:
    """Bytes in, events out.

    `last` is the time of the last line, whatever it says.
    """

    def __init__(self):
        self._rest = b""
        self.last: datetime | None = None

    def feed(self, data: bytes) -> Iterator[Event]:
        """Take what the stream sent and yield the events that it completes."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            stamp, bar, text = line.decode(errors="replace").partition(" | ")
            if not bar or not STAMP.fullmatch(stamp):
                continue
            self.last = datetime.fromisoformat(stamp)
            if mark := MARK.match(text):
                yield Event(
                    self.last, KINDS[mark["kind"]], mark["text"] or mark["kind"].removesuffix(" START")
                )


class Console:
    """The console of one build, from its first line on, as the executor streams it (the finger protocol)."""

    def __init__(self, build: str):
        self._socket = socket.create_connection((zuul.ADDRESS, zuul.FINGER_PORT), timeout=10)
        self._socket.sendall(build.encode() + b"\r\n")
        self._socket.settimeout(0)

    def read(self) -> bytes | None:
        """Return what came since the last call, b"" if nothing did, None after the end."""
        received = b""
        while True:
            try:
                data = self._socket.recv(65536)
            except BlockingIOError:
                return received
            except ConnectionResetError:
                return received or None
            if not data:
                return received or None
            received += data

    def close(self) -> None:
        """Stop listening."""
        self._socket.close()


class Parts:
    """The plays of a build, and how long each took."""

    def __init__(self):
        self._stage = ""
        self._begun: list[tuple[str, datetime]] = []

    def add(self, event: Event) -> None:
        """Take an event; tasks are no parts."""
        if event.kind == "stage":
            self._stage = event.text.lower()
        elif event.kind == "play":
            self._begun.append((f"{self._stage}: {event.text}", event.time))

    def seconds(self, end: datetime) -> list[tuple[str, float]]:
        """Return the plays and what each took, the last one until `end`."""
        return [
            (name, (until - since).total_seconds())
            for (name, since), (_, until) in pairwise([*self._begun, ("", end)])
        ]
