# SPDX-License-Identifier: Apache-2.0
"""What a script that win_powershell runs knows as $Ansible."""

from dataclasses import dataclass, field
from typing import Any


@dataclass
class AnsibleVariable:
    """As documented for ansible.windows.win_powershell."""

    check_mode: bool = False
    changed: bool = True
    failed: bool = False
    result: Any = field(default_factory=dict)


class ScriptFailed(Exception):
    """A terminating error of the script."""
