# SPDX-License-Identifier: Apache-2.0
"""Events and mutexes, and waiting for them; alertable waits run the thread's completion routines."""

import os
import select
import threading
import time

from . import errors, handles
from .library import function

INFINITE = 0xFFFFFFFF
WAIT_OBJECT_0, WAIT_IO_COMPLETION, WAIT_TIMEOUT, WAIT_FAILED = 0, 0xC0, 258, 0xFFFFFFFF

_thread = threading.local()


class Waitable:
    """What can be waited for; its descriptor can be polled.

    `changes` says whether a wait that ends takes something, as that for a mutex does.
    """

    changes = False

    def __init__(self, descriptor: int):
        self.descriptor = descriptor

    def take(self) -> bool:
        """Say whether a wait for this ends now."""
        return bool(select.select([self.descriptor], [], [], 0)[0])

    def close(self) -> None:
        os.close(self.descriptor)


class Event(Waitable):
    """An event of this process."""

    def __init__(self, manual_reset: bool, signaled: bool):
        super().__init__(os.eventfd(int(signaled), os.EFD_NONBLOCK))
        self.changes = not manual_reset

    def set(self) -> None:
        os.eventfd_write(self.descriptor, 1)

    def reset(self) -> bool:
        """Take the signal away; say whether there was one."""
        try:
            return os.eventfd_read(self.descriptor) > 0
        except BlockingIOError:
            return False

    def take(self) -> bool:
        """Say whether a wait for this ends now; an auto-reset event is then reset."""
        return self.reset() if self.changes else super().take()


class Mutex(Event):
    """A mutex of this process, owned by a thread, recursive."""

    def __init__(self):
        super().__init__(manual_reset=False, signaled=True)
        self._owner, self._count = None, 0

    def take(self) -> bool:
        mine = self._owner == threading.get_ident()
        if mine or super().take():
            self._owner, self._count = threading.get_ident(), self._count + 1
            return True
        return False

    def release(self) -> None:
        if self._owner != threading.get_ident():
            raise errors.Win32Error(288)  # ERROR_NOT_OWNER
        self._count -= 1
        if not self._count:
            self._owner = None
            self.set()


def pending_io() -> list:
    """Return the calling thread's I/O whose completion routines wait for an alertable wait."""
    if not hasattr(_thread, "pending"):
        _thread.pending = []
    return _thread.pending


@function(fails_with=None)
def CreateEventW(_security, manual_reset, initial_state, name):
    if name:
        raise NotImplementedError(f"CreateEventW: an event with a name ({name}) is not simulated")
    return handles.add(Event(bool(manual_reset), bool(initial_state)))


@function(fails_with=0)
def SetEvent(handle):
    handles.get(handle, Event).set()
    return 1


@function(fails_with=0)
def ResetEvent(handle):
    handles.get(handle, Event).reset()
    return 1


@function(fails_with=None)
def CreateMutexW(_security, initial_owner, name):
    if name:
        raise NotImplementedError(f"CreateMutexW: a mutex with a name ({name}) is not simulated")
    mutex = Mutex()
    if initial_owner:
        mutex.take()
    return handles.add(mutex)


@function(fails_with=0)
def ReleaseMutex(handle):
    handles.get(handle, Mutex).release()
    return 1


@function(fails_with=WAIT_FAILED)
def WaitForSingleObject(handle, milliseconds):
    return _wait([handle], False, milliseconds, alertable=False)


@function(fails_with=WAIT_FAILED)
def WaitForSingleObjectEx(handle, milliseconds, alertable):
    return _wait([handle], False, milliseconds, alertable=bool(alertable))


@function(fails_with=WAIT_FAILED)
def WaitForMultipleObjects(count, array, wait_all, milliseconds):
    return _wait(array[:count], bool(wait_all), milliseconds, alertable=False)


def _wait(numbers, wait_all, milliseconds, *, alertable):
    objects = [handles.get(number, Waitable) for number in numbers]
    deadline = None if milliseconds == INFINITE else time.monotonic() + milliseconds / 1000
    if wait_all and len(objects) > 1:
        return _wait_for_all(objects, deadline)
    while True:
        for index, item in enumerate(objects):
            if item.take():
                return WAIT_OBJECT_0 + index
        if alertable and _complete_io():
            return WAIT_IO_COMPLETION
        poll = select.poll()
        for item in objects:
            poll.register(item.descriptor, select.POLLIN)
        for operation in pending_io() if alertable else ():
            operation.register(poll)
        if not poll.poll(_milliseconds_to(deadline)):
            return WAIT_TIMEOUT


def _wait_for_all(objects, deadline):
    if any(item.changes for item in objects):
        raise NotImplementedError(
            "WaitForMultipleObjects: all of several objects, a mutex or auto-reset event among them, is not "
            "simulated"
        )
    while missing := [item for item in objects if not item.take()]:
        poll = select.poll()
        poll.register(missing[0].descriptor, select.POLLIN)
        if not poll.poll(_milliseconds_to(deadline)):
            return WAIT_TIMEOUT
    return WAIT_OBJECT_0


def _milliseconds_to(deadline):
    return None if deadline is None else max(0, deadline - time.monotonic()) * 1000


def _complete_io() -> bool:
    done = [operation for operation in pending_io() if operation.try_to_complete()]
    for operation in done:
        pending_io().remove(operation)
    for operation in done:
        operation.run_routine()
    return bool(done)
