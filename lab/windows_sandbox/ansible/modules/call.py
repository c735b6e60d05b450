# SPDX-License-Identifier: Apache-2.0
"""What a module's counterpart gets and how it fails."""

from dataclasses import dataclass, field
from typing import Any

from lab.windows_sandbox.session import Session


class ModuleFailed(Exception):
    """The module fails with this message and these further fields in its result."""

    def __init__(self, message: str, **result: Any):
        super().__init__(message)
        self.result = result


@dataclass
class ModuleCall:
    """One run of a module: `parameters` holds every one that its release documents, None where neither task
    nor default gives a value. `version` is that of the collection which has it so.
    """

    session: Session
    parameters: dict[str, Any]
    check_mode: bool = False
    warnings: list[str] = field(default_factory=list)
    # What was and what will be, for a task that asks (--diff).
    diff: dict[str, Any] = field(default_factory=dict)
    version: tuple[int, ...] = ()

    def __getitem__(self, name: str) -> Any:
        return self.parameters[name]

    def warn(self, text: str) -> None:
        self.warnings.append(text)
