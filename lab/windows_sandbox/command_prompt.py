# SPDX-License-Identifier: Apache-2.0
"""cmd.exe /c: one line of programs and a few built-ins, joined by && and ||. What else a line holds is
refused.
"""

import ntpath
import re

from lab.windows_sandbox import command_line as lines
from lab.windows_sandbox import errors
from lab.windows_sandbox.errors import Win32Error
from lab.windows_sandbox.processes import Completed
from lab.windows_sandbox.session import Session

_START = re.compile(
    r'\s*"?(?:[A-Za-z]:\\[^"\s]*\\)?cmd(?:\.exe)?"?((?:\s+/[a-bd-z]\S*)*)\s+/c\s+(.*)',
    re.IGNORECASE | re.DOTALL,
)

# Nothing here opens pipes or files, loops or sets variables; a caret would quote them.
_REFUSED = re.compile(r"[&|<>^()]")


def is_command_prompt(command_line: str) -> bool:
    """Say whether a command line starts cmd.exe."""
    program = ntpath.basename(lines.split_program(command_line)[0]).lower()
    return program in ("cmd", "cmd.exe")


def run(session: Session, command_line: str, directory: str | None = None, stdin: bytes = b"") -> Completed:
    """Run a cmd.exe command line; Win32Error for what is not understood."""
    match = _START.fullmatch(command_line)
    if not match:
        raise Win32Error(errors.NOT_SUPPORTED, command_line, "the simulated cmd.exe knows /c only")
    return run_line(session, match[2], directory, stdin)


def run_line(session: Session, line: str, directory: str | None = None, stdin: bytes = b"") -> Completed:
    """Run what cmd.exe gets after /c."""
    if len(line) > lines.LONGEST_FOR_CMD:
        return Completed(1, b"", b"The command line is too long.\r\n")
    stdout, stderr, code = b"", b"", 0
    for operator, command in _commands(session.expand(line)):
        if (operator == "&&" and code) or (operator == "||" and not code):
            continue
        completed = _one(session, command, directory, stdin)
        stdout, stderr, code = stdout + completed.stdout, stderr + completed.stderr, completed.exit_code
        if re.match(r"exit\b", command, re.IGNORECASE):
            break
    return Completed(code, stdout, stderr)


def _commands(line: str) -> list[tuple[str, str]]:
    """Split at && and || outside of quotes, and return each command with the operator before it."""
    found = [("", "")]
    for piece in re.split(r'("[^"]*"|&&|\|\|)', line):
        if piece in ("&&", "||"):
            found.append((piece, ""))
            continue
        if not piece.startswith('"') and (match := _REFUSED.search(piece)):
            raise Win32Error(
                errors.NOT_SUPPORTED,
                line,
                f"the simulated cmd.exe does not know {match[0]!r}; it knows programs, echo, exit, type, ver,"
                " && and ||",
            )
        found[-1] = (found[-1][0], found[-1][1] + piece)
    return [(operator, command.strip()) for operator, command in found]


def _one(session: Session, command: str, directory: str | None, stdin: bytes) -> Completed:
    name, rest = lines.split_program(command)
    match name.lower():
        case "echo":
            return Completed(0, rest.encode() + b"\r\n", b"")
        case "exit":
            return Completed(int(rest.lower().replace("/b", "").strip() or 0), b"", b"")
        case "ver":
            return Completed(
                0, b"\r\nMicrosoft Windows [Version 10.0.20348] (simulated by hyperv-ci)\r\n", b""
            )
        case "type":
            if not session.is_file(rest.strip('"')):
                return Completed(1, b"", b"The system cannot find the file specified.\r\n")
            return Completed(0, session.local(rest.strip('"')).read_bytes(), b"")
    try:
        return session.run(command, directory, stdin)
    except Win32Error as error:
        if error.code != errors.FILE_NOT_FOUND:
            raise
        # 9009 is what cmd.exe leaves in %ERRORLEVEL%; as the exit code of /c it is 1 (inferred).
        return Completed(
            1,
            b"",
            f"'{name}' is not recognized as an internal or external command,\r\noperable program or batch"
            " file.\r\n".encode(),
        )
