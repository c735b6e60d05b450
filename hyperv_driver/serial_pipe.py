# SPDX-License-Identifier: Apache-2.0
"""The host's end of a virtual serial port: a named pipe, read and written at the same time.

That takes overlapped I/O: with a file that is open for plain I/O, Windows does one thing after another, so
that what a user types would wait for the guest's next word.
"""

import ctypes

from hyperv_driver.without_eventlet import without_eventlet

with without_eventlet():
    from os_win import exceptions
    from os_win.utils.io import ioutils
    from os_win.utils.winapi import constants

CHUNK = 4096
# https://learn.microsoft.com/windows/win32/debug/system-error-codes--0-499-
FILE_NOT_FOUND = 2


class SerialPipe:
    """
    :param path: of the pipe
    :raises FileNotFoundError: it is not there, as when its machine is off
    :raises OSError: another client has it
    """

    def __init__(self, path):
        self._io = ioutils.IOUtils()
        try:
            self._handle = self._io.open(
                path,
                constants.GENERIC_READ | constants.GENERIC_WRITE,
                constants.FILE_SHARE_READ | constants.FILE_SHARE_WRITE,
                constants.OPEN_EXISTING,
                constants.FILE_FLAG_OVERLAPPED,
            )
        except exceptions.Win32IOException as error:
            kind = FileNotFoundError if error.error_code == FILE_NOT_FOUND else OSError
            raise kind(str(error)) from error

    def __enter__(self):
        return self

    def __exit__(self, *_exception):
        self._io.close_handle(self._handle)

    def read(self):
        """Wait for what the guest writes.

        :returns: b"" at the end of the pipe
        :raises OSError: Windows tells of the end this way, too
        """
        buffer = self._io.get_buffer(CHUNK)
        return bytes(buffer[: self._do(self._io.read, buffer, CHUNK)])

    def write(self, data):
        """:raises OSError: the pipe has ended."""
        self._do(self._io.write, (ctypes.c_ubyte * len(data)).from_buffer_copy(data), len(data))

    def _do(self, action, buffer, size):
        """Wait until Windows has done it; returns the number of bytes."""
        counts = []
        overlapped = self._io.get_new_overlapped_structure()
        routine = self._io.get_completion_routine(counts.append)
        try:
            action(self._handle, buffer, size, overlapped, routine)
        except exceptions.Win32IOException as error:
            raise OSError(str(error)) from error
        finally:
            self._io.close_handle(overlapped.hEvent)
        return counts[0] if counts else 0
