# SPDX-License-Identifier: Apache-2.0
"""os-brick's Windows connectors: how a volume of cinder becomes a disk or a file of this host."""

import functools

import nova.conf
from oslo_utils import strutils

from hyperv_driver import oswin  # noqa: F401  before os-brick, which imports os-win with its eventlet

from os_brick.initiator import connector  # isort: skip
from os_brick.initiator.windows import fibre_channel  # isort: skip

CONF = nova.conf.CONF

ISCSI, FIBRE_CHANNEL, SMBFS = "iscsi", "fibre_channel", "smbfs"


class Properties(dict):
    """A connection's properties as os-brick takes them, whose text is without secrets.

    os-brick logs its calls and their exceptions at DEBUG, and an exception's text has all properties.
    """

    def __repr__(self):
        # A share's options have its password, by a name that oslo.utils may not know, or with quotes in it.
        hidden = {"options": "***"} if self.get("options") else {}
        return str(strutils.mask_dict_password(dict(self) | hidden))


class FibreChannelConnector(fibre_channel.WindowsFCConnector):
    """os-brick's, which expects text where os-win 5.9.0 has the bytes of hbaapi.dll: the names of disks."""

    def _get_fc_volume_mappings(self, connection_properties):
        mappings = super()._get_fc_volume_mappings(connection_properties)
        return [mapping | {"device_name": mapping["device_name"].decode()} for mapping in mappings]


class Connectors:
    """One connector for each protocol, made when it is first asked for."""

    protocols = (ISCSI, FIBRE_CHANNEL, SMBFS)

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
            make = functools.partial(connector.InitiatorConnector.factory, protocol)
            if protocol == FIBRE_CHANNEL:
                make = FibreChannelConnector
            self._made[protocol] = make(
                None,
                use_multipath=CONF.hyperv.use_multipath_io,
                device_scan_attempts=CONF.hyperv.volume_attach_retry_count,
                device_scan_interval=CONF.hyperv.volume_attach_retry_interval,
                initiator_list=CONF.hyperv.iscsi_initiator_list,
            )
        return self._made[protocol]
