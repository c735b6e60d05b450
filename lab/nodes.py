# SPDX-License-Identifier: Apache-2.0
"""The lab's nodes: each one folder and one process, which outlives whoever started it.

A node's folder holds ``node.json`` (what is known of it) and whatever its process keeps there, among it the
file ``ready`` once the node answers. Nodepool's driver creates and deletes nodes; ``lab down`` deletes what
is left.
"""

import contextlib
import ipaddress
import json
import os
import shutil
import signal
import subprocess
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from lab.hyperv_model import neighbours

END_TIMEOUT = 20  # seconds that a node has to end after SIGTERM


class NodesError(Exception):
    """A node that cannot be made; the message is one line for the user."""


@dataclass(frozen=True)
class Node:
    """One node. ``pid`` and ``started`` (clock ticks since boot) name its process for good."""

    folder: Path
    address: str
    port: int
    pid: int
    started: int
    metadata: dict

    @property
    def name(self):
        return self.folder.name

    def is_ready(self):
        """Say whether the node answers."""
        return (self.folder / "ready").exists()

    def is_alive(self):
        """Say whether the node's process runs; one that ended is reaped if it is ours."""
        with contextlib.suppress(ChildProcessError):
            os.waitpid(self.pid, os.WNOHANG)
        return self.started is not None and _start_of_process(self.pid) == self.started

    def signal(self, number):
        """Send a signal to the node's process, if it still runs."""
        if self.is_alive():
            os.kill(self.pid, number)

    def remove(self):
        """Delete the folder of a node whose process has ended, and what it has in a folder of several."""
        drive = (self.folder / "C").resolve()
        # The node's user may have taken away permissions that removal needs.
        subprocess.run(
            ["chmod", "-R", "u+rwX", self.folder, *([drive] if drive.exists() else [])], check=True
        )
        if not drive.is_relative_to(self.folder.resolve()):
            neighbours.forget(drive)
        shutil.rmtree(self.folder)


class Nodes:
    """All nodes below one folder."""

    def __init__(self, folder):
        self._folder = Path(folder)

    def create(self, name, network, port, command, log, metadata, cwd):
        """Start a node at a free address of ``network`` (such as 127.0.2.0/24) and return it.

        ``command`` is a function that takes the node's folder and address and returns the command line;
        ``log`` is the file that its output is added to, ``cwd`` the folder that it starts in.
        """
        taken = {node.address for node in self.list()}
        addresses = (str(address) for address in ipaddress.ip_network(network).hosts())
        address = next((address for address in addresses if address not in taken), None)
        if address is None:
            raise NodesError(f"no address of {network} is free for {name}")
        folder = self._folder / name
        try:
            folder.mkdir(mode=0o700, parents=True)
        except FileExistsError:
            raise NodesError(f"node {name} already exists in {self._folder}") from None
        with contextlib.ExitStack() as on_failure:
            # A folder without node.json is no node, and would be in the way of another attempt.
            on_failure.callback(shutil.rmtree, folder)
            log.parent.mkdir(parents=True, exist_ok=True)
            with log.open("ab") as output:
                process = subprocess.Popen(
                    command(folder, address),
                    cwd=cwd,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                    start_new_session=True,
                )
            on_failure.pop_all()
        node = Node(folder, address, port, process.pid, _start_of_process(process.pid), metadata)
        text = json.dumps({key: value for key, value in asdict(node).items() if key != "folder"}, indent=2)
        (folder / "node.json.new").write_text(text)
        (folder / "node.json.new").rename(folder / "node.json")
        process.returncode = 0  # Node reaps it: Popen shall not warn of a child that is meant to outlive it
        return node

    def list(self):
        """Return every node, running or not."""
        return [self.get(path.parent.name) for path in sorted(self._folder.glob("*/node.json"))]

    def get(self, name):
        """Return the node of this name; KeyError if there is none."""
        folder = self._folder / name
        try:
            return Node(folder, **json.loads((folder / "node.json").read_text()))
        except FileNotFoundError:
            raise KeyError(name) from None

    def delete_all(self):
        """End and remove every node; return their names."""
        nodes = self.list()
        for node in nodes:
            node.signal(signal.SIGTERM)
        deadline = time.monotonic() + END_TIMEOUT
        for node in nodes:
            while node.is_alive():
                if time.monotonic() > deadline:
                    node.signal(signal.SIGKILL)
                time.sleep(0.05)
            node.remove()
        return [node.name for node in nodes]


def command_line(python, module, folder, address, port, hostname, options, request):
    """Return the command line of a node that is a Python module, in ``folder`` at ``address``.

    ``{request}`` in an option's value is what the nodes that belong together have in common.
    """
    words = [python, "-m", module, "--root", str(folder), "--address", address, "--port", str(port)]
    words += ["--name", f"{hostname}-{address.rpartition('.')[2]}"]
    return words + [
        word for name, value in options.items() for word in (f"--{name}", value.replace("{request}", request))
    ]


def _start_of_process(pid):
    """Return when a process started, in clock ticks since boot (proc(5)); None if it has ended."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    # The second field is the program's name in parentheses, and may hold any character.
    fields = text.rpartition(")")[2].split()
    return None if fields[0] == "Z" else int(fields[19])
