# SPDX-License-Identifier: Apache-2.0
"""The loop: which adapters the host has, which are to be wired, and what neutron has to hear of it.

A port of neutron is the adapter of that name; adapters of other names are others'. Whatever is to be done
is in one of the sets below until it has been done and neutron has heard of it, so that an outage of
neutron, of RabbitMQ or of WMI delays it and loses nothing.
"""

import queue
import time
from concurrent import futures
from typing import NamedTuple

from oslo_log import log as logging
from oslo_utils import uuidutils

from hyperv_driver import oswin
from hyperv_driver.agent.bandwidth import policy_of
from hyperv_driver.agent.rpc import ServerFailure
from hyperv_driver.agent.wiring import Unwireable
from hyperv_driver.oswin import exceptions

LOG = logging.getLogger(__name__)

# Seconds between two looks for the adapters of ports that neutron has announced, and for how long: nova makes
# the adapter soon after it has bound the port, and starts the instance when the adapter is wired.
EAGER_INTERVAL = 0.1
ANNOUNCED_FOR = 60
# Seconds until the next try with what failed.
RETRY_AFTER = 5


class Answers(NamedTuple):
    """What neutron was asked of some ports."""

    details: futures.Future
    groups: futures.Future | None
    trunks: futures.Future


class Ports:
    """
    :param networkutils: os-win's.
    :param server: rpc.Server.
    :param wiring: wiring.Wiring.
    :param acls: acls.Acls; None leaves security groups alone.
    :param bandwidth: bandwidth.Bandwidth.
    :param trunks: trunks.Trunks.
    :param interval: seconds between two looks at the adapters.
    """

    def __init__(self, networkutils, server, wiring, acls, bandwidth, trunks, interval):
        self._networkutils = networkutils
        self._server = server
        self._wiring = wiring
        self._acls = acls
        self._bandwidth = bandwidth
        self._trunks = trunks
        self._interval = interval
        self._notes = queue.SimpleQueue()
        self._adapters = {}  # port id → identity of its adapter
        self._networks = {}  # port id → id of its network
        self._due = {}  # port id → when it may be wired (again)
        self._refilter = set()  # wired ports of which only the ACLs may be outdated
        self._gone = set()  # neutron has not heard yet
        self._announced = {}  # port id → until when its adapter is looked for
        self._ahead = set()  # announced ports that neutron will be asked of ahead of their adapters
        self._answers = {}  # port id → what neutron was asked of it, for its next wiring
        self._pool = futures.ThreadPoolExecutor()

    # What other threads note

    def updated(self, port_id, here):
        """Neutron changed a port, which is bound to this host or is not."""
        self._notes.put((self._note_update, port_id, here))

    def deleted(self, port_id):
        self._notes.put((self._note_deletion, port_id))

    def rules_updated(self, group_ids):
        """Neutron changed the rules of security groups."""
        self._notes.put((self._note_rules, group_ids))

    def members_updated(self, group_ids):
        """Neutron changed who is in security groups or address groups."""
        self._notes.put((self._note_members, group_ids))

    def policy_updated(self, policy_id):
        """Neutron changed a QoS policy."""
        self._notes.put((self._note_policy, policy_id))

    def trunk_updated(self, trunk_id, parent=None):
        """Neutron changed a trunk or its sub-ports; the parent is this, or known from its last wiring."""
        self._notes.put((self._note_trunk, trunk_id, parent))

    def network_updated(self, network_id):
        """Neutron changed a network; its QoS policy may be another."""
        self._notes.put((self._note_network, network_id))

    def resync(self):
        """Whatever was told meanwhile may not have been heard: wire all of them again."""
        self._notes.put((self._note_resync,))

    # What the loop does

    def run(self, stopped):
        """:param stopped: function that waits for some seconds and returns whether to stop."""
        while not stopped(0):
            try:
                self.look()
                self.work()
            except (ServerFailure, exceptions.OSWinException, exceptions.x_wmi) as error:
                LOG.warning("Trying again in %s s: %s: %s", RETRY_AFTER, type(error).__name__, error)
                stopped(RETRY_AFTER)
            self._wait()

    def look(self):
        """Compare the host's adapters with those of the last look.

        One that was made anew since, as for a rebuilt instance, went and came: nova waits to hear of it.
        """
        found = oswin.adapters(self._networkutils)
        adapters = {name: identity for name, identity in found.items() if uuidutils.is_uuid_like(name)}
        for port_id, _identity in adapters.items() - self._adapters.items():
            LOG.debug("Adapter %s is there", port_id)
            self._announced.pop(port_id, None)
            self._due[port_id] = 0
        for port_id, _identity in self._adapters.items() - adapters.items():
            LOG.debug("Adapter %s is gone", port_id)
            self._gone.add(port_id)
            _up, down = self._trunks.wired(port_id, None, {})
            self._gone.update(down)
            if port_id not in adapters:
                self._due.pop(port_id, None)
            self._networks.pop(port_id, None)
            self._bandwidth.forget(port_id)
            if self._acls:
                self._acls.forget(port_id)
        self._adapters = adapters

    def work(self):
        """Tell neutron what is gone, wire what is due, and tell neutron of that; renew ACLs."""
        if self._gone:
            # By itself: of a port that is both, the server would hear first that it is up.
            self._gone &= set(self._server.update([], list(self._gone)))
        # Those that are due get their ACLs when they are wired, if they still have any.
        self._refilter &= self._adapters.keys() - self._due.keys()
        now = time.monotonic()
        due = {port_id for port_id, when in self._due.items() if when <= now and port_id not in self._gone}
        if due:
            self._wire_all(due)
        if self._refilter:
            self._filter_again(list(self._refilter))
        self._ask(self._ahead - self._adapters.keys())
        self._ahead.clear()

    def _ask(self, port_ids):
        """Ask neutron of ports, side by side: an instance waits for the answers."""
        if port_ids:
            ids = list(port_ids)
            answers = Answers(
                self._pool.submit(self._server.details, ids),
                self._pool.submit(self._server.security_groups, ids) if self._acls else None,
                self._pool.submit(self._trunks.of, ids),
            )
            self._answers.update(dict.fromkeys(ids, answers))

    def _wire_all(self, due):
        self._ask(due - self._answers.keys())
        answers = {port_id: self._answers.pop(port_id) for port_id in due}
        details = {}
        for port_id, answer in answers.items():
            found = answer.details.result()
            if port_id in found:
                details[port_id] = found[port_id]
            else:
                self._postpone([port_id])
        wanted_policies = {policy_of(wanted) for wanted in details.values()} - {None}
        policies = self._server.policies(wanted_policies) if wanted_policies else {}
        up, down = [], []
        for port_id, wanted in details.items():
            groups = answers[port_id].groups and answers[port_id].groups.result()
            trunk = answers[port_id].trunks.result().get(port_id) if wanted.get("admin_state_up") else None
            carried = self._trunks.vlans(wanted, trunk) if trunk else {}
            wired = self._wire(port_id, wanted, groups, policies, carried)
            if wired is not None:
                (up if wired else down).append(port_id)
                for told, subports in zip(
                    (up, down), self._trunks.wired(port_id, trunk, carried), strict=True
                ):
                    told.extend(subports)
        if up or down:
            failed = set(self._server.update(up, down))
            self._trunks.report({*up} - failed)
            for port_id in {*up, *down} - failed:
                self._due.pop(port_id, None)
            self._postpone((failed | self._trunks.parents_of(failed)) & self._adapters.keys())

    def _wire(self, port_id, details, groups, policies, subports):
        """Return whether the port is up; None if neutron is not to hear of it now."""
        try:
            if "network_type" not in details:
                # Another's adapter, or one whose port is bound elsewhere: an update will tell.
                LOG.debug("Adapter %s is no port of this host", port_id)
                del self._due[port_id]
                return None
            self._networks[port_id] = details["network_id"]
            if not details["admin_state_up"]:
                self._wiring.disconnect(port_id)
                return False
            self._wiring.connect(port_id, details, sorted(subports.values()))
            if self._acls:
                self._acls.apply(port_id, details, groups)
            self._bandwidth.apply(port_id, details, policies)
            LOG.info("Port %s is wired", port_id)
            return True
        except (Unwireable, exceptions.OSWinException, exceptions.x_wmi) as error:
            LOG.error("Port %s cannot be wired, trying again in %s s: %s", port_id, RETRY_AFTER, error)
            self._postpone([port_id])
            return None

    def _filter_again(self, port_ids):
        groups = self._server.security_groups(port_ids)
        self._refilter.clear()
        for port_id in port_ids:
            try:
                self._acls.renew(port_id, groups)
            except (exceptions.OSWinException, exceptions.x_wmi) as error:
                LOG.error("ACLs of port %s cannot be renewed, wiring it again: %s", port_id, error)
                self._postpone([port_id])

    def _postpone(self, port_ids):
        self._due.update(dict.fromkeys(port_ids, time.monotonic() + RETRY_AFTER))

    def _wait(self):
        """Wait until it is time for the next look, or a note comes; take all notes."""
        now = time.monotonic()
        self._announced = {port_id: until for port_id, until in self._announced.items() if until > now}
        for port_id in self._answers.keys() - self._announced.keys() - self._adapters.keys():
            del self._answers[port_id]
        timeout = EAGER_INTERVAL if self._announced else self._interval
        try:
            function, *arguments = self._notes.get(timeout=timeout)
            while True:
                if function != self._note_update:
                    # It may outdate what neutron was asked of any port.
                    self._answers.clear()
                function(*arguments)
                function, *arguments = self._notes.get_nowait()
        except queue.Empty:
            return

    def _note_update(self, port_id, here):
        self._answers.pop(port_id, None)
        self._rewire({port_id} | self._trunks.parents_of({port_id}))
        if here and port_id not in self._adapters:
            self._announced[port_id] = time.monotonic() + ANNOUNCED_FOR
            self._ahead.add(port_id)

    def _note_deletion(self, port_id):
        self._announced.pop(port_id, None)
        self._ahead.discard(port_id)
        self._due.pop(port_id, None)

    def _note_rules(self, group_ids):
        if self._acls:
            self._refilter |= self._acls.ports_in(group_ids)

    def _note_members(self, group_ids):
        if self._acls:
            self._refilter |= self._acls.ports_open_to(group_ids)

    def _note_policy(self, policy_id):
        self._rewire(self._bandwidth.ports_of({policy_id}))

    def _note_trunk(self, trunk_id, parent):
        self._rewire({parent} if parent else self._trunks.parents_of({trunk_id}))

    def _note_network(self, network_id):
        self._rewire({port_id for port_id, of_port in self._networks.items() if of_port == network_id})

    def _note_resync(self):
        self._rewire(self._adapters.keys())

    def _rewire(self, port_ids):
        self._due.update(dict.fromkeys(port_ids & self._adapters.keys(), 0))
