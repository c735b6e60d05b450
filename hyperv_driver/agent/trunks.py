# SPDX-License-Identifier: Apache-2.0
"""Neutron's trunks as trunk mode of an adapter's port: the parent untagged, sub-ports by their VLANs.

Hyper-V translates no VLANs, so the guest's tag of a sub-port must be the VLAN of the sub-port's network, on
the virtual switch of the parent. A sub-port of which that does not hold stays down, and its trunk is
DEGRADED. Hyper-V's ACLs and bandwidth are the adapter's: security groups and QoS policies of a sub-port have
no effect.
"""

from neutron_lib import constants
from neutron_lib.services.trunk import constants as trunk_constants
from oslo_log import log as logging

LOG = logging.getLogger(__name__)


class Trunks:
    """
    :param server: rpc.Server.
    :param mappings: config.Mappings.
    """

    def __init__(self, server, mappings):
        self._server = server
        self._mappings = mappings
        self._known = {}  # parent port id → its trunk, as it was wired last
        self._carried = {}  # parent port id → ids of the sub-ports that neutron has as up

    def of(self, port_ids):
        """Trunks by the ids of their parents, those of these ports."""
        return {trunk["port_id"]: trunk for trunk in self._server.trunks(port_ids)}

    def parents_of(self, ids):
        """Those parents that something is theirs of: a trunk, or a sub-port that it has or had."""
        return {
            parent
            for parent, trunk in self._known.items()
            if not {trunk["id"], *trunk["sub_ports"], *self._carried.get(parent, ())}.isdisjoint(ids)
        }

    def vlans(self, parent, trunk):
        """Return the VLANs by sub-port that the parent's adapter can carry; bind sub-ports that are not.

        :param parent: the parent's details, as neutron-server gives them.
        """
        subports = trunk["sub_ports"]
        details = self._server.details(list(subports))
        unbound = [subport for subport in subports if "network_type" not in details.get(subport, {})]
        if unbound:
            self._server.bind_subports(trunk["id"], unbound)
            details |= self._server.details(unbound)
        carried = {}
        for subport, vlan in subports.items():
            try:
                if self._is_up(parent, details.get(subport, {}), vlan):
                    carried[subport] = vlan
            except LookupError as error:
                LOG.error("Sub-port %s of port %s stays down: %s", subport, parent["device"], error)
        return carried

    def _is_up(self, parent, details, vlan):
        """:raises LookupError: Hyper-V has nothing for this sub-port"""
        if "network_type" not in details:
            raise LookupError("neutron has not bound it to this host")
        if not details["admin_state_up"]:
            return False
        network = f"{details['network_type']} {details['segmentation_id']}"
        if network != f"{constants.TYPE_VLAN} {vlan}":
            raise LookupError(
                f"its segmentation id is {vlan}, expected its network's, {network}: Hyper-V translates none"
            )
        if vlan == parent["segmentation_id"]:
            raise LookupError(f"its segmentation id is {vlan}, the VLAN of the parent itself")
        ours, theirs = (self._mappings.switch(port["physical_network"] or "") for port in (details, parent))
        if ours != theirs:
            raise LookupError(f"its network is on virtual switch {ours}, its parent's on {theirs}")
        return True

    def wired(self, parent, trunk, carried):
        """Note how a port was wired; return the sub-ports that are up by that, and those that are down.

        :param trunk: None if the port is no parent, or is down.
        """
        before = self._carried.pop(parent, set())
        self._known.pop(parent, None)
        if trunk:
            self._known[parent], self._carried[parent] = trunk, set(carried)
        return list(carried), list(before.difference(carried))

    def report(self, parents):
        """Tell neutron of the trunks of ports that were wired, once it knows of their sub-ports."""
        for parent in parents & self._known.keys():
            trunk = self._known[parent]
            whole = self._carried[parent] == set(trunk["sub_ports"])
            self._server.update_trunk(
                trunk["id"],
                trunk_constants.TRUNK_ACTIVE_STATUS if whole else trunk_constants.TRUNK_DEGRADED_STATUS,
            )
