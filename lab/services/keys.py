# SPDX-License-Identifier: Apache-2.0
"""Keys, certificates and passwords, made anew at each `lab up` and readable by their owner only."""

import datetime
import ipaddress
import os
import secrets
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID, ObjectIdentifier

# The lab is not meant to stay up for longer than this.
LIFETIME = datetime.timedelta(days=30)
# What Windows compares with the subject of a client-certificate mapping: otherName's "NT principal name",
# [MS-WCCE] 2.2.2.7.7.4.
PRINCIPAL_NAME = ObjectIdentifier("1.3.6.1.4.1.311.20.2.3")
PEM, NO_PASSWORD = serialization.Encoding.PEM, serialization.NoEncryption()


def password() -> str:
    """Return a new password of letters, digits, - and _."""
    return secrets.token_urlsafe(24)


def write_secret(path: Path, content: str | bytes) -> Path:
    """Write a file that nobody but its owner may read, from the first byte on; return its path."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with open(descriptor, "wb") as file:
        file.write(content.encode() if isinstance(content, str) else content)
    return path


def write_ssh_key(path: Path, comment: str) -> str:
    """Write an Ed25519 key in OpenSSH's form to `path`, the public one to `path`.pub; return the latter."""
    key = ed25519.Ed25519PrivateKey.generate()
    write_secret(path, key.private_bytes(PEM, serialization.PrivateFormat.OpenSSH, NO_PASSWORD))
    public = key.public_key().public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
    line = f"{public.decode()} {comment}"
    path.with_name(path.name + ".pub").write_text(line + "\n", encoding="ascii")
    return line


@dataclass(frozen=True)
class Authority:
    """A certificate authority whose key stays in memory: after `lab up` nobody can issue certificates."""

    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate

    @classmethod
    def new(cls, name: str) -> "Authority":
        """Return a new authority whose subject is `name`."""
        key = ec.generate_private_key(ec.SECP256R1())
        builder = _builder(name, name, key).add_extension(x509.BasicConstraints(ca=True, path_length=0), True)
        return cls(key, builder.sign(key, hashes.SHA256()))

    def write_certificate(self, path: Path) -> None:
        """Write the authority's own certificate, PEM."""
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        path.write_bytes(self.certificate.public_bytes(PEM))

    def issue(self, name: str, directory: Path, address: str) -> None:
        """Write NAME.pem, NAME.key and NAME-store.pem (both in one, for ZooKeeper) for a server or client."""
        key = ec.generate_private_key(ec.SECP256R1())
        builder = _builder(name, self.certificate.subject.rfc4514_string().removeprefix("CN="), key)
        builder = builder.add_extension(
            x509.SubjectAlternativeName(
                [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address(address))]
            ),
            False,
        )
        certificate = builder.sign(self.key, hashes.SHA256()).public_bytes(PEM)
        private = key.private_bytes(PEM, serialization.PrivateFormat.PKCS8, NO_PASSWORD)
        write_secret(directory / f"{name}.pem", certificate)
        write_secret(directory / f"{name}.key", private)
        write_secret(directory / f"{name}-store.pem", private + certificate)


def write_winrm_certificate(directory: Path, user: str) -> None:
    """Write winrm.pem and winrm.key, with which a client logs in to a Windows node as the local user `user`.

    Self-signed: a node trusts it by itself. RSA: Windows maps no other client certificates.
    """
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    name = f"{user}@localhost".encode()
    builder = _builder(user, user, key)
    builder = builder.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), False)
    # The value of otherName is DER: 0x0C is the tag of UTF8String.
    builder = builder.add_extension(
        x509.SubjectAlternativeName([x509.OtherName(PRINCIPAL_NAME, bytes([0x0C, len(name)]) + name)]), False
    )
    write_secret(directory / "winrm.pem", builder.sign(key, hashes.SHA256()).public_bytes(PEM))
    write_secret(
        directory / "winrm.key", key.private_bytes(PEM, serialization.PrivateFormat.PKCS8, NO_PASSWORD)
    )


def _builder(subject: str, issuer: str, key) -> x509.CertificateBuilder:
    def common_name(text: str) -> x509.Name:
        return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])

    # An hour early: the clock of a virtual machine may be set while the lab runs.
    start = datetime.datetime.now(datetime.UTC) - datetime.timedelta(hours=1)
    return (
        x509.CertificateBuilder()
        .subject_name(common_name(subject))
        .issuer_name(common_name(issuer))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(start + LIFETIME)
    )
