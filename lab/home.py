# SPDX-License-Identifier: Apache-2.0
"""Where the lab keeps its files: every path that more than one module needs."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from lab.errors import LabError

CHECKOUT = Path(__file__).resolve().parent.parent

# A Unix socket's path holds 107 bytes (sun_path of unix(7)); the longest below the home needs 43 of them.
LONGEST_HOME = 60


@dataclass(frozen=True)
class Home:
    """The lab's folder.

    What is installed survives `lab down`; `state` belongs to the lab that runs, and of it only what users
    made (changes, builds, log pages) survives.
    """

    root: Path

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> "Home":
        """Return the folder that HYPERV_CI_HOME names, or the one in the user's cache.

        :raises LabError: if the path is relative, or too long for the Unix sockets in it
        """
        cache = environment.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
        root = Path(environment.get("HYPERV_CI_HOME") or f"{cache}/hyperv-ci")
        if not root.is_absolute():
            raise LabError(f"HYPERV_CI_HOME is {root}: expected an absolute path")
        if len(os.fsencode(root)) > LONGEST_HOME:
            raise LabError(
                f"the lab's folder {root} is too long for Unix sockets: at most {LONGEST_HOME} bytes"
            )
        return cls(root)

    # Installed; survives `lab down`.
    venvs = cached_property(lambda self: self.root / "venvs")
    ansible = cached_property(lambda self: self.root / "ansible")
    gerrit = cached_property(lambda self: self.root / "gerrit")
    images = cached_property(lambda self: self.root / "images")
    cache = cached_property(lambda self: self.root / "cache")
    install_logs = cached_property(lambda self: self.root / "install-logs")

    # The running lab.
    lock = cached_property(lambda self: self.root / "lock")
    state = cached_property(lambda self: self.root / "state")
    pids = cached_property(lambda self: self.state / "pids")
    logs = cached_property(lambda self: self.state / "logs")
    # tls: ZooKeeper's. keys: what opens nodes (SSH, client certificate). accounts: Gerrit's users.
    tls = cached_property(lambda self: self.state / "tls")
    keys = cached_property(lambda self: self.state / "keys")
    accounts = cached_property(lambda self: self.state / "accounts")
    gerrit_site = cached_property(lambda self: self.state / "gerrit")
    zookeeper = cached_property(lambda self: self.state / "zookeeper")
    database = cached_property(lambda self: self.state / "database")
    zuul = cached_property(lambda self: self.state / "zuul")
    nodepool = cached_property(lambda self: self.state / "nodepool")
    nodes = cached_property(lambda self: self.state / "nodes")
    # What Windows hosts of one request share, a folder each.
    networks = cached_property(lambda self: self.state / "networks")
    pairs = cached_property(lambda self: self.state / "pairs")
    site = cached_property(lambda self: self.state / "site")
    mails = cached_property(lambda self: self.state / "mails")
    # Written when every service answers, removed when the first one is stopped.
    up = cached_property(lambda self: self.state / "up")

    def venv(self, name: str, program: str = "python") -> Path:
        """Return the path of a program of the virtual environment `name`."""
        return self.venvs / name / "bin" / program
