# SPDX-License-Identifier: Apache-2.0
"""Security groups as Hyper-V's extended ACLs of an adapter's port.

Everything is denied at the lowest weights, and what the groups allow is allowed above that. Hyper-V
remembers sessions of TCP and UDP, so answers pass; it does not for other protocols, and cannot tell types
of ICMP apart.
"""

import ipaddress

from neutron_lib import constants
from oslo_log import log as logging

from hyperv_driver.agent.wiring import Unwireable

LOG = logging.getLogger(__name__)

ANY = "ANY"
INCOMING, OUTGOING = 1, 2
DIRECTIONS = {"ingress": INCOMING, "egress": OUTGOING}
ALLOW, DENY = 1, 2
EVERYWHERE = {constants.IPv4: "0.0.0.0/0", constants.IPv6: "::/0"}
ICMP = {constants.IPv4: "1", constants.IPv6: "58"}
TCP, UDP = "tcp", "udp"
NAMED = {6: TCP, 17: UDP}
COMPARED = (
    "Direction",
    "Action",
    "Protocol",
    "LocalPort",
    "RemotePort",
    "LocalIPAddress",
    "RemoteIPAddress",
    "Stateful",
)


class Acl:
    """Equal to any object with the same properties, as Hyper-V's are; os-win compares them."""

    def __init__(self, direction, ethertype, action, protocol=ANY, stateful=False, **more):
        self.Direction, self.Action, self.Protocol, self.Stateful = direction, action, protocol, stateful
        self.LocalPort = more.get("local_port", ANY)
        self.RemotePort = more.get("remote_port", ANY)
        self.LocalIPAddress = more.get("local", ANY)
        self.RemoteIPAddress = more.get("remote", EVERYWHERE[ethertype])

    @classmethod
    def of(cls, setting_data):
        """The ACL that Hyper-V has."""
        made = cls.__new__(cls)
        vars(made).update({name: getattr(setting_data, name) for name in COMPARED})
        return made

    def to_dict(self):
        return {name: getattr(self, name) for name in COMPARED}

    def __eq__(self, other):
        return all(getattr(self, name) == getattr(other, name) for name in COMPARED)

    def __hash__(self):
        return hash(tuple(self.to_dict().values()))


DENIED = [Acl(direction, version, DENY) for direction in DIRECTIONS.values() for version in EVERYWHERE]
# What an adapter needs to get its addresses, whatever its groups say; neutron adds the answers' rules.
ADDRESSING = [
    Acl(OUTGOING, constants.IPv4, ALLOW, UDP, True, local_port="68", remote_port="67"),
    Acl(OUTGOING, constants.IPv6, ALLOW, UDP, True, local_port="546", remote_port="547"),
    Acl(OUTGOING, constants.IPv6, ALLOW, ICMP[constants.IPv6]),
]


class Acls:
    """
    :param networkutils: os-win's.
    """

    def __init__(self, networkutils):
        self._networkutils = networkutils
        self._groups = {}  # port id → ids of the groups that it is in
        self._open_to = {}  # port id → ids of the groups whose members its rules name

    def ports_in(self, group_ids):
        """The ports whose ACLs come from the rules of one of some groups."""
        return _of(self._groups, group_ids)

    def ports_open_to(self, group_ids):
        """The ports whose ACLs have the addresses of one of some groups."""
        return _of(self._open_to, group_ids)

    def apply(self, port_id, details, info):
        """Give a connected port the ACLs that its groups want, and no others.

        :param details: the port's, as neutron-server gives them.
        :param info: neutron's answer to security_group_info_for_devices.
        :raises Unwireable: the answer has no groups of a port that has some.
        """
        trusted = details["device_owner"].startswith(constants.DEVICE_OWNER_NETWORK_PREFIX)
        if trusted or not details["port_security_enabled"]:
            self.forget(port_id)
            self._networkutils.remove_all_security_rules(port_id)
        elif port_id in info["devices"]:
            self.renew(port_id, info)
        else:
            raise Unwireable("neutron-server does not know its security groups; it may just be deleted")

    def renew(self, port_id, info):
        """Give a port that has ACLs those that its groups want by now; one that was deleted keeps its.

        :param info: neutron's answer to security_group_info_for_devices.
        """
        port = info["devices"].get(port_id)
        if not port:
            return
        self._groups[port_id] = set(port["security_groups"])
        self._open_to[port_id] = {
            *port["security_group_source_groups"],
            *port["security_group_remote_address_groups"],
        }
        allowed = [*ADDRESSING, *dict.fromkeys(_allowed(port, info))]
        current = set(self._current(port_id))
        # os-win weighs the rules of one call by the action of the first.
        for wanted in (DENIED, allowed):
            if missing := [acl for acl in wanted if acl not in current]:
                self._networkutils.create_security_rules(port_id, missing)
        if stale := current.difference(DENIED, allowed):
            self._networkutils.remove_security_rules(port_id, list(stale))

    def forget(self, port_id):
        """The port has no ACLs any more, or its adapter is gone."""
        self._groups.pop(port_id, None)
        self._open_to.pop(port_id, None)

    def _current(self, port_id):
        # os-win adds and removes rules, but does not list them. Its lists may hold rules in place of ACLs.
        port, _found = self._networkutils._get_switch_port_allocation(port_id)
        return [Acl.of(data) for data in self._networkutils._get_port_security_acls(port)]


def _of(groups, wanted):
    return {port_id for port_id, ids in groups.items() if not ids.isdisjoint(wanted)}


def _allowed(port, info):
    for rule in port["security_group_rules"]:
        yield from _acls(rule, EVERYWHERE[rule["ethertype"]])
    for group in port["security_groups"]:
        for rule in info["security_groups"].get(group, ()):
            remote_group = rule.get("remote_group_id") or rule.get("remote_address_group_id")
            if rule.get("protocol") in constants.IP_PROTOCOL_MAP and "icmp" in rule["protocol"]:
                if rule.get("port_range_min") is not None:
                    LOG.warning("Hyper-V cannot tell types of ICMP apart, all are allowed: %s", rule)
            if not remote_group:
                yield from _acls(rule, EVERYWHERE[rule["ethertype"]])
                continue
            members = info["sg_member_ips"].get(remote_group, {})
            for address, _mac in sorted(members.get(rule["ethertype"], ())):
                yield from _acls(rule, str(ipaddress.ip_network(address)))


def _acls(rule, remote):
    """One ACL for each protocol that a rule allows."""
    incoming = rule["direction"] == "ingress"
    remote = rule.get("source_ip_prefix" if incoming else "dest_ip_prefix") or remote
    local = rule.get("dest_ip_prefix" if incoming else "source_ip_prefix") or ANY
    for protocol in _protocols(rule):
        ports = {}
        if protocol in NAMED.values():
            destination, source = _range(rule, "port_range"), _range(rule, "source_port_range")
            ports["local_port"], ports["remote_port"] = (
                (destination, source) if incoming else (source, destination)
            )
        yield Acl(
            DIRECTIONS[rule["direction"]],
            rule["ethertype"],
            ALLOW,
            protocol,
            protocol in NAMED.values() and rule.get("stateful", True),
            local=local,
            remote=remote,
            **ports,
        )


def _protocols(rule):
    """The protocols of a rule, as Hyper-V names them. One without any means TCP, UDP and ICMP."""
    protocol = rule.get("protocol")
    icmp = ICMP[rule["ethertype"]]
    if protocol in (None, "any", "0", 0):
        return [TCP, UDP, icmp]
    number = int(constants.IP_PROTOCOL_MAP.get(protocol, protocol))
    # Neutron takes "icmp" for either version of IP.
    return [icmp if number == 1 else NAMED.get(number, str(number))]


def _range(rule, name):
    lowest, highest = rule.get(f"{name}_min"), rule.get(f"{name}_max")
    if lowest is None:
        return ANY
    return str(lowest) if highest in (None, lowest) else f"{lowest}-{highest}"
