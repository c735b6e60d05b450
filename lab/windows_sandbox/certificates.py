# SPDX-License-Identifier: Apache-2.0
r"""WinRM's client-certificate mapping (WSMan:\localhost\ClientCertificate): which certificate logs on which
user.

Windows maps a certificate by the UPN in its subject alternative name and by who issued it (documented:
Certificate mapping in WinRM). Here the certificates are self-signed, so the issuer's thumbprint is the
certificate's own.
"""

import hashlib
import json
import logging
import os
import ssl
import threading
from pathlib import Path

from lab.winrm_server import tls

LOG = logging.getLogger(__name__)

# DER of the object identifier 1.3.6.1.4.1.311.20.2.3, the UPN in a subject alternative name.
_UPN = bytes.fromhex("060a2b060104018237140203")


def thumbprint(der: bytes) -> str:
    """Return a certificate's thumbprint as Windows shows it."""
    return hashlib.sha1(der, usedforsecurity=False).hexdigest().upper()


def upn(der: bytes) -> str | None:
    """Return the user principal name in a certificate, or None; names longer than 125 bytes are not looked
    for.
    """
    at = der.find(_UPN)
    # [0] EXPLICIT, its length, UTF8String, its length, the text.
    if at < 0 or len(der) < at + 16 or der[at + 12] != 0xA0 or der[at + 14] != 0x0C or der[at + 15] > 125:
        return None
    start = at + 16
    return der[start : start + der[at + 15]].decode()


class ClientCertificates:
    """The mapping of one host.

    :param path: the file it is kept in
    """

    def __init__(self, path: Path):
        self._path = path
        self._lock = threading.Lock()
        self._context: ssl.SSLContext | None = None
        self._mapped: dict[str, dict[str, str]] = json.loads(path.read_text()) if path.exists() else {}

    def trust_in(self, context: ssl.SSLContext) -> None:
        """Have a TLS context accept what is mapped, now and later."""
        self._context = context
        for entry in self._mapped.values():
            tls.trust(context, entry["certificate"])

    def add(self, certificate: str, user: str | None = None) -> str:
        """Map a certificate (PEM), to the user before the @ of its UPN unless one is given; return its
        thumbprint.

        :raises ValueError: if it has no UPN, which Windows could not map
        """
        der = ssl.PEM_cert_to_DER_cert(certificate)
        name = upn(der)
        if name is None:
            raise ValueError(
                f"client certificate {thumbprint(der)} has no UPN (otherName 1.3.6.1.4.1.311.20.2.3) in its"
                " subject alternative name: Windows cannot map it to a user"
            )
        with self._lock:
            self._mapped[thumbprint(der)] = {
                "subject": name,
                "user": user or name.partition("@")[0],
                "certificate": certificate,
            }
            self._save()
        if self._context:
            tls.trust(self._context, certificate)
        return thumbprint(der)

    def remove(self, number: str) -> bool:
        """Remove a certificate by its thumbprint; say whether it was mapped."""
        with self._lock:
            known = self._mapped.pop(number.upper(), None)
            self._save()
        return known is not None

    def user_of(self, der: bytes) -> str | None:
        return self.user(thumbprint(der))

    def user(self, number: str) -> str | None:
        """Return the user that the certificate of this thumbprint logs on, or None."""
        with self._lock:
            entry = self._mapped.get(number)
        return entry["user"] if entry else None

    def _save(self) -> None:
        new = self._path.with_suffix(".new")
        new.write_text(json.dumps(self._mapped, indent=1))
        os.replace(new, self._path)
