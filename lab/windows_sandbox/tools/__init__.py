# SPDX-License-Identifier: Apache-2.0
r"""Windows' own programs that people call by name: stand-ins in C:\Windows\System32, functions here.

Each takes the session, its arguments as text, and standard input. A switch that it does not know is refused
as the program refuses nonsense, so nothing is taken for done that was not.
"""

import ntpath
from collections.abc import Callable, Mapping

from lab.windows_sandbox import errors, programs
from lab.windows_sandbox.errors import Win32Error
from lab.windows_sandbox.filesystem import FileSystem
from lab.windows_sandbox.processes import Completed
from lab.windows_sandbox.session import Session
from lab.windows_sandbox.threaded_process import ThreadedProcess
from lab.windows_sandbox.tools import accounts, network, processes, services, text

Tool = Callable[[Session, str, bytes], Completed]

TOOLS: dict[str, Tool] = {
    "chcp": text.chcp,
    "find": text.find,
    "findstr": text.findstr,
    "hostname": network.hostname,
    "ipconfig": network.ipconfig,
    "more": text.more,
    "net": accounts.net,
    "sc": services.sc,
    "shutdown": processes.shutdown,
    "sort": text.sort,
    "taskkill": processes.taskkill,
    "tasklist": processes.tasklist,
    "timeout": processes.timeout,
    "where": network.where,
    "whoami": accounts.whoami,
}


# They hand on bytes as they come.
_RAW = ("find", "findstr", "more", "sort")


def install(filesystem: FileSystem) -> None:
    """Put the stand-ins where Windows has the programs."""
    # cmd.exe is there to be found; who starts it gets lab/windows_sandbox/command_prompt.
    for name in (*TOOLS, "cmd"):
        filesystem.local(rf"C:\Windows\System32\{name}.exe").write_bytes(programs.TOOL)


def is_there(session: Session, name: str, folder: str) -> bool:
    """Say whether there is a program of this name, blanks included, in a folder or in the path."""
    try:
        programs.find(session.host.filesystem, f'"{name}"', folder, session.environment)
    except Win32Error as error:
        # One that cannot run here is there all the same.
        return error.code == errors.BAD_EXE_FORMAT
    return True


def is_started(session: Session, command_line: str) -> bool:
    """Say whether a command line names a program that runs as a process of its own."""
    try:
        program, _ = programs.find(
            session.host.filesystem, command_line, session.path(session.directory), session.environment
        )
    except Win32Error:
        return False
    return bool(program.command)


class ToolProcess(ThreadedProcess):
    """One of the tools as a process; Win32Error if there is none of its name."""

    def __init__(self, session: Session, command_line: str):
        programs.find(
            session.host.filesystem, command_line, session.path(session.directory), session.environment
        )

        def act(stdin: bytes, emit: Callable[[int, bytes], None]) -> int:
            completed = execute(session, command_line, stdin=stdin)
            emit(1, completed.stdout)
            emit(2, completed.stderr)
            return completed.exit_code

        super().__init__(session, act)


def execute(
    session: Session,
    command_line: str,
    directory: str | None = None,
    stdin: bytes = b"",
    environment: Mapping[str, str] | None = None,
) -> Completed:
    """Run a program, one of these or another, to its end; Win32Error if there is none or it cannot run."""
    folder = session.path(directory or session.directory)
    program, rest = programs.find(session.host.filesystem, command_line, folder, session.environment)
    if program.command:
        return session.run(command_line, folder, stdin, environment)
    name = ntpath.splitext(ntpath.basename(program.path))[0].lower()
    completed = TOOLS[name](session.child(folder, environment), rest, stdin)
    return completed if name in _RAW else session.in_code_page(completed)
