# SPDX-License-Identifier: Apache-2.0
"""pywin32's win32service, as far as a service's own process needs it; constants are winsvc.h's."""

import pywintypes
import service_control

error = pywintypes.error

SERVICE_WIN32_OWN_PROCESS = 0x10

SERVICE_STOPPED, SERVICE_START_PENDING, SERVICE_STOP_PENDING, SERVICE_RUNNING = 1, 2, 3, 4
SERVICE_CONTINUE_PENDING, SERVICE_PAUSE_PENDING, SERVICE_PAUSED = 5, 6, 7

SERVICE_CONTROL_STOP, SERVICE_CONTROL_PAUSE, SERVICE_CONTROL_CONTINUE = 1, 2, 3
SERVICE_CONTROL_INTERROGATE, SERVICE_CONTROL_SHUTDOWN = 4, 5

SERVICE_ACCEPT_STOP, SERVICE_ACCEPT_PAUSE_CONTINUE, SERVICE_ACCEPT_SHUTDOWN = 1, 2, 4

_STATES = {
    SERVICE_STOPPED: "stopped",
    SERVICE_START_PENDING: "start_pending",
    SERVICE_STOP_PENDING: "stop_pending",
    SERVICE_RUNNING: "running",
}
_CONTROLS = {SERVICE_ACCEPT_STOP: "stop", SERVICE_ACCEPT_SHUTDOWN: "shutdown"}


def SetServiceStatus(handle, status):
    """Report (type, state, accepted controls, exit code, own exit code, checkpoint, wait hint in ms)."""
    _type, state, accepted, exit_code, service_exit_code, checkpoint, wait_hint = status
    if state not in _STATES or accepted & ~sum(_CONTROLS):
        raise NotImplementedError(
            f"SetServiceStatus: state {state} taking controls {accepted:#x} is not simulated"
        )
    details = (
        {"exit_code": exit_code, "service_exit_code": service_exit_code} if state == SERVICE_STOPPED else {}
    )
    service_control.connection().report(
        _STATES[state],
        controls=[name for bit, name in _CONTROLS.items() if accepted & bit],
        checkpoint=checkpoint,
        wait_hint=wait_hint,
        **details,
    )


def __getattr__(name):
    raise AttributeError(f"win32service.{name} is not simulated by the lab")
