# SPDX-License-Identifier: Apache-2.0
"""kernel32.dll, as documented by Microsoft function by function; files, errors and the system here."""

import ctypes
import os
import shutil
import time

from .. import paths, pipes
from . import errors, handles, memory
from .job_objects import (
    AssignProcessToJobObject,
    CreateJobObjectW,
    OpenProcess,
    SetInformationJobObject,
)  # fmt: skip
from .library import function
from .pipes import (
    CancelIoEx,
    CreatePipe,
    Pipe,
    ReadFile,
    ReadFileEx,
    WaitNamedPipeW,
    WriteFile,
    WriteFileEx,
)  # fmt: skip
from .waiting import (
    CreateEventW,
    CreateMutexW,
    ReleaseMutex,
    ResetEvent,
    SetEvent,
    WaitForMultipleObjects,
    WaitForSingleObject,
    WaitForSingleObjectEx,
)  # fmt: skip

__all__ = [
    "AssignProcessToJobObject", "CancelIoEx", "CloseHandle", "CopyFileW", "CreateEventW", "CreateFileW",
    "CreateJobObjectW", "CreateMutexW", "CreatePipe", "CreateSymbolicLinkW", "FormatMessageA",
    "GetDiskFreeSpaceExW", "GetFileInformationByHandleEx", "GetLastError", "GetTickCount64",
    "IsProcessorFeaturePresent", "LocalFree", "OpenProcess", "ReadFile", "ReadFileEx", "ReleaseMutex",
    "ResetEvent", "SetEvent", "SetInformationJobObject", "SetLastError", "WaitForMultipleObjects",
    "WaitForSingleObject", "WaitForSingleObjectEx", "WaitNamedPipeW", "WriteFile", "WriteFileEx",
]  # fmt: skip

INVALID_HANDLE_VALUE = 2**64 - 1
OPEN_EXISTING = 3
FILE_ID_INFO = 18
FORMAT_MESSAGE = 0x1300  # from the system, into a buffer that the system allocates, ignoring inserts
# winnt.h's number of a feature → the Linux kernel's name of it.
PROCESSOR_FEATURES = {
    3: "mmx", 6: "sse", 7: "3dnow", 8: "tsc", 9: "pae", 10: "sse2", 12: "nx", 13: "pni", 17: "xsave",
}  # fmt: skip


class File:
    """An open file, of which only the identity can be asked."""

    def __init__(self, path: str):
        self._descriptor = os.open(path, os.O_PATH)

    def stat(self) -> os.stat_result:
        return os.stat(self._descriptor)

    def close(self) -> None:
        os.close(self._descriptor)


@function()
def GetLastError():
    return errors.get()


@function()
def SetLastError(code):
    errors.set(code)


@function(fails_with=0)
def FormatMessageA(flags, _source, message_id, _language, buffer, _size, _arguments):
    if flags != FORMAT_MESSAGE:
        raise NotImplementedError(f"FormatMessageA: flags {flags:#x}, the lab knows {FORMAT_MESSAGE:#x}")
    text = errors.message(message_id)
    if text is None:
        raise errors.Win32Error(317)  # ERROR_MR_MID_NOT_FOUND
    content = text.encode("ascii") + b"\r\n"
    ctypes.c_void_p.from_address(buffer).value = memory.allocate(content + b"\0")
    return len(content)


@function(fails_with=None)
def LocalFree(address):
    if address is not None and not memory.free(address):
        raise NotImplementedError(
            f"LocalFree: {address:#x} was not allocated by a function that the lab simulates"
        )


@function(fails_with=0)
def CloseHandle(handle):
    handles.close(handle)
    return 1


@function(fails_with=INVALID_HANDLE_VALUE)
def CreateFileW(path, access, _share, _security, disposition, _flags, _template):
    if disposition != OPEN_EXISTING:
        raise NotImplementedError(f"CreateFileW: disposition {disposition}, the lab knows {OPEN_EXISTING}")
    pipe = paths.pipe_name(path)
    if pipe:
        return handles.add(Pipe(pipes.connect(pipe)))
    if access:
        raise NotImplementedError(
            f"CreateFileW: access {access:#x} to {path}, the lab knows 0 (its identity)"
        )
    return handles.add(File(paths.to_host(path)))


@function(fails_with=0)
def GetFileInformationByHandleEx(handle, kind, buffer, size):
    if kind != FILE_ID_INFO:
        raise NotImplementedError(f"GetFileInformationByHandleEx: class {kind}, the lab knows {FILE_ID_INFO}")
    found = handles.get(handle, File).stat()
    packed = found.st_dev.to_bytes(8, "little") + found.st_ino.to_bytes(16, "little")
    if size < len(packed):
        raise errors.Win32Error(errors.INSUFFICIENT_BUFFER)
    ctypes.memmove(buffer, packed, len(packed))
    return 1


@function(fails_with=0)
def CopyFileW(source, target, fail_if_exists):
    if fail_if_exists and os.path.exists(target):
        raise errors.Win32Error(errors.FILE_EXISTS)
    if os.path.isdir(source):
        raise errors.Win32Error(errors.ACCESS_DENIED)
    shutil.copyfile(source, target)
    shutil.copystat(source, target)
    return 1


@function(fails_with=0)
def CreateSymbolicLinkW(link, target, _is_directory):
    os.symlink(target, link)
    return 1


@function(fails_with=0)
def GetDiskFreeSpaceExW(path, available, total, free):
    found = os.statvfs(path)
    blocks = ((available, found.f_bavail), (total, found.f_blocks), (free, found.f_bfree))
    for pointer, count in blocks:
        if pointer:
            pointer.contents.value = count * found.f_frsize
    return 1


@function()
def GetTickCount64():
    return int(time.clock_gettime(time.CLOCK_BOOTTIME) * 1000)


@function()
def IsProcessorFeaturePresent(feature):
    if feature not in PROCESSOR_FEATURES:
        return 0  # documented: zero for features that the system does not know, too
    with open("/proc/cpuinfo", encoding="ascii") as file:
        flags = next((line.split(":")[1].split() for line in file if line.startswith("flags")), [])
    return int(PROCESSOR_FEATURES[feature] in flags)
