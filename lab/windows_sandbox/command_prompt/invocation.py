# SPDX-License-Identifier: Apache-2.0
"""A command line that starts cmd.exe, and what it tells it to run."""

import ntpath
import re
from collections.abc import Callable

from lab.windows_sandbox import command_line as lines
from lab.windows_sandbox import errors
from lab.windows_sandbox.command_prompt.syntax import SPECIAL
from lab.windows_sandbox.errors import Win32Error

_START = re.compile(
    r'\s*"?(?:[A-Za-z]:\\[^"\s]*\\)?cmd(?:\.exe)?"?((?:\s+/[abd-z]\S*)*)\s*/c(.*)', re.IGNORECASE | re.DOTALL
)


def is_command_prompt(command_line: str) -> bool:
    """Say whether a command line starts cmd.exe."""
    program = ntpath.basename(lines.split_program(command_line)[0]).lower()
    return program in ("cmd", "cmd.exe")


def line_of(command_line: str, is_program: Callable[[str], bool]) -> str:
    """Return what stands after /c, without the quotes that cmd.exe takes off; Win32Error without /c.

    (documented: cmd, Remarks; two quotes stay if they hold a program, with a blank and nothing special.)

    :param is_program: says whether a name is that of a program
    """
    match = _START.fullmatch(command_line)
    if not match:
        raise Win32Error(errors.NOT_SUPPORTED, command_line, "the simulated cmd.exe knows /c only")
    line = match[2].strip()
    inner = line[1:-1]
    plain = line.count('"') == 2 and line.endswith('"') and " " in inner and not set(inner) & SPECIAL
    stays = plain and "/s" not in match[1].lower() and is_program(inner)
    if not line.startswith('"') or line.count('"') < 2 or stays:
        return line
    head, _, tail = line[1:].rpartition('"')
    return head + tail
