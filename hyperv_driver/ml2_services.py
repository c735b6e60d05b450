# SPDX-License-Identifier: Apache-2.0
"""What ``ml2`` tells neutron's service plugins that Hyper-V can do; the agent does it."""

from neutron.services.trunk.drivers import base as trunk_base
from neutron_lib import constants
from neutron_lib.api.definitions import portbindings
from neutron_lib.db import constants as db
from neutron_lib.services.qos import base as qos_base
from neutron_lib.services.qos import constants as qos
from neutron_lib.services.trunk import constants as trunk

from hyperv_driver.agent import AGENT_TYPE
from hyperv_driver.vif_details import WIRED_BY_AGENT

# What os-win reserves at least, 10 MiBit/s, in neutron's 1000 bits.
LEAST_MINIMUM = 10486
# Hyper-V's bandwidth setting holds for what an adapter sends.
EGRESS = {qos.DIRECTION: {"type:values": [constants.EGRESS_DIRECTION]}}
SUPPORTED_RULES = {
    qos.RULE_TYPE_BANDWIDTH_LIMIT: {
        qos.MAX_KBPS: {"type:range": [1, db.DB_INTEGER_MAX_VALUE]},
        # Neutron's is the size of a burst. Hyper-V has a BurstSize, but its documentation no unit for it.
        qos.MAX_BURST: {"type:values": [0, None]},
        **EGRESS,
    },
    qos.RULE_TYPE_MINIMUM_BANDWIDTH: {
        qos.MIN_KBPS: {"type:range": [LEAST_MINIMUM, db.DB_INTEGER_MAX_VALUE]},
        **EGRESS,
    },
}


class TrunkDriver(trunk_base.DriverBase):
    """Has neutron take trunks whose parents are wired by agents, running ones, too, and tell the agents."""

    def __init__(self, vif_type):
        super().__init__(
            "hyperv",
            [vif_type],
            [trunk.SEGMENTATION_TYPE_VLAN],
            agent_type=AGENT_TYPE,
            can_trunk_bound_port=True,
        )

    is_loaded = True  # by the mechanism driver alone


class QosDriver(qos_base.DriverBase):
    """Has neutron refuse rules that no agent could apply, and announce policies to agents."""

    def __init__(self, vif_type):
        super().__init__(
            "hyperv",
            [vif_type],
            [portbindings.VNIC_NORMAL],
            SUPPORTED_RULES,
            requires_rpc_notifications=True,
        )

    def validate_rule_for_port(self, context, rule, port):
        """No rules for a port that is bound to a host without an agent."""
        bound = [binding for binding in port.bindings if binding.vif_type in self.vif_types]
        return all((binding.vif_details or {}).get(WIRED_BY_AGENT) for binding in bound)
