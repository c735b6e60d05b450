# SPDX-License-Identifier: Apache-2.0
"""Tells nova of states that change without its doing: a guest shuts down, an operator starts an instance."""

import threading

import nova.conf
from nova.virt import event
from oslo_log import log as logging

from hyperv_driver import oswin, powerops

CONF = nova.conf.CONF
LOG = logging.getLogger(__name__)

TRANSITIONS = {
    powerops.RUNNING: event.EVENT_LIFECYCLE_STARTED,
    powerops.OFF: event.EVENT_LIFECYCLE_STOPPED,
    powerops.PAUSED: event.EVENT_LIFECYCLE_PAUSED,
    powerops.SAVED: event.EVENT_LIFECYCLE_SUSPENDED,
}
# Milliseconds that a wait for an event takes at most: how soon the thread notices that it is to stop.
WAIT_MS = 2000
# Seconds until the next try after Windows refused to be listened to.
RETRY_AFTER = 10


class StateEvents(threading.Thread):
    """Listens to Windows in a thread of its own, from start() to stop().

    :param vmutils: os-win's.
    :param emit: called with each nova.virt.event.LifecycleEvent.
    """

    def __init__(self, vmutils, emit):
        super().__init__(name="hyperv-state-events", daemon=True)
        self._vmutils = vmutils
        self._emit = emit
        self._stopped = threading.Event()

    def stop(self):
        self._stopped.set()

    def run(self):
        while not self._stopped.is_set():
            try:
                self._listen()
            except (oswin.exceptions.x_wmi, oswin.exceptions.OSWinException) as error:
                LOG.warning("Cannot listen for state changes, trying again in %s s: %s", RETRY_AFTER, error)
                self._stopped.wait(RETRY_AFTER)

    def _listen(self):
        watcher = self._vmutils.get_vm_power_state_change_listener(
            timeframe=CONF.hyperv.state_event_interval,
            event_timeout=WAIT_MS,
        )
        while not self._stopped.is_set():
            try:
                changed = watcher(WAIT_MS)
            except oswin.exceptions.x_wmi_timed_out:
                continue
            self._handle(changed.ElementName, changed.EnabledState)

    def _handle(self, name, enabled_state):
        transition = TRANSITIONS.get(self._vmutils.get_vm_power_state(enabled_state))
        if transition is None:
            return  # on its way (Starting, Stopping, Saving …): an event of its own follows
        try:
            uuid = self._vmutils.get_instance_uuid(name)
        except oswin.exceptions.NotFound:
            LOG.debug("%s changed state and was deleted since", name)
            return
        if uuid:  # others' virtual machines carry no instance's uuid
            self._emit(event.LifecycleEvent(uuid, transition))
