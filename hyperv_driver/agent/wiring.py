# SPDX-License-Identifier: Apache-2.0
"""One adapter as neutron wants it: connected to a switch, in a VLAN, with ACLs."""

from neutron_lib import constants


class Unwireable(Exception):
    """The adapter cannot be what neutron wants; the message says why."""


class Wiring:
    """
    :param networkutils: os-win's.
    :param mappings: config.Mappings.
    """

    def __init__(self, networkutils, mappings):
        self._networkutils = networkutils
        self._mappings = mappings

    def connect(self, port_id, details):
        """Connect an adapter to the switch of its physical network, in its VLAN.

        :param details: the port's, as neutron-server gives them.
        :raises Unwireable: Hyper-V has nothing for such a network.
        """
        network_type = details["network_type"]
        if network_type not in (constants.TYPE_FLAT, constants.TYPE_VLAN):
            raise Unwireable(f"its network is of type {network_type}, expected flat or vlan")
        try:
            switch = self._mappings.switch(details["physical_network"])
        except LookupError as error:
            raise Unwireable(str(error)) from error
        self._networkutils.connect_vnic_to_vswitch(switch, port_id)
        if network_type == constants.TYPE_VLAN:
            self._networkutils.set_vswitch_port_vlan_id(details["segmentation_id"], port_id)

    def disconnect(self, port_id):
        """Take an adapter from its switch."""
        self._networkutils.remove_switch_port(port_id)
