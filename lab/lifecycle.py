# SPDX-License-Identifier: Apache-2.0
"""Bringing the lab up and down."""

import fcntl
import os
import shutil
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from lab import pair, projects
from lab.errors import LabError
from lab.home import Home
from lab.nodes import Nodes
from lab.phases import Timeline
from lab.services import accounts, database, gerrit, mail, nodepool, pages, processes, zookeeper, zuul
from lab.services.daemon import Daemon

PORTS = {
    "Gerrit (HTTP)": (gerrit.ADDRESS, gerrit.HTTP_PORT),
    "Gerrit (SSH)": (gerrit.ADDRESS, gerrit.SSH_PORT),
    "ZooKeeper": (zookeeper.ADDRESS, zookeeper.PORT),
    "Zuul's web": (zuul.ADDRESS, zuul.PORT),
    "Zuul's console stream": (zuul.ADDRESS, zuul.FINGER_PORT),
    "Nodepool": (nodepool.ADDRESS, nodepool.PORT),
    "the log pages": (pages.ADDRESS, pages.PORT),
    "the maintainer's mail": (mail.ADDRESS, mail.PORT),
}
# Bytes that an idle lab and one run need below state/.
NEEDED_DISK = 4 * 1024**3
# What users made stays when the lab goes down: changes, build history, log pages, mails.
KEPT = ("gerrit", "database", "site", "mails", "logs")


@contextmanager
def exclusive(home: Home, purpose: str) -> Iterator[None]:
    """Hold the lab's lock, so that no two commands install, start or stop things at once.

    :raises LabError: if another command holds it: says which, and its pid
    """
    home.root.mkdir(parents=True, exist_ok=True)
    with home.lock.open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            holder = file.read().strip() or "another command"
            raise LabError(f"the lab in {home.root} is busy with {holder}: wait until it ends") from None
        file.truncate(0)
        file.write(f"`{purpose}`, pid {os.getpid()}")
        file.flush()
        yield
        file.truncate(0)


def daemons(home: Home) -> list[Daemon]:
    """Return the lab's daemons, in the order in which they may be stopped."""
    return [
        nodepool.daemon(home),
        *(zuul.daemon(home, name) for name in zuul.SERVICES),
        pages.daemon(home),
        mail.daemon(home),
        gerrit.daemon(home),
        database.daemon(home),
        zookeeper.daemon(home),
    ]


def is_up(home: Home) -> bool:
    """Say whether the lab was brought up and all of its daemons run."""
    return home.up.exists() and all(daemon.process for daemon in daemons(home))


def up(home: Home, timeline: Timeline, *, force: bool = False) -> None:
    """Bring the lab up.

    :param force: see projects.publish_checkout
    :raises LabError: if the disk is full, or a server does not answer; what was started stays
    """
    _check_disk(home.root)
    _clear(home)
    shutil.rmtree(home.logs, ignore_errors=True)
    with timeline.phase("keys"):
        for folder in (home.pids, home.logs / "nodes", home.logs / "builds", home.nodes):
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        home.state.chmod(0o700)
        nodepool.make_node_keys(home.keys)
    timeline.begin("gerrit", "zookeeper", "database")
    gerrit.start(home)
    zookeeper.start(home)
    database.start(home)
    pages.start(home)
    mail.start(home)
    database.wait(home)
    timeline.finish("database")
    zookeeper.wait(home)
    timeline.finish("zookeeper")
    timeline.begin("nodepool")
    nodepool.configure(home)
    nodepool.start(home)
    gerrit.wait(home)
    timeline.finish("gerrit")
    with timeline.phase("accounts"):
        accounts.ensure(home, accounts.sign_in(home))
    timeline.begin("zuul")
    zuul.configure(home, pages.URL)
    with timeline.phase("projects"):
        if projects.head(home, accounts.NOVA) is None:
            projects.publish(home, accounts.NOVA, projects.nova_repository(home), projects.BRANCH)
        projects.publish_checkout(home, force=force)
    for service in zuul.SERVICES:
        zuul.start(home, service)
    pages.wait(home)
    mail.wait(home)
    nodepool.wait(home)
    timeline.finish("nodepool")
    zuul.wait(home)
    timeline.finish("zuul")
    home.up.touch()


def down(home: Home) -> list[str]:
    """End every process of the lab and remove what only a running lab needs; return what was ended.

    Works on a lab that is up, half up, or down.
    """
    home.up.unlink(missing_ok=True)
    ended = []
    *users, gerrit_, database_, zookeeper_ = daemons(home)
    # Zuul and Nodepool first, side by side: without their servers they would take their time to end.
    for group in (users, [gerrit_, database_, zookeeper_]):
        alive = [daemon for daemon in group if daemon.process]
        ended += [daemon.name for daemon in alive]
        leaders = [daemon.process for daemon in alive]
        processes.end(filter(None, leaders), max((daemon.grace for daemon in alive), default=0))
        ended += Nodes(home.nodes).delete_all()
    ended += pair.end_all(home)
    _clear(home)
    return ended


def _clear(home: Home) -> None:
    if not home.state.exists():
        return
    for entry in home.state.iterdir():
        if entry.name not in KEPT:
            if entry.is_dir() and not entry.is_symlink():
                shutil.rmtree(entry)
            else:
                entry.unlink()


def _check_disk(root: Path) -> None:
    free = shutil.disk_usage(root).free
    if free < NEEDED_DISK:
        raise LabError(
            f"{root} has {free / 1024**3:.1f} GiB free: the lab needs {NEEDED_DISK / 1024**3:.0f} GiB "
            "for a run; HYPERV_CI_HOME names a folder elsewhere"
        )


def check_ports() -> None:
    """Raise LabError, naming the program that listens, if a port of the lab is taken."""
    for what, (address, port) in PORTS.items():
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((address, port))
            except OSError as error:
                raise LabError(
                    f"port {port} of {address} is in use by {_listener(address, port)}: {what} needs it"
                ) from error


def _listener(address: str, port: int) -> str:
    """Return the program that listens, as far as this user may know it."""
    wanted = {
        f"{int.from_bytes(socket.inet_aton(one), sys.byteorder):08X}:{port:04X}"
        for one in (address, "0.0.0.0")
    }
    inodes = set()
    for line in Path("/proc/net/tcp").read_text(encoding="ascii").splitlines()[1:]:
        fields = line.split()
        if fields[1] in wanted and fields[3] == "0A":  # TCP_LISTEN
            inodes.add(f"socket:[{fields[9]}]")
    for process in Path("/proc").glob("[0-9]*"):
        if inodes & set(_open_files(process)):
            command = (process / "cmdline").read_bytes().split(b"\0")[0].decode(errors="replace")
            return f"{Path(command).name} (pid {process.name})"
    return "a process of another user"


def _open_files(process: Path) -> Iterator[str]:
    try:
        for link in (process / "fd").iterdir():
            with suppress(FileNotFoundError):  # closed meanwhile
                yield os.readlink(link)
    except (PermissionError, FileNotFoundError):
        return  # somebody else's, or it ended
