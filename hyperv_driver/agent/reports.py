# SPDX-License-Identifier: Apache-2.0
"""Tells neutron regularly that the agent lives, and the agent when neutron had given it up."""

import threading

from oslo_log import log as logging

from hyperv_driver.agent.rpc import ServerFailure

LOG = logging.getLogger(__name__)

# Seconds that neutron-server may take for its first answer, and between two tries: it may come up later than
# the agent does, and a message to nobody is lost.
FIRST_TIMEOUT = 5
REVIVED = "revived"


class Reports(threading.Thread):
    """Reports in a thread of its own, from start() to stop().

    :param server: rpc.Server.
    :param configurations: what neutron is to know of the agent.
    :param interval: seconds between two reports.
    :param resync: function to call after neutron and the agent had lost each other.
    """

    def __init__(self, server, configurations, interval, resync):
        super().__init__(name="state-reports", daemon=True)
        self._server = server
        self._configurations = configurations
        self._interval = interval
        self._resync = resync
        self._stopped = threading.Event()

    def stop(self):
        self._stopped.set()

    def run(self):
        first, lost = True, False
        while not self._stopped.is_set():
            timeout = FIRST_TIMEOUT if first else self._interval
            try:
                status = self._server.report(self._configurations, first, timeout)
            except ServerFailure as error:
                LOG.warning("neutron-server does not take the agent's report: %s", error)
                lost = not first
                self._stopped.wait(min(timeout, FIRST_TIMEOUT))
                continue
            LOG.debug("neutron-server has this agent as %s", status)
            if lost or status == REVIVED:
                LOG.info("neutron-server answers again: all ports are wired anew")
                self._resync()
            # It answers nothing to what was sent before it started.
            first, lost = first and status is None, False
            self._stopped.wait(self._interval)
