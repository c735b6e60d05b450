# SPDX-License-Identifier: Apache-2.0
"""PowerShell scripts that have a counterpart here, bound to their text by its SHA-256.

A role may ship a script where no module does the job. Its counterpart must be read anew whenever the script
changes: that is what the hash is for. A script with no counterpart is refused.
"""

import hashlib
from collections.abc import Callable
from typing import Any

from lab.windows_sandbox.scripts import client_certificates, event_logs, hyperv_inventory, live_migration
from lab.windows_sandbox.scripts.ansible_variable import AnsibleVariable
from lab.windows_sandbox.session import Session

Counterpart = Callable[..., list[Any]]

# A counterpart takes the session, what the script knows as $Ansible, and the script's parameters by name; it
# returns the script's output. tests/unit/windows_sandbox/test_scripts.py says which file each hash is of.
SCRIPTS: dict[str, Counterpart] = {
    "0cd5788995855a37eee806b1ae5439b09a594e9b6dc7567afc419a705daaca03": client_certificates.map_certificate,
    "a8d718da12cc0160845aef76656d811d57ecec9b23b098fc8a9219bf8131bb4b": event_logs.export,
    "5b11f5f38b30f44f9e7e9bcf6712cd5c54ce8b038656f3e759e4fb961259fd76": hyperv_inventory.inventory,
    "a7f08bb2360b64677ec0998f98772130fa029b1a622fd57efc073b5819149bcb": live_migration.allow,
}


class ScriptRefused(Exception):
    """There is no counterpart of a script, or it does not take these parameters."""


def digest(script: str) -> str:
    """Return a script's SHA-256; neither line ends nor blank lines around it matter to PowerShell."""
    return hashlib.sha256(script.removeprefix("\ufeff").replace("\r\n", "\n").strip().encode()).hexdigest()


def run(session: Session, ansible: AnsibleVariable, script: str, parameters: dict[str, Any]) -> list[Any]:
    """Run a script's counterpart and return its output; ScriptRefused if there is none."""
    number = digest(script)
    if number not in SCRIPTS:
        first = next((line.strip() for line in script.splitlines() if line.strip().lstrip("#")), "nothing")
        raise ScriptRefused(
            "the simulated host runs no PowerShell and has no counterpart (lab/windows_sandbox/scripts) of"
            f" the script with SHA-256 {number}, which begins: {first[:120]}"
        )
    return SCRIPTS[number](session, ansible, **{name.lower(): value for name, value in parameters.items()})
