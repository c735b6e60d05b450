# SPDX-License-Identifier: Apache-2.0
"""QoS policies as the bandwidth setting of an adapter's port, which holds for what the adapter sends.

A limit is any switch's; a minimum takes one whose mode is Absolute (New-VMSwitch -MinimumBandwidthMode),
and 10 MiBit/s at least. What Hyper-V does not have is logged, and the port comes up without it: a port that
is not limited serves its instance better than none.

A rule's burst is not passed on: Hyper-V's class has one, but its documentation no unit for it.
"""

from neutron_lib import constants
from neutron_lib.services.qos import constants as qos
from oslo_log import log as logging

from hyperv_driver import oswin
from hyperv_driver.oswin import exceptions

LOG = logging.getLogger(__name__)

# By the names of neutron's versioned objects: what a rule's number is called there, and in os-win's rule.
RULES = {
    "QosBandwidthLimitRule": (qos.MAX_KBPS, "max_kbps"),
    "QosMinimumBandwidthRule": (qos.MIN_KBPS, "min_kbps"),
}


class Bandwidth:
    """
    :param networkutils: os-win's.
    :param mappings: config.Mappings.
    """

    def __init__(self, networkutils, mappings):
        self._networkutils = networkutils
        self._mappings = mappings
        self._policies = {}  # port id → id of the policy that its bandwidth comes from

    def ports_of(self, policy_ids):
        """The ports whose bandwidth depends on one of some policies."""
        return {port_id for port_id, policy_id in self._policies.items() if policy_id in policy_ids}

    def apply(self, port_id, details, policies):
        """Give a connected port the bandwidth that its policy wants; without one, all there is.

        :param policies: rules by policy id, as rpc.Server.policies returns them.
        """
        self._policies[port_id] = policy_id = policy_of(details)
        rule = _rule(port_id, policies.get(policy_id, ()))
        switch = self._mappings.switch(details["physical_network"])
        if "min_kbps" in rule and not oswin.reserves_bandwidth(self._networkutils, switch):
            LOG.error(
                "Port %s is wired without the minimum of QoS policy %s: virtual switch %s is not in absolute "
                "mode, see New-VMSwitch -MinimumBandwidthMode",
                port_id,
                policy_id,
                switch,
            )
            del rule["min_kbps"]
        try:
            if rule:
                # os-win would take the old setting away before it sets a new one that is the same.
                if oswin.bandwidth(self._networkutils, port_id) != rule:
                    self._networkutils.set_port_qos_rule(port_id, rule)
                return
        except exceptions.OSWinException as error:
            LOG.error(
                "Port %s is wired without the bandwidth of QoS policy %s: os-win refuses %s: %s. A minimum "
                "is 10 MiBit/s at least, and no more than the limit.",
                port_id,
                policy_id,
                rule,
                error,
            )
        self._networkutils.remove_port_qos_rule(port_id)

    def forget(self, port_id):
        """The port's adapter is gone."""
        self._policies.pop(port_id, None)


def policy_of(details):
    """The id of the policy that a port has, by itself or by its network; None without."""
    return details.get(qos.QOS_POLICY_ID) or details.get(qos.QOS_NETWORK_POLICY_ID)


def _rule(port_id, rules):
    """What os-win sets; empty if there is nothing."""
    wanted = {}
    for kind, rule in rules:
        if kind not in RULES or rule["direction"] != constants.EGRESS_DIRECTION:
            LOG.warning("Port %s does without what Hyper-V has no rule for: %s %s", port_id, kind, rule)
            continue
        if rule.get(qos.MAX_BURST):
            LOG.warning("Port %s does without the burst of %s", port_id, rule)
        theirs, ours = RULES[kind]
        # Neutron counts in 1000 bits a second, os-win multiplies by 1024. Hyper-V's unit is the bit: so says
        # Set-VMNetworkAdapter, and other clients of the WMI class set Mbit/s times 1,000,000.
        wanted[ours] = max(1, round(rule[theirs] * 1000 / 1024))
    return wanted
