# SPDX-License-Identifier: Apache-2.0
"""A command line of WinRS, which runs through cmd.exe unless it is told not to."""

from lab.windows_sandbox.command_prompt import internal, syntax
from lab.windows_sandbox.command_prompt.interpreter import Emit, Interpreter
from lab.windows_sandbox.command_prompt.invocation import is_command_prompt
from lab.windows_sandbox.errors import Win32Error
from lab.windows_sandbox.session import Session
from lab.windows_sandbox.threaded_process import ThreadedProcess


def is_one_program(line: str) -> bool:
    """Say whether a line is nothing but a program and its arguments, which then talk to the client."""
    try:
        tree = syntax.parse(line)
    except (syntax.SyntaxProblem, NotImplementedError):
        return False
    changed = "%" in line or not isinstance(tree, syntax.Simple) or tree.text.strip() != line.strip()
    if changed or tree.redirections:
        return False
    name = internal.split(line.strip())[0]
    own = name in internal.COMMANDS or name in internal.UNKNOWN or name in ("call", "exit")
    return not own and not is_command_prompt(line)


class CommandProcess(ThreadedProcess):
    """cmd.exe with one line to run."""

    def __init__(self, session: Session, line: str):
        def act(stdin: bytes, emit: Emit) -> int:
            try:
                return Interpreter(session).run(line, stdin, emit).exit_code
            except (Win32Error, OSError) as error:
                emit(2, session.console.encode(f"{error}\r\n"))
                return 1

        super().__init__(session, act)
