# SPDX-License-Identifier: Apache-2.0
"""How PowerShell writes its error stream when it is started with an encoded command."""

from xml.sax.saxutils import escape

_HEAD = '#< CLIXML\r\n<Objs Version="1.1.0.1" xmlns="http://schemas.microsoft.com/powershell/2004/04">'


def errors(text: str) -> bytes:
    """Return `text` as PowerShell's standard error: each line a string of the Error stream."""
    lines = "".join(f'<S S="Error">{escape(line)}_x000D__x000A_</S>' for line in text.splitlines())
    return f"{_HEAD}{lines}</Objs>".encode()
