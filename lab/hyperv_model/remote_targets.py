# SPDX-License-Identifier: Apache-2.0
"""iSCSI targets at portals outside of this process: part of the storage network while a host is logged in."""

from lab.hyperv_model.storage_network import Lun, Target
from lab.iscsi import ProtocolError
from lab.iscsi.client import Connection


class RemoteTarget(Target):
    """
    :param portal: (address, port)
    :param initiator: name of the host's initiator
    :param name: of the target
    :param chap: (user, secret), or None
    :raises lab.iscsi.client.Refused: if the target does not admit the initiator
    :raises OSError: if no portal answers
    """

    def __init__(self, portal, initiator, name, chap):
        super().__init__(name, (portal,))
        try:
            self._connection = Connection(portal, initiator, name, chap)
            self.refresh()
        except ProtocolError as error:
            raise OSError(f"what answers at {portal} is no portal: {error}") from error

    def refresh(self):
        """Ask for the logical units anew.

        :raises OSError: if the session is no more
        """
        found = self._connection.luns()
        for lun in self.luns.keys() - found:
            del self.luns[lun]
        for lun, (size, identifier) in found.items():
            self.luns.setdefault(lun, Lun(size, identifier)).size = size

    def close(self):
        try:
            self._connection.log_out()
        except (OSError, ProtocolError):
            # The other side ended it first.
            return
