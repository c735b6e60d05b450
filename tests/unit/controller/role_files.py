# SPDX-License-Identifier: Apache-2.0
"""Loads the programs that roles bring to a node, which are no packages."""

import importlib.util
from pathlib import Path

ROLES = Path(__file__).parents[3] / "roles"


def load(role, file):
    """Return a role's program as a module."""
    path = ROLES / role / "files" / file
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
