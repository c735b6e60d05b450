# SPDX-License-Identifier: Apache-2.0
"""Nodepool's launcher, which makes a node for each request of Zuul's."""

import sys
from pathlib import Path

import jinja2
import requests
import yaml

from lab.commands import installer_environment
from lab.home import CHECKOUT, Home
from lab.services import zookeeper
from lab.services.daemon import Daemon
from lab.services.keys import Authority, write_secret, write_ssh_key, write_winrm_certificate

ADDRESS, PORT = "127.0.0.1", 8005
# Two runs side by side are what two cores and 8 GiB hold; each takes a controller and a Windows node, and a
# nightly one has two of these.
MAX_SERVERS = 5


def daemon(home: Home) -> Daemon:
    """Return the launcher's daemon."""
    return Daemon(home, "nodepool-launcher")


def make_node_keys(folder: Path) -> None:
    """Make what opens every node (node for SSH, winrm), and what Windows nodes trust (windows)."""
    write_ssh_key(folder / "node", "zuul")
    write_winrm_certificate(folder / "winrm", "zuul")
    windows = folder / "windows"
    Authority.new("hyperv-ci Windows nodes").issue("server", windows, ADDRESS)
    (windows / "authorized").mkdir()
    write_secret(windows / "authorized/zuul.pem", (folder / "winrm/winrm.pem").read_bytes())


def lab_settings(home: Home, keys: Path) -> dict[str, object]:
    """Return what the template of the lab's provider wants to know.

    :param keys: the folder of make_node_keys
    """
    return {
        "nodepool_lab_nodes": home.nodes,
        "nodepool_lab_logs": home.logs / "nodes",
        "nodepool_lab_python": sys.executable,
        "nodepool_lab_checkout": CHECKOUT,
        "nodepool_lab_max_servers": MAX_SERVERS,
        "nodepool_lab_images": home.images,
        "nodepool_lab_networks": home.networks,
        "nodepool_lab_windows_tls": keys / "windows",
        "nodepool_lab_authorized_key": keys / "node.pub",
    }


def labels(home: Home, keys: Path) -> dict[str, dict]:
    """Return the lab's labels by name, as its provider has them.

    :param keys: folder of what opens the nodes, from make_node_keys
    """
    (provider,) = yaml.safe_load(_render("providers/lab.yaml.j2", lab_settings(home, keys)))
    return {label["name"]: label for label in provider["pools"][0]["labels"]}


def connection(label: dict, address: str, keys: Path) -> dict[str, str | int]:
    """Return how Ansible reaches a node, as variables of a host.

    :param label: one of `labels`
    :param keys: folder of what opens the node, from make_node_keys
    """
    host = {
        "ansible_host": address,
        "ansible_port": label["connection-port"],
        "ansible_user": label["username"],
    }
    if label["connection-type"] == "winrm":
        return host | {
            "ansible_connection": "winrm",
            "ansible_winrm_transport": "certificate",
            "ansible_winrm_cert_pem": str(keys / "winrm/winrm.pem"),
            "ansible_winrm_cert_key_pem": str(keys / "winrm/winrm.key"),
            "ansible_winrm_server_cert_validation": "ignore",
        }
    return host | {
        "ansible_python_interpreter": label["python-path"],
        "ansible_ssh_private_key_file": str(keys / "node"),
        "ansible_ssh_common_args": "-o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null",
    }


def configure(home: Home) -> None:
    """Write nodepool.yaml from the template that every site uses."""
    settings = {
        "nodepool_zookeeper_host": zookeeper.ADDRESS,
        "nodepool_zookeeper_port": zookeeper.PORT,
        "nodepool_zookeeper_tls_cert": home.tls / "client.pem",
        "nodepool_zookeeper_tls_key": home.tls / "client.key",
        "nodepool_zookeeper_tls_ca": home.tls / "ca.pem",
        "nodepool_webapp_address": ADDRESS,
        "nodepool_webapp_port": PORT,
        "nodepool_providers": ["lab"],
        **lab_settings(home, home.keys),
    }
    home.nodepool.mkdir(mode=0o700)
    write_secret(home.nodepool / "nodepool.yaml", _render("nodepool.yaml.j2", settings))


def _render(template: str, settings: dict[str, object]) -> str:
    """Return a file of the folder nodepool/ with its settings filled in."""
    templates = jinja2.Environment(
        loader=jinja2.FileSystemLoader(CHECKOUT / "nodepool"),
        undefined=jinja2.StrictUndefined,
        keep_trailing_newline=True,
    )
    return templates.get_template(template).render(settings)


def start(home: Home) -> None:
    """Start the launcher. Its nodes install packages, so it hands on what package installers read."""
    daemon(home).start(
        [
            home.venv("nodepool"),
            CHECKOUT / "nodepool/launcher.py",
            "-f",
            "-c",
            home.nodepool / "nodepool.yaml",
        ],
        installer_environment(),
    )


def wait(home: Home) -> None:
    """Wait until the launcher's web application answers."""

    def answers() -> bool:
        try:
            return requests.get(f"http://{ADDRESS}:{PORT}/ready", timeout=5).ok
        except requests.ConnectionError:
            return False

    daemon(home).wait(answers, 60)
