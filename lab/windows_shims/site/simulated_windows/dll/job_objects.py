# SPDX-License-Identifier: Apache-2.0
"""kernel32's processes and job objects: processes of this host, and groups of them that end together."""

import atexit
import contextlib
import ctypes
import os
import signal

from . import errors, handles
from .library import function
from .waiting import Waitable

# Access rights, the class of information and its flag (documented).
PROCESS_TERMINATE, PROCESS_SET_QUOTA, SYNCHRONIZE = 0x0001, 0x0100, 0x00100000
EXTENDED_LIMITS, KILL_ON_JOB_CLOSE = 9, 0x2000
LIMIT_FLAGS_AT = 16  # in JOBOBJECT_BASIC_LIMIT_INFORMATION, after two times of 64 bits


class Process(Waitable):
    """A process of this host; a wait for it ends when it has ended."""

    def __init__(self, pid: int, access: int):
        try:
            super().__init__(os.pidfd_open(pid))
        except ProcessLookupError:
            raise errors.Win32Error(errors.INVALID_PARAMETER) from None  # documented for OpenProcess
        self.access = access


class Job:
    """A job object. It ends with this process if that ends by itself; a killed one leaves its processes."""

    def __init__(self):
        self._processes: list[int] = []
        self.kills_on_close = False
        atexit.register(self.close)

    def add(self, process: Process) -> None:
        if ~process.access & (PROCESS_SET_QUOTA | PROCESS_TERMINATE):
            raise errors.Win32Error(errors.ACCESS_DENIED)  # documented for AssignProcessToJobObject
        self._processes.append(os.dup(process.descriptor))

    def close(self) -> None:
        atexit.unregister(self.close)
        for descriptor in self._processes:
            if self.kills_on_close:
                with contextlib.suppress(ProcessLookupError):  # it has ended before
                    signal.pidfd_send_signal(descriptor, signal.SIGKILL)
            os.close(descriptor)
        self._processes = []


@function(fails_with=None)
def OpenProcess(access, _inherit, pid):
    return handles.add(Process(pid, access))


@function(fails_with=None)
def CreateJobObjectW(_security, name):
    if name:
        raise NotImplementedError(f"CreateJobObjectW: a job object with a name ({name}) is not simulated")
    return handles.add(Job())


@function(fails_with=0)
def SetInformationJobObject(handle, kind, information, _length):
    if kind != EXTENDED_LIMITS:
        raise NotImplementedError(f"SetInformationJobObject: class {kind}, the lab knows {EXTENDED_LIMITS}")
    flags = ctypes.c_uint32.from_address(information + LIMIT_FLAGS_AT).value
    if flags & ~KILL_ON_JOB_CLOSE:
        raise NotImplementedError(
            f"SetInformationJobObject: limits {flags:#x}, the lab knows {KILL_ON_JOB_CLOSE:#x}"
        )
    handles.get(handle, Job).kills_on_close = bool(flags & KILL_ON_JOB_CLOSE)
    return 1


@function(fails_with=0)
def AssignProcessToJobObject(job, process):
    handles.get(job, Job).add(handles.get(process, Process))
    return 1
