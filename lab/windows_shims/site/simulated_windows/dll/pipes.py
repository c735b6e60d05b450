# SPDX-License-Identifier: Apache-2.0
"""kernel32's I/O on pipes, overlapped and not; see ..pipes for what is at a named pipe's other end."""

import ctypes
import os
import select
import socket
import threading

from .. import paths
from .. import pipes as sockets
from . import errors, handles
from .library import function
from .waiting import pending_io


class Pipe:
    """An open end of a pipe."""

    def __init__(self, end: socket.socket, *, reads: bool = True, writes: bool = True):
        self.socket = end
        self.socket.setblocking(False)
        self._reads, self._writes = reads, writes
        self.operations: list[Operation] = []
        self.lock = threading.Lock()

    def check(self, *, write: bool) -> None:
        """Raise Win32Error (access denied) unless this end is for that."""
        if not (self._writes if write else self._reads):
            raise errors.Win32Error(errors.ACCESS_DENIED)

    def cancel(self, operations) -> None:
        """Cancel those of `operations` that are still under way."""
        with self.lock:
            for operation in operations:
                if operation in self.operations:
                    operation.cancel()

    def close(self) -> None:
        self.cancel(list(self.operations))
        self.socket.close()


class Operation:
    """I/O that waits for the pipe; its routine runs in an alertable wait of the thread that asked for it."""

    def __init__(self, pipe: Pipe, buffer: int, length: int, overlapped: int, routine, *, write: bool):
        self.overlapped = overlapped
        self._pipe, self._buffer, self._length, self._routine = pipe, buffer, length, routine
        self._write = write
        self._cancelled = os.eventfd(0, os.EFD_NONBLOCK)
        self._error = self._count = 0
        pipe.operations.append(self)

    def register(self, poll) -> None:
        poll.register(self._cancelled, select.POLLIN)
        if self._pipe.socket.fileno() >= 0:
            poll.register(self._pipe.socket, select.POLLOUT if self._write else select.POLLIN)

    def cancel(self) -> None:
        self._error = errors.OPERATION_ABORTED
        os.eventfd_write(self._cancelled, 1)

    def try_to_complete(self) -> bool:
        """Do what can be done now; say whether the operation is over."""
        if not self._error:
            try:
                self._count = self._transfer()
            except BlockingIOError:
                return False
            except ConnectionError:
                self._error = errors.BROKEN_PIPE
            if not self._error and not self._count and self._length:
                self._error = errors.BROKEN_PIPE
        with self._pipe.lock:
            self._pipe.operations.remove(self)
            os.close(self._cancelled)
        return True

    def _transfer(self) -> int:
        if self._write:
            return self._pipe.socket.send(ctypes.string_at(self._buffer, self._length))
        data = self._pipe.socket.recv(self._length)
        ctypes.memmove(self._buffer, data, len(data))
        return len(data)

    def run_routine(self) -> None:
        self._routine(self._error, self._count, self.overlapped)


@function(fails_with=0)
def CreatePipe(read_handle, write_handle, security, _size):
    if security:
        raise NotImplementedError("CreatePipe: handles that children inherit are not simulated")
    reads, writes = socket.socketpair()
    read_handle.contents.value = handles.add(Pipe(reads, writes=False))
    write_handle.contents.value = handles.add(Pipe(writes, reads=False))
    return 1


@function(fails_with=0)
def WaitNamedPipeW(path, _milliseconds):
    name = paths.pipe_name(path)
    if not sockets.exists(name):
        raise errors.Win32Error(errors.FILE_NOT_FOUND)
    return 1


@function(fails_with=0)
def ReadFileEx(handle, buffer, length, overlapped, routine):
    return _start(handle, buffer, length, overlapped, routine, write=False)


@function(fails_with=0)
def WriteFileEx(handle, buffer, length, overlapped, routine):
    return _start(handle, buffer, length, overlapped, routine, write=True)


@function(fails_with=0)
def ReadFile(handle, buffer, length, count, overlapped):
    return _transfer_now(handle, buffer, length, count, overlapped, write=False)


@function(fails_with=0)
def WriteFile(handle, buffer, length, count, overlapped):
    return _transfer_now(handle, buffer, length, count, overlapped, write=True)


@function(fails_with=0)
def CancelIoEx(handle, overlapped):
    wanted = ctypes.addressof(overlapped.contents) if overlapped else None
    pipe = handles.get(handle, Pipe)
    operations = [
        operation for operation in list(pipe.operations)
        if wanted in (None, ctypes.addressof(operation.overlapped.contents))
    ]  # fmt: skip
    if not operations:
        raise errors.Win32Error(errors.NOT_FOUND)
    pipe.cancel(operations)
    return 1


def _start(handle, buffer, length, overlapped, routine, *, write):
    pipe = handles.get(handle, Pipe)
    pipe.check(write=write)
    if not write and _is_broken(pipe.socket):
        raise errors.Win32Error(errors.BROKEN_PIPE)
    pending_io().append(Operation(pipe, buffer, length, overlapped, routine, write=write))
    return 1


def _is_broken(end: socket.socket) -> bool:
    try:
        return not end.recv(1, socket.MSG_PEEK)
    except BlockingIOError:
        return False


def _transfer_now(handle, buffer, length, count, overlapped, *, write):
    if overlapped:
        raise NotImplementedError("ReadFile, WriteFile: overlapped I/O is not simulated (but see ReadFileEx)")
    outcome = []
    pipe = handles.get(handle, Pipe)
    pipe.check(write=write)
    operation = Operation(pipe, buffer, length, None, lambda *result: outcome.extend(result), write=write)
    while not operation.try_to_complete():
        poll = select.poll()
        operation.register(poll)
        poll.poll()
    operation.run_routine()
    error, transferred, _overlapped = outcome
    if error:
        raise errors.Win32Error(error)
    count.contents.value = transferred
    return 1
