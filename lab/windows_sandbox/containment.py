# SPDX-License-Identifier: Apache-2.0
r"""What a process of the simulated host sees of this machine: bubblewrap's arguments.

The code under review runs in there. It sees the distribution read-only, C:\ at /c, the host's sockets, and
nothing else: no file of the lab, no other process. It shares the network, which is how Nova's services reach
each other.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from lab.windows_sandbox.filesystem import INSIDE, FileSystem

# Where the host's sockets are inside; WINDOWS_HOST_RUN says so too.
RUN = "/run/windows-host"
NETWORK = "/network"

_NAMESPACES = (
    *("--unshare-user", "--unshare-pid", "--unshare-ipc", "--unshare-uts", "--unshare-cgroup-try"),
    *("--cap-drop", "ALL", "--die-with-parent", "--new-session"),
)

# What programs of /usr look up. pip.conf is how a machine says where its package registry is.
_ETC = (
    "alternatives",
    "ca-certificates",
    "host.conf",
    "ld.so.cache",
    "localtime",
    "mime.types",
    "nsswitch.conf",
    "passwd",
    "group",
    "pip.conf",
    "protocols",
    "resolv.conf",
    "services",
    "ssl",
)

# What a process of Linux needs beside Windows' own variables, which spell the other one Path.
_LINUX_VARIABLES = {
    "PATH": "/usr/local/bin:/usr/bin:/bin",
    "HOME": "/tmp",
    "LANG": "C.UTF-8",
    "WINDOWS_C": INSIDE,
    "WINDOWS_HOST_RUN": RUN,
}


@dataclass
class Containment:
    """How this host's processes are contained.

    :param run: the folder of the host's sockets
    :param binds: what else to show read-only: (path of this machine, place inside)
    :param name: the host's name, which its processes get as theirs
    :param network: the folder of the hosts that it reaches (lab/hyperv_model/neighbours.py), or None
    """

    filesystem: FileSystem
    run: Path
    name: str
    binds: list[tuple[Path, str]]
    network: Path | None = None
    _arguments: list[str] = field(init=False)

    def __post_init__(self):
        self._arguments = self._fixed()

    def command(
        self, program: list[str], directory: str, environment: Mapping[str, str]
    ) -> tuple[list[str], int]:
        r"""Return what to execute for `program` in the Windows folder `directory`, and a descriptor to pass
        on to it.

        The caller closes the descriptor. It carries the arguments, because what is inside sees bubblewrap's
        command line.
        """
        arguments = [*self._arguments, "--chdir", self.filesystem.inside(directory), "--clearenv"]
        for name, value in {**environment, **_LINUX_VARIABLES}.items():
            arguments += ["--setenv", name, value]
        descriptor = os.memfd_create("bubblewrap")
        os.write(descriptor, b"".join(os.fsencode(argument) + b"\0" for argument in arguments))
        os.lseek(descriptor, 0, os.SEEK_SET)
        return ["bwrap", "--args", str(descriptor), "--", *program], descriptor

    def _fixed(self) -> list[str]:
        arguments = [*_NAMESPACES, "--hostname", self.name, "--ro-bind", "/usr", "/usr"]
        for name in ("bin", "sbin", "lib", "lib32", "lib64", "libx32"):
            path = Path("/", name)
            if path.is_symlink():
                arguments += ["--symlink", os.readlink(path), str(path)]
            elif path.exists():
                arguments += ["--ro-bind", str(path), str(path)]
        for name in _ETC:
            arguments += ["--ro-bind-try", f"/etc/{name}", f"/etc/{name}"]
        arguments += ["--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp", "--dir", "/var/tmp"]
        # Read-only keeps the sockets from being replaced; one can connect all the same.
        arguments += ["--bind", str(self.filesystem.c_drive), INSIDE, "--ro-bind", str(self.run), RUN]
        for source in sorted(self.filesystem.mounts.values()):
            arguments += ["--ro-bind", str(source), self.filesystem.inside(self.filesystem.windows(source))]
        if self.network:
            arguments += ["--bind", str(self.network), NETWORK]
        for source, place in self.binds:
            arguments += ["--ro-bind", str(source), place]
        return arguments
