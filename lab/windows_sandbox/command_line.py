# SPDX-License-Identifier: Apache-2.0
"""Windows command lines: one string that each program splits for itself."""

import re
import subprocess

# The longest that cmd.exe and CreateProcess take (documented: Command prompt line string limitation;
# CreateProcessW).
LONGEST_FOR_CMD = 8191
LONGEST = 32766

join = subprocess.list2cmdline


def split(command_line: str) -> list[str]:
    """Split as CommandLineToArgvW does: 2n backslashes before a quote are n, 2n+1 are n and a quote."""
    arguments: list[str] = []
    current: str | None = None
    quoted, position = False, 0
    while position < len(command_line):
        character = command_line[position]
        if character == "\\":
            run = re.compile(r"\\+").match(command_line, position).end() - position
            position += run
            if command_line[position : position + 1] == '"':
                current = (current or "") + "\\" * (run // 2)
                if run % 2:
                    current += '"'
                    position += 1
            else:
                current = (current or "") + "\\" * run
            continue
        if character == '"':
            if quoted and command_line[position + 1 : position + 2] == '"':
                current = (current or "") + '"'
                position += 1
            else:
                quoted = not quoted
                current = current or ""
        elif character in " \t\r\n" and not quoted:
            if current is not None:
                arguments.append(current)
                current = None
        else:
            current = (current or "") + character
        position += 1
    return arguments if current is None else [*arguments, current]


def split_program(command_line: str) -> tuple[str, str]:
    """Split off the first argument, in which backslashes mean nothing, and return it and the rest as it
    stands.
    """
    text = command_line.lstrip()
    if text.startswith('"'):
        program, _, rest = text[1:].partition('"')
    else:
        program, rest = re.match(r"(\S*)(.*)", text, re.DOTALL).groups()
    return program, rest.strip()
