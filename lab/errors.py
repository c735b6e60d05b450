# SPDX-License-Identifier: Apache-2.0
"""What the lab says when it cannot go on."""

from pathlib import Path


class LabError(Exception):
    """One line for the user: the thing at fault, what was found, what was expected.

    :param message: that line
    :param log: the file that says more, if there is one
    """

    def __init__(self, message: str, log: Path | None = None):
        super().__init__(message)
        self.log = log
        self.phase: str | None = None
