# SPDX-License-Identifier: Apache-2.0
r"""Which program a command line names, and how this machine runs what stands in for it in C:\.

A program in C:\ is a script with an interpreter line, a Linux executable, or a link to one below /usr. A real
Windows executable is refused as Windows refuses a foreign one.
"""

import ntpath
import os
import re
from dataclasses import dataclass

from lab.windows_sandbox import command_line as lines
from lab.windows_sandbox import errors
from lab.windows_sandbox.environment import Environment
from lab.windows_sandbox.errors import Win32Error
from lab.windows_sandbox.filesystem import FileSystem

# Where the interpreters of Windows programs are inside (lab/windows_shims).
SHIMS = "/opt/windows-shims"

# What a program that is a function here (lab/windows_sandbox/tools) holds in C:\\.
TOOL = b"#!hyperv-ci: a program of the simulated Windows, run by the host itself\r\n"

_DRIVE_PATH = re.compile(r"(?<![A-Za-z0-9])[Cc]:[\\/][^;,\"]*")


@dataclass(frozen=True)
class Program:
    r"""What a contained process starts with.

    :param path: the program's Windows path
    :param command: what to execute, as seen inside, without the arguments; nothing for a tool
    :param native: a Linux program, which knows nothing of C:\ in its arguments; what the shims run does
    """

    path: str
    command: tuple[str, ...]
    native: bool


def candidates(name: str, directory: str, environment: Environment) -> list[str]:
    """Return the paths that CreateProcess would try for `name` (documented: CreateProcessW)."""
    names = [name] if ntpath.splitext(name)[1] else [name + ".exe"]
    if "\\" in name or "/" in name:
        return [ntpath.join(directory, candidate) for candidate in names]
    folders = [directory, *environment.value("Path").split(";")]
    return [ntpath.join(folder, candidate) for folder in folders if folder for candidate in names]


def find(
    filesystem: FileSystem, command_line: str, directory: str, environment: Environment
) -> tuple[Program, str]:
    """Return the program of a command line, and its arguments as text; Win32Error 2 if there is none, 193 if
    it cannot run.

    An unquoted path with blanks is tried piece by piece, as CreateProcess does (documented).
    """
    program, rest = lines.split_program(command_line)
    attempts = [(program, rest)]
    if "\\" in program and not command_line.lstrip().startswith('"'):
        words = rest.split(" ")
        attempts += [
            (" ".join((program, *words[:count])), " ".join(words[count:]))
            for count in range(1, len(words) + 1)
        ]
    for attempt, left in attempts:
        for path in candidates(attempt, directory, environment):
            if filesystem.local(path).is_file():
                return _program(filesystem, path), left
    raise Win32Error(errors.FILE_NOT_FOUND, program)


def _program(filesystem: FileSystem, path: str) -> Program:
    path = filesystem.windows(filesystem.local(path, follow=False))
    inside = filesystem.inside(path)
    local = filesystem.local(path)
    with open(local, "rb") as file:
        start = file.read(256)
    if start == TOOL:
        return Program(path, (), False)
    if start.startswith(b"#!"):
        # Not left to the kernel: what comes over WinRM has no execute bit.
        interpreter = start[2:].splitlines()[0].decode().split(None, 1)
        return Program(
            path,
            (*[part.strip() for part in interpreter], inside),
            not interpreter[0].startswith(SHIMS + "/"),
        )
    if start.startswith(b"\x7fELF"):
        if not os.access(local, os.X_OK):
            os.chmod(filesystem.local_for_writing(path), 0o755)
        return Program(path, (inside,), True)
    found = (
        "a real Windows program"
        if start.startswith(b"MZ")
        else "neither a script with #! nor a Linux program"
    )
    raise Win32Error(errors.BAD_EXE_FORMAT, path, f"this simulated host cannot run it: it is {found}")


def arguments(filesystem: FileSystem, program: Program, text: str) -> list[str]:
    r"""Return the whole argument vector as the contained process gets it, paths in C:\ translated for a Linux
    program.
    """
    words = lines.split(text)
    if program.native:
        words = [_DRIVE_PATH.sub(lambda match: filesystem.inside(match[0]), word) for word in words]
    return [*program.command, *words]
