# SPDX-License-Identifier: Apache-2.0
"""Storage that hosts reach elsewhere: iSCSI targets at portals, Fibre Channel targets, SMB shares.

Tests and backends fill it.
"""

import dataclasses
import pathlib

from lab.iscsi import ProtocolError

PORT = 3260


@dataclasses.dataclass(eq=False)
class Lun:
    """A logical unit: a disk for every host that is logged in to its target.

    :ivar size: in bytes
    :ivar identifier: its NAA identifier, hexadecimal
    :ivar late: seconds after login or rescan until a host has the disk
    """

    size: int
    identifier: str
    late: float = 0


@dataclasses.dataclass(eq=False)
class Target:
    """
    :ivar name: its iSCSI qualified name
    :ivar portals: (address, port) of each of its portals
    :ivar luns: Lun by number
    :ivar chap: (user, secret) that a login needs; None: none
    :ivar initiators: names of the initiators that may log in; None: all
    """

    name: str
    portals: tuple = (("192.0.2.10", PORT),)
    luns: dict = dataclasses.field(default_factory=dict)
    chap: tuple | None = None
    initiators: frozenset | None = None


@dataclasses.dataclass(eq=False)
class FibreChannelTarget:
    """
    :ivar node: its WWN, hexadecimal, in upper case
    :ivar port: the WWN of its one port
    :ivar luns: Lun by number
    :ivar zone: WWNs of the hosts' ports that reach it; None: all do
    """

    node: str
    port: str
    luns: dict = dataclasses.field(default_factory=dict)
    zone: frozenset | None = None

    def admits(self, port):
        return self.zone is None or port in self.zone


@dataclasses.dataclass(eq=False)
class Share:
    """
    :ivar server: name or address of the computer that shares
    :ivar folder: what is shared
    :ivar accounts: passwords by user name; None: a guest's share
    """

    server: str
    name: str
    folder: pathlib.Path
    accounts: dict | None = None

    @property
    def path(self):
        return rf"\\{self.server}\{self.name}"


class StorageNetwork:
    """The shares, the targets, and the portals that do not answer; hosts are told of every change.

    A change to a Target itself, or to the fabric, is seen by a host that rescans.

    :ivar fabric: list of the Fibre Channel targets
    """

    def __init__(self):
        self.targets = {}
        self.shares = {}
        self.fabric = []
        self._silent = set()
        self._watchers = []

    def watch(self, watcher):
        """Have a function without parameters called after each change."""
        self._watchers.append(watcher)

    def add(self, target):
        self.targets[target.name] = target
        self._changed()
        return target

    def share(self, share):
        self.shares[share.path.lower()] = share
        return share

    def remove(self, target):
        del self.targets[target.name]
        self._changed()

    def refresh(self):
        """Look what became of targets outside of this process; those whose session has ended are gone."""
        for target in [target for target in self.targets.values() if hasattr(target, "refresh")]:
            try:
                target.refresh()
            except (OSError, ProtocolError):
                self.remove(target)

    def cut(self, portal):
        """Have a portal answer no more: sessions through it break."""
        self._silent.add(portal)
        self._changed()

    def mend(self, portal):
        self._silent.discard(portal)
        self._changed()

    def knows(self, portal):
        """Whether a portal of this address and port is part of this network."""
        return any(portal in target.portals for target in self.targets.values())

    def answers(self, portal):
        """Whether a portal of this address and port is there and can be reached."""
        return self.knows(portal) and portal not in self._silent

    def at(self, portal, name):
        """The target of this name at a portal, or None."""
        target = self.targets.get(name)
        return target if target and portal in target.portals and self.answers(portal) else None

    def _changed(self):
        for watcher in self._watchers:
            watcher()
