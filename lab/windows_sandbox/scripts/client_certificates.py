# SPDX-License-Identifier: Apache-2.0
"""Counterpart of trusted/roles/authorize-build/files/map-certificate.ps1."""

import base64
import ssl
from typing import Any

from lab.windows_sandbox.certificates import thumbprint, upn
from lab.windows_sandbox.scripts.ansible_variable import AnsibleVariable, ScriptFailed
from lab.windows_sandbox.session import Session


def map_certificate(
    session: Session, ansible: AnsibleVariable, *, username: str, certificate: str
) -> list[Any]:
    """Map a certificate (DER in base64) to a new administrator."""
    try:
        der = base64.b64decode(certificate, validate=True)
    except ValueError as error:
        raise ScriptFailed(f"the certificate is no base64: {error}") from error
    subject = upn(der)
    if subject != f"{username}@localhost":
        raise ScriptFailed(f"the certificate is for '{subject or ''}', not for '{username}@localhost'")
    if session.host.accounts.user(username):
        raise ScriptFailed(f"User {username} already exists.")
    session.host.authorize(ssl.DER_cert_to_PEM_cert(der), username)
    ansible.result = {"user": username, "subject": subject, "thumbprint": thumbprint(der)}
    return []
