# SPDX-License-Identifier: Apache-2.0
"""The hosts that reach each other: those that share one folder. No other host is reached.

======================= ================================================================================
``hosts/NAME``          the C: drive of a host, its share C$ (documented: administrators have that)
``hosts/NAME.sock``     its WMI, as others reach it
``listeners/NAME.sock`` its migration service, for the other hosts' migration services
``clusters/NAME.json``  what the nodes of a failover cluster know together
======================= ================================================================================

What a host is called besides, its address for one, is a link to NAME. Processes of a host see ``hosts`` only.
"""

import os
import pathlib
import shutil
import socket


class Neighbours:
    """One host, and the way to the others.

    :param folder: the folder that the hosts share
    :param name: the host's computer name
    :param others: what it is called besides
    """

    def __init__(self, folder: pathlib.Path, name: str, *others: str):
        self.hosts, self._listeners = folder / "hosts", folder / "listeners"
        self.clusters = folder / "clusters"
        self.names = [name, *sorted({other.upper() for other in others} - {name})]
        self.drive = self.hosts / name
        self.wmi, self.own_listener = self.hosts / f"{name}.sock", self._listeners / f"{name}.sock"
        self.drive.mkdir(parents=True, exist_ok=True)
        self._listeners.mkdir(exist_ok=True)
        self.clusters.mkdir(exist_ok=True)
        for other in self.names[1:]:
            for path in (self.drive, self.wmi, self.own_listener):
                link = path.with_name(path.name.replace(name, other, 1))
                link.unlink(missing_ok=True)
                link.symlink_to(path.name)

    def listener(self, computer: str) -> socket.socket:
        """A connection to the migration service of a host.

        :raises OSError: FileNotFoundError if there is no such host, ConnectionRefusedError if it is down
        """
        return _connected(self._listeners, computer)

    def answers(self, computer: str) -> bool:
        """Whether a host is up."""
        try:
            self.listener(computer).close()
        except OSError:
            return False
        return True

    def drive_of(self, computer: str) -> pathlib.Path:
        """The C: drive of a host.

        :raises OSError: as for `listener`
        """
        _connected(self.hosts, computer).close()
        return self.hosts.joinpath(computer.upper()).resolve()


def forget(drive: pathlib.Path) -> None:
    """Remove a host that has ended from the folder of its network, and the folder after the last host.

    :param drive: its C: drive, ``hosts/NAME`` in that folder
    """
    network = drive.parents[1]
    entries = {drive.name, f"{drive.name}.sock"}
    for path in [*network.glob("hosts/*"), *network.glob("listeners/*")]:
        if path.is_symlink() and os.readlink(path) in entries or path.name == f"{drive.name}.sock":
            path.unlink()
    shutil.rmtree(drive)
    if not any(drive.parent.iterdir()):
        shutil.rmtree(network)


def _connected(folder, computer):
    if "/" in computer:
        raise FileNotFoundError(computer)
    end = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    # Through the folder's descriptor, because a socket's name may have 107 bytes only.
    descriptor = os.open(folder, os.O_PATH | os.O_DIRECTORY)
    try:
        end.connect(f"/proc/self/fd/{descriptor}/{computer.upper()}.sock")
    except OSError:
        end.close()
        raise
    finally:
        os.close(descriptor)
    return end
