# SPDX-License-Identifier: Apache-2.0
"""What a tool answers: text in, bytes and an exit code out; and its arguments apart."""

import re

from lab.windows_sandbox import command_line as lines
from lab.windows_sandbox.processes import Completed


def done(text: str = "") -> Completed:
    return Completed(0, text.replace("\n", "\r\n").encode(), b"")


def failed(code: int, message: str, *, on_stdout: bool = False) -> Completed:
    data = message.replace("\n", "\r\n").encode()
    return Completed(code, data if on_stdout else b"", b"" if on_stdout else data)


def arguments(text: str) -> tuple[dict[str, str | None], list[str]]:
    """Return switches (/NAME or /NAME:VALUE, names in small letters) and the other words."""
    switches: dict[str, str | None] = {}
    rest = []
    for word in lines.split(text):
        if match := re.fullmatch(r"[/-]([A-Za-z?]+)(?::(.*))?", word, re.DOTALL):
            switches[match[1].lower()] = match[2]
        else:
            rest.append(word)
    return switches, rest
