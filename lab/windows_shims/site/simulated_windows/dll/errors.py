# SPDX-License-Identifier: Apache-2.0
"""Win32 error codes (winerror.h): the last one of each thread, and what the system says of them."""

import threading

FILE_NOT_FOUND = 2
ACCESS_DENIED = 5
INVALID_HANDLE = 6
INVALID_PARAMETER = 87
NOT_READY = 21
NOT_SUPPORTED = 50
FILE_EXISTS = 80
BROKEN_PIPE = 109
INSUFFICIENT_BUFFER = 122
PIPE_BUSY = 231
OPERATION_ABORTED = 995
NOT_FOUND = 1168

_MESSAGES = {
    FILE_NOT_FOUND: "The system cannot find the file specified.",
    3: "The system cannot find the path specified.",
    ACCESS_DENIED: "Access is denied.",
    INVALID_HANDLE: "The handle is invalid.",
    NOT_READY: "The device is not ready.",
    32: "The process cannot access the file because it is being used by another process.",
    NOT_SUPPORTED: "The request is not supported.",
    53: "The network path was not found.",
    FILE_EXISTS: "The file exists.",
    INVALID_PARAMETER: "The parameter is incorrect.",
    BROKEN_PIPE: "The pipe has been ended.",
    112: "There is not enough space on the disk.",
    INSUFFICIENT_BUFFER: "The data area passed to a system call is too small.",
    123: "The filename, directory name, or volume label syntax is incorrect.",
    183: "Cannot create a file when that file already exists.",
    PIPE_BUSY: "All pipe instances are busy.",
    OPERATION_ABORTED: (
        "The I/O operation has been aborted because of either a thread exit or an application request."
    ),
    NOT_FOUND: "Element not found.",
    0xC03A0004: "The file or directory is corrupted and unreadable, or is no virtual disk.",
    0xC03A000D: "The parent virtual hard disk of the differencing disk is missing or cannot be found.",
    0xC03A000E: "There is a mismatch in the identifiers of the parent virtual hard disk and its child.",
    0xC03A0012: "The size of the virtual hard disk is not valid.",
    0xC03A001B: "The virtual hard disk type is not supported for the requested operation.",
}
_thread = threading.local()


class Win32Error(Exception):
    """Makes a simulated function fail with `code`."""

    def __init__(self, code: int):
        super().__init__(f"Win32 error {code:#x}: {message(code) or 'no text'}")
        self.code = code


def get() -> int:
    """Return the calling thread's last error."""
    return getattr(_thread, "code", 0)


def set(code: int) -> None:
    """Set the calling thread's last error."""
    _thread.code = code


def message(code: int) -> str | None:
    """Return the system's text for `code`, or None if it has none here."""
    return _MESSAGES.get(code)


def win_error(code: int | None = None) -> OSError:
    """Return ctypes.WinError()'s exception for `code`, by default the last error."""
    code = get() if code is None else code
    error = OSError(f"[WinError {code}] {message(code)}")
    error.winerror = code
    return error
