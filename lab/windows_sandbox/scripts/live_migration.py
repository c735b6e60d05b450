# SPDX-License-Identifier: Apache-2.0
"""Counterpart of roles/hyperv-migration/files/allow-migration.ps1."""

from typing import Any

from lab.hyperv_model import migration
from lab.windows_sandbox.scripts.ansible_variable import AnsibleVariable
from lab.windows_sandbox.session import Session


def allow(session: Session, ansible: AnsibleVariable) -> list[Any]:
    """Allow live migration over any network, authenticated with Kerberos."""
    model = session.host.model
    with model.lock:
        ansible.changed = migration.allow(model)
    return []
