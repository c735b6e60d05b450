# SPDX-License-Identifier: Apache-2.0
"""Neutron's side of a Hyper-V port: an ML2 mechanism driver that needs no agent on the host.

nova-compute itself connects an adapter to the virtual switch and tags it (``hyperv_driver.networkops``), so a
port is as good as wired once it is bound: it is bound ACTIVE, with its VLAN in the VIF's details. What only
an agent could do, it does not claim: no security groups (``port_filter`` is False), no tunnels, and no
``local`` networks, whose isolation on one host nobody would provide.

An agentless driver cannot tell a Hyper-V host from another. Where a cloud has both kinds, name it last in
``[ml2] mechanism_drivers``: ports of other hosts are then bound before it is asked.
"""

from neutron_lib import constants
from neutron_lib.api.definitions import portbindings
from neutron_lib.plugins.ml2 import api

VIF_TYPE_HYPERV = "hyperv"
NETWORK_TYPES = (constants.TYPE_FLAT, constants.TYPE_VLAN)


class HyperVMechanismDriver(api.MechanismDriver):
    """Binds normal ports on flat and VLAN segments as VIFs of Hyper-V."""

    def initialize(self):
        pass

    @property
    def connectivity(self):
        return portbindings.CONNECTIVITY_L2

    def bind_port(self, context):
        """Bind to the first segment that Hyper-V can be wired to; without one, leave the port to others."""
        if context.current[portbindings.VNIC_TYPE] != portbindings.VNIC_NORMAL:
            return
        for segment in context.segments_to_bind:
            if segment[api.NETWORK_TYPE] in NETWORK_TYPES:
                context.set_binding(
                    segment[api.ID],
                    VIF_TYPE_HYPERV,
                    _vif_details(segment),
                    status=constants.PORT_STATUS_ACTIVE,
                )
                return


def _vif_details(segment):
    details = {
        portbindings.CAP_PORT_FILTER: False,
        portbindings.VIF_DETAILS_CONNECTIVITY: portbindings.CONNECTIVITY_L2,
    }
    if segment[api.NETWORK_TYPE] == constants.TYPE_VLAN:
        details[portbindings.VIF_DETAILS_VLAN] = str(segment[api.SEGMENTATION_ID])
    return details
