# SPDX-License-Identifier: Apache-2.0
"""A process of the host that is a function here: what cmd.exe, Windows' own tools and PowerShell are."""

import threading
from collections.abc import Callable

from lab.windows_sandbox.session import Session, Terminated

# Takes standard input, and what it calls with a handle (1 or 2) and the bytes written to it; returns the exit
# code, or raises Terminated.
Act = Callable[[bytes, Callable[[int, bytes], None]], int]


class ThreadedProcess:
    """A process as lab/winrm_server/host.py describes it; it starts when its input has ended."""

    def __init__(self, session: Session, act: Act):
        self._session, self._act = session, act
        self._stdin = bytearray()
        self._news = threading.Condition()
        self._output = {1: bytearray(), 2: bytearray()}
        self._exit_code: int | None = None

    def write(self, data: bytes) -> None:
        self._stdin += data

    def close_stdin(self) -> None:
        threading.Thread(target=self._run, daemon=True).start()

    def read(self, timeout: float) -> tuple[bytes, bytes, int | None]:
        with self._news:
            self._news.wait_for(lambda: any(self._output.values()) or self._exit_code is not None, timeout)
            stdout, stderr = (bytes(buffer) for buffer in self._output.values())
            for buffer in self._output.values():
                buffer.clear()
            return stdout, stderr, self._exit_code

    def terminate(self) -> None:
        self._session.end()
        self._finish(1)

    def _emit(self, handle: int, data: bytes) -> None:
        with self._news:
            if self._exit_code is None:
                self._output[handle] += data
                self._news.notify_all()

    def _finish(self, code: int) -> None:
        with self._news:
            if self._exit_code is None:
                self._exit_code = code
                self._news.notify_all()

    def _run(self) -> None:
        code = 1
        try:
            code = self._act(bytes(self._stdin), self._emit)
        except Terminated:
            pass
        finally:
            # The client must hear of an end in any case, or it waits forever.
            self._finish(code)
