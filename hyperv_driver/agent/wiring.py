# SPDX-License-Identifier: Apache-2.0
"""One adapter as neutron wants it: connected to a switch, in a VLAN or in several, with its own MAC address.

Hyper-V drops what a guest sends from other addresses, unless its port has AllowMacSpoofing (documented for
Set-VMNetworkAdapter).
"""

from neutron_lib import constants

from hyperv_driver.oswin import constants as oswin
from hyperv_driver.oswin import has_spoofing, is_elsewhere


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

    def connect(self, port_id, details, tagged=()):
        """Connect an adapter to the switch of its physical network, in its VLAN.

        :param details: the port's, as neutron-server gives them.
        :param tagged: the VLANs that it has besides, with their tags.
        :raises Unwireable: Hyper-V has nothing for such a network.
        """
        network_type = details["network_type"]
        if network_type not in (constants.TYPE_FLAT, constants.TYPE_VLAN):
            raise Unwireable(f"its network is of type {network_type}, expected flat or vlan")
        try:
            switch = self._mappings.switch(details["physical_network"])
        except LookupError as error:
            raise Unwireable(str(error)) from error
        if is_elsewhere(self._networkutils, port_id, switch):
            self.disconnect(port_id)
        self._networkutils.connect_vnic_to_vswitch(switch, port_id)
        untagged = details["segmentation_id"] if network_type == constants.TYPE_VLAN else 0
        if tagged:
            self._networkutils.set_vswitch_port_vlan_id(
                untagged,
                port_id,
                operation_mode=oswin.VLAN_MODE_TRUNK,
                trunk_vlans=sorted({*tagged, untagged} - {0}),
            )
        elif untagged or self._was_trunk(port_id):
            self._networkutils.set_vswitch_port_vlan_id(untagged, port_id)
        foreign = any(
            pair["mac_address"] != details["mac_address"] for pair in details["allowed_address_pairs"]
        )
        spoofing = foreign or not details["port_security_enabled"]
        if spoofing != has_spoofing(self._networkutils, port_id):
            self._networkutils.set_vswitch_port_mac_spoofing(port_id, spoofing)

    def disconnect(self, port_id):
        """Take an adapter from its switch."""
        self._networkutils.remove_switch_port(port_id)

    def _was_trunk(self, port_id):
        # os-win sets VLANs, but does not tell them.
        port, _found = self._networkutils._get_switch_port_allocation(port_id)
        setting = self._networkutils._get_vlan_setting_data_from_port_alloc(port)
        return bool(setting) and setting.OperationMode == oswin.VLAN_MODE_TRUNK
