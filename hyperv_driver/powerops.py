# SPDX-License-Identifier: Apache-2.0
"""The states of a virtual machine, and the ways from one to another.

Where Hyper-V answers 32775 (invalid state for this operation), the machine is there already, or has no way
from its present state: every change below then looks where it ended, and where it starts if that matters.
"""

import time

from nova import exception
from nova.compute import power_state
from oslo_log import log as logging

from hyperv_driver import oswin
from hyperv_driver.oswin import constants

LOG = logging.getLogger(__name__)

RUNNING = constants.HYPERV_VM_STATE_ENABLED
OFF = constants.HYPERV_VM_STATE_DISABLED
PAUSED = constants.HYPERV_VM_STATE_PAUSED
SAVED = constants.HYPERV_VM_STATE_SUSPENDED

NAMES = {RUNNING: "Running", OFF: "Off", PAUSED: "Paused", SAVED: "Saved"}

# What os-win cannot name (Starting, Saving, Resetting …) it calls Enabled or Reboot: the machine is up.
NOVA_STATES = {
    RUNNING: power_state.RUNNING,
    OFF: power_state.SHUTDOWN,
    PAUSED: power_state.PAUSED,
    SAVED: power_state.SUSPENDED,
    constants.HYPERV_VM_STATE_REBOOT: power_state.RUNNING,
}

# Action: (states that it starts from, state that it ends in).
TRANSITIONS = {
    "power on": ({OFF, SAVED, PAUSED}, RUNNING),
    "power off": ({RUNNING, PAUSED, SAVED}, OFF),
    "pause": ({RUNNING}, PAUSED),
    "unpause": ({PAUSED}, RUNNING),
    "suspend": ({RUNNING, PAUSED}, SAVED),
    "resume": ({SAVED}, RUNNING),
}


class PowerOps:
    def __init__(self, vmutils):
        self._vmutils = vmutils

    def state(self, name):
        """:raises os_win.exceptions.HyperVVMNotFoundException: Hyper-V has no such virtual machine."""
        return NOVA_STATES[self._vmutils.get_vm_state(name)]

    def power_on(self, instance):
        self._change("power on", instance)

    def power_off(self, instance, timeout=0, retry_interval=0):
        """Power off; first give the guest ``timeout`` seconds, asking it every ``retry_interval`` seconds.

        A guest that cannot be asked (it has no integration services, or still boots) is not waited for.
        """
        if timeout and self._vmutils.get_vm_state(instance.name) == RUNNING:
            if self._shut_down(instance, timeout, retry_interval):
                return
        self._change("power off", instance)

    def pause(self, instance):
        self._change("pause", instance)

    def unpause(self, instance):
        self._change("unpause", instance)

    def suspend(self, instance):
        """Write the memory to the host's disk; the machine then holds neither memory nor processors."""
        self._change("suspend", instance)

    def resume(self, instance):
        self._change("resume", instance)

    def interrupt(self, instance):
        """Give the guest a non-maskable interrupt, to which it answers by a crash dump if set up for it."""
        state = self._vmutils.get_vm_state(instance.name)
        if state != RUNNING:
            self._refuse("interrupt", instance, state, {RUNNING})
        oswin.inject_nmi(self._vmutils, instance.name)

    def _shut_down(self, instance, timeout, retry_interval):
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            try:
                self._vmutils.soft_shutdown_vm(instance.name)
            except oswin.exceptions.HyperVException as error:
                LOG.info("The guest cannot be asked to shut down: %s", error, instance=instance)
                return False
            ask_again = min(deadline, time.monotonic() + (retry_interval or timeout))
            while time.monotonic() < ask_again:
                if self._vmutils.get_vm_state(instance.name) == OFF:
                    return True
                time.sleep(1)
        LOG.info("The guest did not shut down within %s seconds.", timeout, instance=instance)
        return False

    def _change(self, action, instance):
        starts, end = TRANSITIONS[action]
        # Where every state has a way there, a look at the end is enough.
        if starts | {end} != NAMES.keys():
            start = self._vmutils.get_vm_state(instance.name)
            if start == end:
                return
            if start not in starts:
                self._refuse(action, instance, start, starts)
        if self._vmutils.set_vm_state(instance.name, end):
            return
        reached = self._vmutils.get_vm_state(instance.name)
        if reached != end:
            self._refuse(action, instance, reached, {end})

    @staticmethod
    def _refuse(action, instance, found, expected):
        raise exception.NovaException(
            f"cannot {action} {instance.name}: it is {NAMES.get(found, found)}, "
            f"expected {' or '.join(sorted(NAMES[state] for state in expected))}"
        )
