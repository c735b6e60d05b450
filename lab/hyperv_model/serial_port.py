# SPDX-License-Identifier: Apache-2.0
r"""The host's end of a virtual serial port: a named pipe.

Convention between the model and the processes of the host: the pipe ``\\.\pipe\NAME`` is the Unix stream
socket ``$WINDOWS_HOST_RUN/pipes/NAME``. The model listens there from the moment that the machine runs with
this Connection until it is off; connecting is CreateFile, and when nobody listens (or the file is missing)
the pipe does not exist (ERROR_FILE_NOT_FOUND). It takes one client at a time: another one's connection is
closed at once (ERROR_PIPE_BUSY). What the client writes goes to the guest, which echoes it, as a login prompt
does (documented for Linux guests: ECHO of termios(3), which agetty(8) leaves on). The name's case matters
less than it should: sockets are named as the Connection spells it.

What the guest wrote while nobody was connected is kept up to the size of a pipe's buffer, the newest; the
rest is lost, as on hardware.
"""

import contextlib
import os
import pathlib
import re
import selectors
import socket
import threading
import time

BUFFER = 4096
LONGEST_PATH = 256  # documented: CreateNamedPipe
LONGEST_NAME = 80  # in bytes, of a pipe that a socket can stand for; a longer one is not simulated
_PIPE = re.compile(r"\\\\\.\\pipe\\([^\\/:*?\"<>|]+)", re.I)


def pipe_name(path):
    """NAME of ``\\\\.\\pipe\\NAME``; None if the path is not that of a local named pipe."""
    match = _PIPE.fullmatch(path)
    return match[1] if match and len(path) <= LONGEST_PATH and match[1] not in (".", "..") else None


class SerialPort:
    """Serves one port until close().

    :param folder: where the sockets of pipes are
    :param path: the Windows path of the pipe
    :param lines: iterator of (seconds to wait, line): what the guest writes
    :param on_loss: function that is called when a client gets less than the guest wrote
    """

    def __init__(self, folder: pathlib.Path, path: str, lines, on_loss=lambda: None):
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = os.open(folder, os.O_PATH | os.O_DIRECTORY)
        # Through the folder's descriptor, because a socket's name may have 107 bytes only.
        self._socket_path = f"/proc/self/fd/{self._folder}/{pipe_name(path)}"
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self._socket_path)
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listener.bind(self._socket_path)
        self._listener.listen(1)
        self._wake, self._woken = socket.socketpair()
        self._lines = lines
        self._on_loss = on_loss
        self._lost = False
        self._client = None
        self._pending = b""
        self._due = None
        self._paused = False
        self._closed = False
        self._thread = threading.Thread(target=self._serve, name=f"serial {pipe_name(path)}", daemon=True)
        self._thread.start()

    @property
    def is_read(self):
        """Whether a client is connected."""
        return self._client is not None

    def write_from(self, lines):
        """Let what the guest writes come from another iterator from now on."""
        self._lines = lines
        self._due = None
        self._wake.send(b".")

    def pause(self):
        self._paused = True
        self._wake.send(b".")

    def resume(self):
        self._paused = False
        self._wake.send(b".")

    def close(self):
        """Take the pipe away; a client sees its end."""
        self._closed = True
        self._wake.send(b".")
        self._thread.join()
        self._wake.close()
        self._woken.close()

    def _serve(self):
        with selectors.DefaultSelector() as selector:
            selector.register(self._listener, selectors.EVENT_READ, self._accept)
            selector.register(self._woken, selectors.EVENT_READ, lambda _: self._woken.recv(64))
            while not self._closed:
                if self._due is None:
                    self._due = self._next_line()
                moment, line = self._due
                timeout = None if self._paused or moment is None else max(0, moment - time.monotonic())
                for key, _ in selector.select(timeout):
                    key.data(selector)
                if self._due == (moment, line) and not self._paused and moment and time.monotonic() >= moment:
                    self._due = None
                    self._write(f"{line}\r\n".encode(), selector)
        os.unlink(self._socket_path)
        os.close(self._folder)
        for end in (self._listener, self._client):
            if end:
                end.close()

    def _next_line(self):
        """(moment, line) of what the guest writes next; (None, None) if it is silent from now on."""
        wait, line = next(self._lines, (None, None))
        return (None, None) if wait is None else (time.monotonic() + wait, line)

    def _accept(self, selector):
        client, _ = self._listener.accept()
        if self._client:
            client.close()
            return
        self._client = client
        self._client.setblocking(False)
        selector.register(client, selectors.EVENT_READ, self._read)
        self._write(b"", selector)

    def _read(self, selector):
        try:
            data = self._client.recv(BUFFER)
            if data:
                self._write(data, selector)
                return
        except ConnectionResetError:
            pass
        self._drop(selector)

    def _write(self, data, selector):
        self._lost |= len(self._pending + data) > BUFFER
        self._pending = (self._pending + data)[-BUFFER:]
        if self._client and self._pending:
            if self._lost:
                self._on_loss()
                self._lost = False
            try:
                self._pending = self._pending[self._client.send(self._pending) :]
            except BlockingIOError:
                pass  # its reader is slow: what does not fit into the buffer is lost
            except (BrokenPipeError, ConnectionResetError):
                self._drop(selector)

    def _drop(self, selector):
        selector.unregister(self._client)
        self._client.close()
        self._client = None
