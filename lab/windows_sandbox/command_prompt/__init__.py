# SPDX-License-Identifier: Apache-2.0
"""cmd.exe /c as far as people type it: operators, groups, if, redirection, variables, its own commands.

What else there is (for, batch files, delayed expansion) is refused, naming it.
"""

from lab.windows_sandbox import command_line as lines
from lab.windows_sandbox import tools
from lab.windows_sandbox.command_prompt.interpreter import Interpreter
from lab.windows_sandbox.command_prompt.invocation import is_command_prompt, line_of
from lab.windows_sandbox.command_prompt.process import CommandProcess, is_one_program
from lab.windows_sandbox.processes import Completed
from lab.windows_sandbox.session import Session

__all__ = ["CommandProcess", "is_command_prompt", "is_one_program", "line_of", "run", "run_line"]


def run(session: Session, command_line: str, directory: str | None = None, stdin: bytes = b"") -> Completed:
    """Run a cmd.exe command line; Win32Error for what is not understood."""
    folder = session.path(directory or session.directory)
    line = line_of(command_line, lambda name: tools.is_there(session, name, folder))
    return run_line(session, line, directory, stdin)


def run_line(session: Session, line: str, directory: str | None = None, stdin: bytes = b"") -> Completed:
    """Run what cmd.exe gets after /c."""
    if len(line) > lines.LONGEST_FOR_CMD:
        return Completed(1, b"", b"The command line is too long.\r\n")
    return Interpreter(session, directory).run(line, stdin)
