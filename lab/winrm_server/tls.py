# SPDX-License-Identifier: Apache-2.0
"""TLS as WinRM's HTTPS listener wants it: certificate users and Basic users share one port."""

import ssl
from pathlib import Path


def server_context(certificate: Path, key: Path) -> ssl.SSLContext:
    """Return a context that presents this certificate (PEM); clients may show a trusted one, or none."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    context.verify_mode = ssl.CERT_OPTIONAL
    # An authorized certificate is trusted by itself, whoever signed it.
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    return context


def trust(context: ssl.SSLContext, certificate: str) -> None:
    """Accept this client certificate (PEM text) in every later handshake; the host still maps it to a user.

    OpenSSL cannot forget one: a certificate that is no longer mapped gets 401 instead of a failed handshake.
    """
    context.load_verify_locations(cadata=certificate)
