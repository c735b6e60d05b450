# SPDX-License-Identifier: Apache-2.0
"""The nodes of a job outside of Nodepool, and its playbooks run on them outside of Zuul.

Below their folder: ``keys`` (what opens the nodes), ``controller`` and ``hyperv`` (the nodes), ``sources``
(a bare repository of each project), ``work`` and ``logs`` (of the playbooks), ``inventory.yaml``.
"""

import json
import shutil
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping
from pathlib import Path

import yaml

from lab import nodes
from lab.commands import git
from lab.errors import LabError
from lab.home import CHECKOUT, Home
from lab.jobs import Job
from lab.projects import IDENTITY
from lab.services import nodepool, zuul
from lab.services.daemon import base_environment, last_words
from lab.services.keys import write_ssh_key

PLAYBOOKS = Path("playbooks/hyperv-tempest")
# Networks beside those that Nodepool makes nodes in; the nodes of two pairs do not meet.
NETWORKS = {
    "try": {"controller": "127.0.4.0/24", "hyperv-2022": "127.0.5.0/24"},
    "again": {"controller": "127.0.6.0/24", "hyperv-2022": "127.0.7.0/24"},
}
START_TIMEOUT = 60


class Pair:
    """
    :param home: the lab's folder
    :param name: one of NETWORKS
    """

    def __init__(self, home: Home, name: str):
        self._home = home
        self._networks = NETWORKS[name]
        self.root = home.pairs / name
        self.inventory = self.root / "inventory.yaml"
        self.logs = self.root / "logs"
        self._nodes = nodes.Nodes(self.root)

    @property
    def is_up(self) -> bool:
        """Say whether all nodes run."""
        made = self._nodes.list()
        return bool(made) and all(node.is_alive() for node in made)

    def source(self, project: str) -> Path:
        """Return the bare repository whose HEAD the playbooks take a project from."""
        return self.root / "sources" / project.rpartition("/")[2]

    def create(self, job: Job) -> None:
        """Make a job's nodes, and the inventory that tells Ansible of them.

        :raises LabError: if a node does not start
        """
        self.logs.mkdir(parents=True, mode=0o700)
        nodepool.make_node_keys(self.root / "keys")
        labels = nodepool.labels(self._home, self.root / "keys")
        made = {name: self._create_node(name, labels[label]) for name, label in job.nodes.items()}
        for node in made.values():
            self._await(node)
        hosts = {name: self._host(labels[job.nodes[name]], node) for name, node in made.items()}
        groups = {name: {"hosts": dict.fromkeys(names, {})} for name, names in job.groups.items()}
        text = yaml.safe_dump({"all": {"hosts": hosts, "children": groups}}, sort_keys=False)
        self.inventory.write_text(text, encoding="utf-8")

    def end(self) -> None:
        """End the nodes; logs and sources stay."""
        self._nodes.delete_all()

    def clear(self) -> None:
        """End the nodes and remove all that was made for them."""
        if self.root.exists():
            self.end()
            shutil.rmtree(self.root)
        self.root.mkdir(parents=True, mode=0o700)

    def play(self, playbook: str, variables: Mapping, *arguments: str, checkout: Path = CHECKOUT) -> bool:
        """Run one of the job's playbooks, which says itself what it does; return whether it succeeded."""
        program = self._home.ansible / "11/bin/ansible-playbook"
        environment = base_environment() | {
            "LC_ALL": "C.UTF-8",
            "ANSIBLE_CONFIG": str(checkout / "ansible.cfg"),
            "ANSIBLE_CALLBACK_RESULT_FORMAT": "yaml",
            "ANSIBLE_DISPLAY_OK_HOSTS": "false",
            "ANSIBLE_DISPLAY_SKIPPED_HOSTS": "false",
            "ANSIBLE_LOCALHOST_WARNING": "false",
        }
        path = checkout / PLAYBOOKS / playbook
        command = [program, "--inventory", self.inventory, "--extra-vars", json.dumps(dict(variables))]
        return not subprocess.run([*command, *arguments, path], env=environment, cwd=checkout).returncode

    def chosen(self, expressions: Iterable[str]) -> dict[str, str]:
        """Return variables that have the role tempest run all tests that match, and expect no others."""
        files = {"tempest_selection": expressions, "tempest_exclusions": (), "tempest_expected": ()}
        for name, lines in files.items():
            (self.root / name).write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
        return {name: str(self.root / name) for name in files}

    def make_source(self, project: str) -> Path:
        """Make the bare repository of a project unless it is there, and return it."""
        source = self.source(project)
        if not source.exists():
            source.mkdir(parents=True)
            git(source, "init", "--quiet", "--bare")
        return source

    def take(self, project: str, repository: Path, revision: str) -> None:
        """Make a revision of a repository what the playbooks take for a project."""
        source = self.make_source(project)
        objects = git(repository, "rev-parse", "--path-format=absolute", "--git-path", "objects").strip()
        alternates = source / "objects/info/alternates"
        alternates.write_text(f"{objects}\n", encoding="utf-8")
        commit = git(repository, "rev-parse", "--verify", "--quiet", f"{revision}^{{commit}}").strip()
        git(source, "update-ref", "--no-deref", "HEAD", commit)

    def take_working_tree(self) -> None:
        """Make this checkout as it is, with what is not committed, what the playbooks take for hyperv-ci."""
        self.take("hyperv-ci", CHECKOUT, "HEAD")
        source = self.source("hyperv-ci")
        # An index and objects of the pair's own: the checkout's stay as they are.
        beside = {"GIT_INDEX_FILE": str(source / "index"), "GIT_WORK_TREE": str(CHECKOUT)}
        git(source, "read-tree", "HEAD", environment=beside)
        git(source, "add", "--all", environment=beside)
        tree = git(source, "write-tree", environment=beside).strip()
        commit = git(source, "commit-tree", tree, "-m", f"Working tree of {CHECKOUT}", environment=IDENTITY)
        git(source, "update-ref", "--no-deref", "HEAD", commit.strip())

    def _create_node(self, name: str, label: dict) -> nodes.Node:
        def command(folder: Path, address: str) -> list[str]:
            words = nodes.command_line(
                sys.executable,
                label["module"],
                folder,
                address,
                port,
                label["hostname"],
                label["options"],
                self.root.name,
            )
            if label["connection-type"] == "ssh":
                write_ssh_key(folder / "ssh_host_key", "")
                words += ["--host-key", str(folder / "ssh_host_key")]
            return words

        port = label["connection-port"]
        network, log = self._networks[label["name"]], self.logs / f"{name}-node.log"
        return self._nodes.create(name, network, port, command, log, {}, CHECKOUT)

    def _await(self, node: nodes.Node) -> None:
        log = self.logs / f"{node.name}-node.log"
        deadline = time.monotonic() + START_TIMEOUT
        while not node.is_ready():
            if not node.is_alive() or time.monotonic() > deadline:
                raise LabError(f"the node {node.name} did not start: {last_words(log)}", log)
            time.sleep(0.1)

    def _host(self, label: dict, node: nodes.Node) -> dict:
        """Return a node's variables: how Ansible reaches it, and what Zuul would have said of the build."""
        keys = self.root / "keys"
        return nodepool.connection(label, node.address, keys) | {
            "nova_source": str(self.source("openstack/nova")),
            "hyperv_ci_source": str(self.source("hyperv-ci")),
            "run_work": str(self.root / "work"),
            "run_logs": str(self.logs),
            "winrm_certificate": str(keys / "winrm/winrm.pem"),
            "winrm_certificate_key": str(keys / "winrm/winrm.key"),
            "wheelhouse_platform": zuul.wheelhouse_platform(),
            "volume_backend": zuul.VOLUME_BACKEND,
        }


def end_all(home: Home) -> list[str]:
    """End the nodes of every pair and return their names; the folders go with the lab's state."""
    return [f"{name} {node}" for name in NETWORKS for node in nodes.Nodes(home.pairs / name).delete_all()]
