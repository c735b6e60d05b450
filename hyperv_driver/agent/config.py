# SPDX-License-Identifier: Apache-2.0
"""The agent's options, under the names that networking-hyperv gave them."""

import fnmatch
import socket

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
