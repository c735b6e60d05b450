# SPDX-License-Identifier: Apache-2.0
"""Nodes of a failed build that are kept for inspection: Zuul's autohold, and how to log in.

https://zuul-ci.org/docs/zuul/latest/client.html (autohold)
"""

from dataclasses import dataclass
from pathlib import Path

import requests
import yaml

from lab.changes import Change
from lab.home import Home
from lab.services import nodepool, zuul

# The names that the jobs' nodesets give to nodes of these labels.
NODE_NAMES = {"controller": "controller", "hyperv-2022": "hyperv"}
# Seconds after which Nodepool deletes a node that nobody released.
LONGEST = 24 * 3600


@dataclass(frozen=True)
class Node:
    """A held node.

    :ivar id: Nodepool's number of it
    :ivar reason: what was said when the hold was asked for
    """

    id: str
    label: str
    address: str
    reason: str

    @property
    def host(self) -> str:
        """Return its name in the inventory: as in the jobs' nodesets, with Nodepool's number behind."""
        return f"{NODE_NAMES[self.label]}-{int(self.id)}"


def request(home: Home, change: Change, job: str) -> None:
    """Have the nodes of the next build of a change's job kept, if it fails."""
    body = {
        "change": str(change.number),
        "ref": None,
        "job": job,
        "count": 1,
        "reason": f"{job} of change {change.number}",
        "node_hold_expiration": LONGEST,
    }
    zuul.administer(home, "post", f"project/{change.project}/autohold", json=body)


def held() -> list[Node]:
    """Return the nodes that are held, in the order of their making.

    :raises requests.RequestException: if Nodepool's launcher does not answer
    """
    url = f"http://{nodepool.ADDRESS}:{nodepool.PORT}/node-list"
    answer = requests.get(url, headers={"Accept": "application/json"}, timeout=10)
    answer.raise_for_status()
    return [
        Node(node["id"], node["label"][0], node["public_ipv4"], node["comment"])
        for node in sorted(answer.json(), key=lambda node: node["id"])
        if node["state"] == "hold"
    ]


def inventory(home: Home, nodes: list[Node]) -> Path:
    """Write an inventory of held nodes and return it."""
    labels = nodepool.labels(home, home.keys)
    hosts = {node.host: nodepool.connection(labels[node.label], node.address, home.keys) for node in nodes}
    path = home.state / "held.yaml"
    path.write_text(yaml.safe_dump({"all": {"hosts": hosts}}, sort_keys=False), encoding="utf-8")
    return path


def login(home: Home, node: Node) -> str:
    """Return the command that logs in to a node over SSH, or that runs one on it over WinRM."""
    label = nodepool.labels(home, home.keys)[node.label]
    if label["connection-type"] == "ssh":
        host = nodepool.connection(label, node.address, home.keys)
        key, options = host["ansible_ssh_private_key_file"], host["ansible_ssh_common_args"]
        return f"ssh -i {key} {options} -p {host['ansible_port']} {label['username']}@{node.address}"
    ansible = f"{home.ansible}/11/bin/ansible -i {home.state}/held.yaml"
    return f"{ansible} {node.host} -m ansible.windows.win_command -a 'cmd /c dir C:\\OpenStack\\log'"


def release(home: Home) -> int:
    """Have Nodepool delete every held node, drop every request for a hold, and return how many there were."""
    requested = zuul.administer(home, "get", "autohold").json()
    for one in requested:
        zuul.administer(home, "delete", f"autohold/{one['id']}")
    return len(requested)
