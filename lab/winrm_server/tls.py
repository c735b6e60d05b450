# SPDX-License-Identifier: Apache-2.0
"""TLS as WinRM's HTTPS listener wants it: users of certificates and of passwords share one port."""

import hashlib
import ssl
from pathlib import Path

from cryptography import x509


class ServerContext(ssl.SSLContext):
    """A context that knows which certificate it presents: `end_point` is what a client binds a logon to."""

    end_point: bytes


def server_context(certificate: Path, key: Path) -> ServerContext:
    """Return a context that presents this certificate (PEM); clients may show a trusted one, or none."""
    context = ServerContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    context.verify_mode = ssl.CERT_OPTIONAL
    # An authorized certificate is trusted by itself, whoever signed it.
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    context.end_point = end_point(certificate.read_bytes())
    return context


def end_point(certificate: bytes) -> bytes:
    """Return the channel binding tls-server-end-point of a certificate in PEM (RFC 5929)."""
    parsed = x509.load_pem_x509_certificate(certificate)
    algorithm = parsed.signature_hash_algorithm
    name = "sha256" if algorithm is None or algorithm.name in ("md5", "sha1") else algorithm.name
    digest = hashlib.new(name, ssl.PEM_cert_to_DER_cert(certificate.decode()))
    return b"tls-server-end-point:" + digest.digest()


def trust(context: ssl.SSLContext, certificate: str) -> None:
    """Accept this client certificate (PEM text) in every later handshake; the host still maps it to a user.

    OpenSSL cannot forget one: a certificate that is no longer mapped gets 401 instead of a failed handshake.
    """
    context.load_verify_locations(cadata=certificate)
