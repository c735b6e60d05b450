# SPDX-License-Identifier: Apache-2.0
r"""Lets subprocess start ``C:\…\program.exe``, and find a bare name along a Windows PATH.

The program is one of the host's stand-ins (a ``#!`` file); its arguments are passed on untouched.
"""

import errno
import ntpath
import os

from . import import_hook, paths


def install() -> None:
    """Change subprocess.Popen when subprocess is imported."""
    import_hook.Hook({"subprocess"}.__contains__, after=_change_subprocess).install()


def find_program(name: str, search_path: str) -> str:
    """Return the Linux path of program `name`; `search_path` is a Windows PATH (``C:\\a;C:\\b``).

    Names that are Linux paths come back as they are. Raises FileNotFoundError with winerror 2.
    """
    if "/" in name and not paths.is_windows(name):
        return name
    directories = [""] if paths.is_windows(name) else filter(paths.is_windows, search_path.split(";"))
    for directory in directories:
        for suffix in ("", ".exe"):
            program = paths.to_host(ntpath.join(directory, name + suffix))
            if os.path.isfile(program):
                return program
    raise paths.windows_error(errno.ENOENT, name)


def _interpreter(program: str) -> list[str]:
    # What came over WinRM, or lies in an image, has no execute bit; Windows has no such thing.
    if os.access(program, os.X_OK):
        return []
    with open(program, "rb") as file:
        first = file.readline(256)
    return os.fsdecode(first[2:]).split() if first.startswith(b"#!") else []


def _change_subprocess(subprocess) -> None:
    start = subprocess.Popen.__init__

    def start_windows_program(self, args, *positional, **named):
        environment = {name.upper(): value for name, value in (named.get("env") or os.environ).items()}
        if named.get("shell"):
            raise NotImplementedError(
                f"subprocess: shell=True needs cmd.exe, which the lab does not simulate: {args!r}"
            )
        if isinstance(args, (str, bytes, os.PathLike)):
            args = [args]
        program = os.fsdecode(named.get("executable") or args[0])
        program_file = find_program(program, environment.get("PATH", ""))
        interpreter = _interpreter(program_file)
        if interpreter:
            args = [*interpreter, program_file, *args[1:]]
        named["executable"] = interpreter[0] if interpreter else program_file
        named["cwd"] = paths.to_host(named["cwd"]) if named.get("cwd") else None
        try:
            start(self, args, *positional, **named)
        except OSError as error:
            raise paths.windows_error(error.errno, program) from error

    subprocess.Popen.__init__ = start_windows_program
