# SPDX-License-Identifier: Apache-2.0
"""os-brick's Windows connectors: how a volume of cinder becomes a disk or a file of this host."""

import nova.conf
from os_brick.initiator import connector

CONF = nova.conf.CONF

ISCSI, SMBFS = "iscsi", "smbfs"


class Connectors:
    """One connector for each protocol, made when it is first asked for."""

    protocols = (ISCSI, SMBFS)

    def __init__(self):
        self._made = {}

    def properties(self):
        """What cinder has to know of this host to export a volume to it.

        :raises os_brick.exception.BrickException: use_multipath_io is set, and the host has no Multipath I/O
        """
        multipath = CONF.hyperv.use_multipath_io
        return connector.get_connector_properties(
            None, CONF.my_block_storage_ip, multipath, enforce_multipath=multipath, host=CONF.host
        )

    def of(self, protocol):
        """The connector of one of the protocols, which cinder calls ``driver_volume_type``."""
        if protocol not in self._made:
            self._made[protocol] = connector.InitiatorConnector.factory(
                protocol,
                None,
                use_multipath=CONF.hyperv.use_multipath_io,
                device_scan_attempts=CONF.hyperv.volume_attach_retry_count,
                device_scan_interval=CONF.hyperv.volume_attach_retry_interval,
                initiator_list=CONF.hyperv.iscsi_initiator_list,
            )
        return self._made[protocol]
