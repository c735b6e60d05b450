# SPDX-License-Identifier: Apache-2.0
"""Who is at the other end of a connection: client certificate, Basic, NTLM (as such, and as Negotiate).

As a Windows Server that was set up for Ansible: Basic over HTTPS only, and no unencrypted message over HTTP
(documented: winrm/config, AllowUnencrypted). NTLM authenticates the connection, not the request.
"""

import base64
import logging
import os
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from lab.winrm_server.host import Host

if TYPE_CHECKING:
    import spnego

LOG = logging.getLogger(__name__)

CERTIFICATE_PROFILE = "http://schemas.dmtf.org/wbem/wsman/1/wsman/secprofile/https/mutual"

# How MsvAvChannelBindings begins, 16 bytes of AvId 10 (MS-NLMP 2.2.2.1).
_BINDING = bytes.fromhex("0a001000")

_passwords_lock = threading.Lock()


class Connection:
    """The authentication of one connection.

    :param certificate: the client's, in DER, that TLS has verified
    :param end_point: the channel binding of the server's certificate; None over plain HTTP
    """

    def __init__(self, host: Host, certificate: bytes | None = None, end_point: bytes | None = None):
        self._host, self._certificate, self._end_point = host, certificate, end_point
        self._logged_on: str | None = None
        self._context: spnego.ContextProxy | None = None
        self._scheme, self._token = "", None

    @property
    def sealing(self) -> "spnego.ContextProxy | None":
        """What seals and unseals the messages of this connection, once NTLM has logged on its user."""
        return self._context if self._logged_on else None

    def user(self, credentials: str) -> str | None:
        """Return the user of a request with this Authorization header, or None when it proves no one."""
        self._token = None
        if not credentials:
            return self._logged_on
        self._logged_on = None
        if credentials == CERTIFICATE_PROFILE:
            return self._host.user_of_certificate(self._certificate) if self._certificate else None
        scheme, _, token = credentials.partition(" ")
        try:
            decoded = base64.b64decode(token, validate=True)
        except ValueError:
            return None
        match scheme.lower():
            case "basic" if self._end_point:
                return self._of_password(decoded)
            case "negotiate" | "ntlm":
                self._logged_on = self._of_token(scheme.lower(), decoded)
                return self._logged_on
        return None

    def challenges(self, user: str | None) -> list[str]:
        """Return the WWW-Authenticate headers of an answer: the handshake's next token, or, for no user, what
        there is to choose."""
        if self._token:
            return [f"{self._scheme} {base64.b64encode(self._token).decode()}"]
        if user:
            return []
        return ["Negotiate", "NTLM", *(['Basic realm="WSMAN"'] if self._end_point else [])]

    def _of_password(self, pair: bytes) -> str | None:
        try:
            name, _, password = pair.decode().partition(":")
        except UnicodeDecodeError:
            return None
        return self._host.user_of_password(name, password)

    def _of_token(self, scheme: str, token: bytes) -> str | None:
        """Take the client's next token; return its user when it was the last one and is right."""
        # A quarter of a host's start, for what most hosts are never asked.
        import spnego
        from spnego.channel_bindings import GssChannelBindings
        from spnego.exceptions import SpnegoError

        try:
            with _passwords(self._host.password_file):
                if self._context is None or self._context.complete or scheme != self._scheme.lower():
                    self._context = spnego.server(protocol=scheme)
                    self._scheme = {"ntlm": "NTLM", "negotiate": "Negotiate"}[scheme]
                # Documented: CbtHardeningLevel Relaxed, the default, lets in a client that sends no binding.
                is_bound = self._end_point is not None and _BINDING in token
                bindings = GssChannelBindings(application_data=self._end_point) if is_bound else None
                self._token = self._context.step(token, channel_bindings=bindings)
        except (SpnegoError, ValueError, struct.error, IndexError, KeyError) as error:
            # What pyspnego makes of no tokens, unknown users, wrong answers and bindings.
            LOG.info("a logon by %s is refused: %s", scheme, error)
            self._context = None
            return None
        return self._host.user_named(self._context.client_principal) if self._context.complete else None


@contextmanager
def _passwords(path: Path) -> Iterator[None]:
    """Have pyspnego look up passwords in a file; it takes the path from the environment only.

    The variable stays: threads that read the whole environment would stumble over one that goes.
    """
    with _passwords_lock:
        os.environ["NTLM_USER_FILE"] = str(path)
        yield
