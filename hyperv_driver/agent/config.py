# SPDX-License-Identifier: Apache-2.0
"""The agent's options, under the names that networking-hyperv gave them, or Neutron's other agents."""

import fnmatch
import socket

from neutron_lib import constants
from neutron_lib.placement import utils as placement
from oslo_config import cfg
from oslo_log import log

CONF = cfg.CONF

HOST = cfg.StrOpt(
    "host",
    default=socket.gethostname(),
    sample_default="the host's name",
    help="Name of this host in neutron: the same as nova-compute's [DEFAULT] host.",
)
AGENT_OPTIONS = [
    cfg.ListOpt(
        "physical_network_vswitch_mappings",
        default=[],
        help="Virtual switch of each physical network, as NETWORK:SWITCH. A network may be a pattern, as in "
        "*:external; the first that fits counts. Required.",
    ),
    cfg.FloatOpt(
        "polling_interval",
        default=2,
        min=0.1,
        help="Seconds between two looks at the host's adapters. Those that neutron has announced are looked "
        "for more often.",
    ),
    cfg.ListOpt(
        "resource_provider_bandwidths",
        default=[],
        help="Bandwidth that Placement may give to ports with a minimum of it, as SWITCH:EGRESS:INGRESS. "
        "EGRESS is in kbit/s (1000 bits): what the machines on a virtual switch may send altogether. INGRESS "
        "stays empty: Hyper-V reserves nothing for what they receive. The switch is in absolute mode "
        "(New-VMSwitch -MinimumBandwidthMode), and one physical network is mapped to it, by its own name. "
        "Switches that are not listed have no resource provider.",
    ),
    cfg.DictOpt(
        "resource_provider_hypervisors",
        default={},
        help="Names of the hypervisor that a virtual switch's bandwidth belongs to, as SWITCH:HYPERVISOR, "
        "where it is not resource_provider_default_hypervisor.",
    ),
    cfg.StrOpt(
        "resource_provider_default_hypervisor",
        default=socket.gethostname(),
        sample_default="the host's name",
        help="Name of the hypervisor that nova-compute reports of this host. Neutron finds the agent of a "
        "port's bandwidth only if it is the same as host.",
    ),
    cfg.DictOpt(
        "resource_provider_inventory_defaults",
        default={"allocation_ratio": 1.0, "min_unit": 1, "step_size": 1, "reserved": 0},
        help="What Placement is told of every bandwidth: allocation_ratio, max_unit, min_unit, reserved, "
        "step_size.",
    ),
    cfg.IntOpt(
        "report_interval",
        default=30,
        min=1,
        help="Seconds between two reports of the agent's state; well below neutron-server's agent_down_time.",
    ),
]
SECURITY_GROUP_OPTIONS = [
    cfg.BoolOpt(
        "enable_security_group",
        default=True,
        help="Make security groups ACLs of the adapters' ports.",
    ),
]


def list_opts():
    """For oslo.config's sample generator."""
    return [
        ("DEFAULT", [HOST]),
        ("AGENT", AGENT_OPTIONS),
        ("SECURITYGROUP", SECURITY_GROUP_OPTIONS),
    ]


def register():
    """Register the agent's options, and those of its log."""
    log.register_options(CONF)
    for group, options in list_opts():
        CONF.register_opts(options, group=None if group == "DEFAULT" else group)


class Mappings:
    """From physical networks to virtual switches.

    :param lines: NETWORK:SWITCH each.
    :raises ValueError: a line is something else, or there is none.
    """

    def __init__(self, lines):
        if not lines:
            raise ValueError("[AGENT] physical_network_vswitch_mappings is empty: it names a virtual switch")
        self.switches = {}
        for line in lines:
            network, colon, switch = (part.strip() for part in line.partition(":"))
            if not (network and colon and switch):
                raise ValueError(
                    f"[AGENT] physical_network_vswitch_mappings has {line!r}, expected NETWORK:SWITCH"
                )
            self.switches[network] = switch

    def switch(self, physical_network):
        """:raises LookupError: no switch is mapped to the network."""
        for pattern, switch in self.switches.items():
            if fnmatch.fnmatchcase(physical_network, pattern):
                return switch
        raise LookupError(
            f"no virtual switch for physical network {physical_network}: [AGENT] "
            f"physical_network_vswitch_mappings has {', '.join(self.switches)}"
        )

    def check_sole_network(self, switch):
        """:raises ValueError: there is not one physical network that is mapped to a switch by its name."""
        names = [name for name, mapped in self.switches.items() if mapped == switch]
        if len(names) != 1 or set(names[0]) & set("*?["):
            raise ValueError(
                f"[AGENT] physical_network_vswitch_mappings maps {', '.join(names) or 'nothing'} to virtual "
                f"switch {switch} of resource_provider_bandwidths, expected one physical network by its name"
            )


def resource_providers(options, mappings):
    """Return what neutron-server reports to Placement for the agent, under the names of its configurations.

    :param options: the group AGENT.
    :param mappings: Mappings.
    :raises ValueError: the options are none that Hyper-V or neutron-server can do with.
    """
    bandwidths = placement.parse_rp_bandwidths(options.resource_provider_bandwidths)
    for switch, kbps in bandwidths.items():
        mappings.check_sole_network(switch)
        if kbps[constants.INGRESS_DIRECTION] is not None or not kbps[constants.EGRESS_DIRECTION]:
            raise ValueError(
                f"[AGENT] resource_provider_bandwidths has {kbps} for virtual switch {switch}, expected "
                "kbit/s of egress and none of ingress, as in external:10000000:"
            )
    return {
        constants.RP_BANDWIDTHS: bandwidths,
        constants.RP_INVENTORY_DEFAULTS: placement.parse_rp_inventory_defaults(
            dict(options.resource_provider_inventory_defaults)
        ),
        constants.RP_HYPERVISORS: {
            switch: options.resource_provider_hypervisors.get(switch)
            or options.resource_provider_default_hypervisor
            for switch in bandwidths
        },
    }
