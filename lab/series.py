# SPDX-License-Identifier: Apache-2.0
"""A series of commits, pushed one by one, each on top of the one before."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

from lab import projects
from lab.commands import git
from lab.errors import LabError
from lab.home import Home
from lab.services import accounts


def patches(home: Home, path: Path, branch: str | None) -> Iterator[Path]:
    """Yield what a branch of a repository or bundle has beyond openstack/nova's master, one patch per commit.

    :raises LabError: if master is not in the branch, or is all of it
    """
    base = projects.head(home, accounts.NOVA)
    with projects.opened(path, branch) as (repository, revision), tempfile.TemporaryDirectory() as folder:
        if base is None or not projects.is_ancestor(repository, base, revision):
            raise LabError(
                f"{revision} of {path} does not stand on {accounts.NOVA}'s master, {str(base)[:12]}: "
                "`lab import` its base first"
            )
        git(repository, "format-patch", "--quiet", "--output-directory", folder, f"{base}..{revision}")
        found = sorted(Path(folder).iterdir())
        if not found:
            raise LabError(f"{revision} of {path} has no commit beyond {accounts.NOVA}'s master")
        yield from found
