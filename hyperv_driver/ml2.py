# SPDX-License-Identifier: Apache-2.0
"""Neutron's side of a Hyper-V port: an ML2 mechanism driver, for hosts with the L2 agent and without.

A host that has ever reported a Hyper-V agent (``hyperv_driver.agent``) is bound through it: only while it
lives, only to networks that it has a switch for. The agent connects the adapter, and the port is ACTIVE
once it says so.

On a host without one, nova-compute itself connects an adapter to the virtual switch and tags it
(``hyperv_driver.networkops``), so a port is as good as wired once it is bound: it is bound ACTIVE, with its
VLAN in the VIF's details. What only an agent could do, it does not claim: no security groups
(``port_filter`` is False), no QoS rules (``ml2_services``). Such a host cannot be told from one without
Hyper-V. Where a cloud has both kinds, name this driver last in ``[ml2] mechanism_drivers``: ports of other
hosts are then bound before it is asked.

Either way: no tunnels, and no ``local`` networks, whose isolation on one host nobody would provide.
"""

import fnmatch
import uuid

from neutron.plugins.ml2.drivers import mech_agent
from neutron_lib import constants
from neutron_lib.api.definitions import portbindings
from neutron_lib.plugins.ml2 import api

from hyperv_driver import ml2_services
from hyperv_driver.agent import AGENT_TYPE
from hyperv_driver.vif_details import WIRED_BY_AGENT

VIF_TYPE_HYPERV = "hyperv"
NETWORK_TYPES = (constants.TYPE_FLAT, constants.TYPE_VLAN)


class HyperVMechanismDriver(mech_agent.SimpleAgentMechanismDriverBase):
    """Binds normal ports on flat and VLAN segments as VIFs of Hyper-V."""

    # Of the names of Placement's resource providers: the bandwidths of switches that agents report.
    resource_provider_uuid5_namespace = uuid.UUID("6c34d70d-1319-4d31-8e1a-b8dda0a10ef5")

    def __init__(self):
        super().__init__(AGENT_TYPE, VIF_TYPE_HYPERV, {WIRED_BY_AGENT: True})

    def initialize(self):
        super().initialize()
        # They register themselves when their service plugin comes, if it does.
        self._services = [
            ml2_services.QosDriver(VIF_TYPE_HYPERV),
            ml2_services.TrunkDriver(VIF_TYPE_HYPERV),
        ]

    @property
    def connectivity(self):
        return portbindings.CONNECTIVITY_L2

    def bind_port(self, context):
        """Bind to the first segment that the host can be wired to; without one, leave the port to others."""
        if context.host_agents(self.agent_type):
            super().bind_port(context)
        elif context.current[portbindings.VNIC_TYPE] == portbindings.VNIC_NORMAL:
            self._bind_without_agent(context)

    def get_allowed_network_types(self, agent=None):
        return NETWORK_TYPES

    def get_mappings(self, agent):
        return agent["configurations"]["vswitch_mappings"]

    def get_standard_device_mappings(self, agent):
        """The switches of each physical network, as Neutron's placement plugin asks for."""
        return {network: [switch] for network, switch in self.get_mappings(agent).items()}

    def physnet_in_mappings(self, physnet, mappings):
        return any(fnmatch.fnmatchcase(physnet, pattern) for pattern in mappings)

    def get_vif_details(self, context, agent, segment):
        port_filter = agent["configurations"]["port_filter"]
        return {**self.vif_details, portbindings.CAP_PORT_FILTER: port_filter}

    def _bind_without_agent(self, context):
        for segment in context.segments_to_bind:
            if segment[api.NETWORK_TYPE] in NETWORK_TYPES:
                context.set_binding(
                    segment[api.ID],
                    VIF_TYPE_HYPERV,
                    _details_without_agent(segment),
                    status=constants.PORT_STATUS_ACTIVE,
                )
                return


def _details_without_agent(segment):
    details = {
        portbindings.CAP_PORT_FILTER: False,
        portbindings.VIF_DETAILS_CONNECTIVITY: portbindings.CONNECTIVITY_L2,
    }
    if segment[api.NETWORK_TYPE] == constants.TYPE_VLAN:
        details[portbindings.VIF_DETAILS_VLAN] = str(segment[api.SEGMENTATION_ID])
    return details
