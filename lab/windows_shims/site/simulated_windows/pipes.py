# SPDX-License-Identifier: Apache-2.0
r"""Named pipes: ``\\.\pipe\NAME`` is the socket ``pipes/NAME`` in the host's run folder.

The model has the other end (lab/hyperv_model/serial_port.py).
"""

import errno
import os
import socket

from . import paths


def connect(name: str) -> socket.socket:
    """Return a connection to the pipe `name` (any case).

    Raises FileNotFoundError (winerror 2) if nobody offers it. A pipe that has a client already ends
    at once; on Windows opening it fails, ERROR_PIPE_BUSY.
    """
    shown = rf"\\.\pipe\{name}"
    socket_path = _find(name)
    if socket_path is None:
        raise paths.windows_error(errno.ENOENT, shown)
    end = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        end.connect(socket_path)
    except ConnectionRefusedError:
        end.close()
        raise paths.windows_error(errno.ENOENT, shown) from None
    return end


def exists(name: str) -> bool:
    """Say whether a pipe of that name is there, taken or not."""
    return _find(name) is not None


def open_file(path: str, mode: str = "r", buffering: int = -1, **named):
    """Open a pipe as the built-in open() does a file; it ends when the other end goes away."""
    descriptor = connect(paths.pipe_name(path)).detach()
    return open(descriptor, mode, buffering, **named)


def _find(name: str) -> str | None:
    folder = os.path.join(os.environ.get("WINDOWS_HOST_RUN", "/run/windows-host"), "pipes")
    try:
        entries = os.listdir(folder)
    except FileNotFoundError:
        return None
    match = next((entry for entry in entries if entry.casefold() == name.casefold()), None)
    return match and os.path.join(folder, match)
