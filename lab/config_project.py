# SPDX-License-Identifier: Apache-2.0
"""The config project: a commit's folder trusted/, the files of its zuul.d/ filled in with its settings.yaml.

At a site the role publish-config does the same.
"""

import tempfile
from pathlib import Path

import jinja2
import yaml

from lab.commands import git
from lab.home import CHECKOUT

SETTINGS = "settings.yaml"


def settings(folder: Path = CHECKOUT / "trusted") -> dict:
    """Return the settings of a folder trusted/: this checkout's, if no other is named."""
    return yaml.safe_load((folder / SETTINGS).read_text(encoding="utf-8"))


def filled_in(text: str, values: dict) -> str:
    """Return a file of zuul.d/ as Zuul is to read it."""
    templates = jinja2.Environment(undefined=jinja2.StrictUndefined, keep_trailing_newline=True)
    return templates.from_string(text).render(values)


def tree(repository: Path, commit: str) -> str:
    """Write the config project of a commit into a repository, as a tree; return its hash."""
    values = yaml.safe_load(git(repository, "show", f"{commit}:trusted/{SETTINGS}"))
    with tempfile.TemporaryDirectory(prefix="hyperv-ci-") as folder:
        index = {"GIT_INDEX_FILE": f"{folder}/index"}
        git(repository, "read-tree", f"{commit}:trusted", environment=index)
        for path in git(repository, "ls-files", "zuul.d", environment=index).splitlines():
            text = filled_in(git(repository, "show", f"{commit}:trusted/{path}"), values)
            blob = git(repository, "hash-object", "-w", "--stdin", stdin=text).strip()
            entry = f"100644,{blob},{path}"
            git(repository, "update-index", "--cacheinfo", entry, environment=index)
        return git(repository, "write-tree", environment=index).strip()
