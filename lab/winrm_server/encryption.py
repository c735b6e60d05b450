# SPDX-License-Identifier: Apache-2.0
"""Messages that NTLM seals, as multipart/encrypted (documented: MS-WSMV 2.2.9.1): bytes in, bytes out."""

import re
import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from spnego import ContextProxy

PROTOCOL = "application/HTTP-SPNEGO-session-encrypted"
CONTENT_TYPE = f'multipart/encrypted;protocol="{PROTOCOL}";boundary="Encrypted Boundary"'

_BOUNDARY = b"--Encrypted Boundary"
_PART = re.compile(
    rb"\s*Content-Type: *"
    + re.escape(PROTOCOL.encode())
    + rb"\r\n\s*OriginalContent: *type=[^\r\n]*?;Length=(\d+)\r\n"
    + _BOUNDARY
    + rb"\r\n\s*Content-Type: *application/octet-stream\r\n",
    re.IGNORECASE,
)


class NotSealed(Exception):
    """A body that is no sealed message of this connection; the message says what is wrong."""


def is_sealed(content_type: str) -> bool:
    """Say whether a request of this Content-Type claims to be sealed."""
    return content_type.lower().startswith("multipart/encrypted")


def unseal(context: "ContextProxy", body: bytes) -> bytes:
    """Return the envelope in a body; NotSealed if it is none that the client of this context made."""
    from spnego.exceptions import SpnegoError  # late, as in authentication

    start = _BOUNDARY + b"\r\n"
    if not body.startswith(start) or not (part := _PART.match(body, len(start))):
        raise NotSealed("it does not begin with the two parts of multipart/encrypted")
    sealed = body[part.end() :].removesuffix(_BOUNDARY + b"--\r\n")
    if len(sealed) == len(body) - part.end():
        raise NotSealed("its last boundary is missing")
    size = struct.unpack_from("<I", sealed)[0] if len(sealed) >= 4 else len(sealed)
    if size != 16:
        raise NotSealed(f"its signature has {size} bytes; expected 16")
    try:
        message = context.unwrap_winrm(sealed[4 : 4 + size], sealed[4 + size :])
    except SpnegoError as error:
        raise NotSealed(str(error)) from error
    if len(message) != int(part[1]):
        raise NotSealed(f"it has {len(message)} bytes; its Length says {int(part[1])}")
    return message


def seal(context: "ContextProxy", envelope: bytes) -> bytes:
    """Return the body that carries an envelope to the client of this context."""
    sealed = context.wrap_winrm(envelope)
    return b"".join(
        [
            _BOUNDARY + b"\r\n",
            f"\tContent-Type: {PROTOCOL}\r\n".encode(),
            f"\tOriginalContent: type=application/soap+xml;charset=UTF-8;Length={len(envelope)}\r\n".encode(),
            _BOUNDARY + b"\r\n",
            b"\tContent-Type: application/octet-stream\r\n",
            struct.pack("<I", len(sealed.header)) + sealed.header + sealed.data,
            _BOUNDARY + b"--\r\n",
        ]
    )
