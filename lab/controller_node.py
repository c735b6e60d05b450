# SPDX-License-Identifier: Apache-2.0
"""One controller node of the lab: an sshd of its own, contained by bubblewrap.

The node runs code under review, so it sees the distribution's programs, the controller image and a HOME of
its own, and nothing else of this machine: no file of the lab, no other home, no process outside its own. It
shares the network, because that is how Ansible, the Windows node and Tempest reach it. Whoever starts it,
the one user inside is ``zuul``, with no way to become another. The node's folder keeps its home, its log
and, once sshd answers, the file ``ready``.
"""

import argparse
import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

USER = "zuul"
USER_ID = 1000
IMAGE_MOUNT = "/opt/hyperv-ci"
START_TIMEOUT = 30  # seconds until sshd must answer

# What programs from /usr look up in /etc. /etc/pip.conf is how a machine says where its package registry is.
SHARED_ETC = (
    "alternatives",
    "ld.so.cache",
    "localtime",
    "mime.types",
    "pip.conf",
    "protocols",
    "resolv.conf",
    "services",
    "ssl/certs",
    "ssl/openssl.cnf",
)

# There is no group "tty" on purpose: sshd would give terminals to it, and the one user here may not.
OWN_ETC = {
    "passwd": f"{USER}:x:{USER_ID}:{USER_ID}:{USER}:/home/{USER}:/bin/bash\n",
    "group": f"{USER}:x:{USER_ID}:\n",
    "nsswitch.conf": "passwd: files\ngroup: files\nhosts: files dns\n",
}

SSHD_CONFIG = """\
ListenAddress {address}:{port}
HostKey /etc/ssh/host_key
PidFile none
AuthenticationMethods publickey
UsePAM no
UseDNS no
AllowTcpForwarding no
MaxStartups 100
AcceptEnv LANG LC_*
SetEnv PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin
Subsystem sftp internal-sftp
"""


class NodeError(Exception):
    """A node that cannot be had; the message is one line for the user."""


def distribution_mounts():
    """Return bubblewrap's arguments that show the distribution's programs, read-only, and nothing else."""
    arguments = ["--ro-bind", "/usr", "/usr"]
    for name in ("bin", "sbin", "lib", "lib32", "lib64", "libx32"):
        path = Path("/", name)
        if path.is_symlink():
            arguments += ["--symlink", os.readlink(path), str(path)]
        elif path.exists():
            arguments += ["--ro-bind", str(path), str(path)]
    for name in SHARED_ETC:
        arguments += ["--ro-bind-try", f"/etc/{name}", f"/etc/{name}"]
    return [*arguments, "--proc", "/proc", "--dev", "/dev"]


def identity_mounts(folder, name, address):
    """Write into ``folder`` who a machine is that has one user; return the arguments that show it in /etc."""
    folder.mkdir(parents=True, exist_ok=True)
    files = OWN_ETC | {"hosts": f"127.0.0.1 localhost\n{address} {name}\n"}
    for file, text in files.items():
        (folder / file).write_text(text)
    mounts = [word for file in files for word in ("--ro-bind", str(folder / file), f"/etc/{file}")]
    return [*mounts, "--unshare-user", "--uid", str(USER_ID), "--gid", str(USER_ID)]


def prepare(root, address, port, authorized_key, host_key):
    """Write the node's home and its sshd's configuration below ``root``."""
    etc, ssh = root / "etc", root / "home" / ".ssh"
    for folder in (etc / "ssh", ssh, root / "tmp"):
        folder.mkdir(parents=True, exist_ok=True)
    ssh.chmod(0o700)
    (etc / "ssh" / "sshd_config").write_text(SSHD_CONFIG.format(address=address, port=port))
    shutil.copyfile(host_key, etc / "ssh" / "host_key")
    (etc / "ssh" / "host_key").chmod(0o600)
    shutil.copyfile(authorized_key, ssh / "authorized_keys")
    (ssh / "authorized_keys").chmod(0o600)


def sandbox_arguments(root, name, address, image):
    """Return bubblewrap's arguments for the node: what it sees, and what it shares with this machine."""
    arguments = [*distribution_mounts(), *identity_mounts(root / "etc", name, address)]
    arguments += ["--ro-bind", str(root / "etc" / "ssh"), "/etc/ssh", "--ro-bind", str(image), IMAGE_MOUNT]
    arguments += ["--bind", str(root / "home"), f"/home/{USER}", "--bind", str(root / "tmp"), "/tmp"]
    arguments += ["--dir", "/run", "--dir", "/var/tmp", "--chdir", "/", "--clearenv"]
    arguments += [
        "--hostname",
        name,
        "--unshare-pid",
        "--unshare-ipc",
        "--unshare-uts",
        "--unshare-cgroup-try",
    ]
    return [*arguments, "--die-with-parent", "--new-session"]


class Node:
    """One running node. ``end`` returns only when every process of it is gone."""

    def __init__(self, root, name, address, image):
        read_end, info = os.pipe()
        # Over a descriptor, because the node sees bubblewrap's command line, and the lab's paths with it.
        hidden = os.memfd_create("arguments")
        os.write(
            hidden, "".join(f"{word}\0" for word in sandbox_arguments(root, name, address, image)).encode()
        )
        os.lseek(hidden, 0, os.SEEK_SET)
        command = ["bwrap", "--args", str(hidden), "--info-fd", str(info)]
        command += ["/usr/sbin/sshd", "-D", "-e", "-f", "/etc/ssh/sshd_config"]
        with open(root / "node.log", "ab") as log, open(read_end) as facts:
            self._sandbox = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, pass_fds=[hidden, info]
            )
            os.close(hidden)
            os.close(info)
            text = facts.read()
        # The first process of the sandbox takes all others with it, and bubblewrap itself waits for it.
        self._first_process = json.loads(text)["child-pid"] if text else None

    def wait_until_it_answers(self, address, port):
        """Return when an SSH server greets; NodeError if the node ends or START_TIMEOUT passes."""
        deadline = time.monotonic() + START_TIMEOUT
        while time.monotonic() < deadline:
            if self._sandbox.poll() is not None:
                raise NodeError(f"sshd ended with {self._sandbox.returncode}")
            with contextlib.suppress(OSError), socket.create_connection((address, port), 1) as connection:
                if connection.recv(4) == b"SSH-":
                    return
            time.sleep(0.05)
        raise NodeError(f"no SSH server at {address}:{port} after {START_TIMEOUT} s")

    def wait(self):
        """Wait for the node's end and return bubblewrap's exit code."""
        return self._sandbox.wait()

    def end(self):
        """End every process of the node."""
        if self._first_process and self._sandbox.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._first_process, signal.SIGKILL)
        self._sandbox.wait()


def run(root, name, address, port, image, authorized_key, host_key):
    """Run a node until SIGTERM or SIGINT; NodeError if it cannot start or ends by itself."""
    for path, what in ((image, "image"), (authorized_key, "authorized key"), (host_key, "host key")):
        if not path.exists():
            raise NodeError(f"{what} {path} does not exist")
    prepare(root, address, port, authorized_key, host_key)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: sys.exit(0))
    node = Node(root, name, address, image)
    try:
        node.wait_until_it_answers(address, port)
        (root / "ready").touch()
        raise NodeError(f"sshd ended with {node.wait()}")
    finally:
        (root / "ready").unlink(missing_ok=True)
        node.end()


def main(arguments=None):
    """Run a node as the command line says; return the exit code."""
    parser = argparse.ArgumentParser(prog="lab.controller_node", description=__doc__.splitlines()[0])
    parser.add_argument("--root", type=Path, required=True, help="folder of this node")
    parser.add_argument("--name", required=True, help="host name")
    parser.add_argument("--address", required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--image", type=Path, required=True, help=f"shown read-only at {IMAGE_MOUNT}")
    parser.add_argument("--authorized-key", type=Path, required=True, help="public key that may log in")
    parser.add_argument("--host-key", type=Path, required=True, help="private key that the node's sshd shows")
    given = parser.parse_args(arguments)
    try:
        run(**vars(given))
    except NodeError as error:
        where = f"controller node at {given.address}:{given.port}"
        print(f"{where}: {error}; see {given.root / 'node.log'}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
