# SPDX-License-Identifier: Apache-2.0
"""pywin32's servicemanager: the module that is built into pythonservice.exe."""

import service_control

EVENTLOG_ERROR_TYPE, EVENTLOG_WARNING_TYPE, EVENTLOG_INFORMATION_TYPE = 1, 2, 4
PYS_SERVICE_STARTING, PYS_SERVICE_STARTED = 0x40001001, 0x40001002
PYS_SERVICE_STOPPING, PYS_SERVICE_STOPPED = 0x40001003, 0x40001004
# The message that consists of what is inserted (inferred from event logs of Python services: id 255).
GENERIC = 255

_KINDS = {
    EVENTLOG_ERROR_TYPE: "error",
    EVENTLOG_WARNING_TYPE: "warning",
    EVENTLOG_INFORMATION_TYPE: "information",
}
_TEXTS = {
    PYS_SERVICE_STARTING: "The {0} service is starting.{1}",
    PYS_SERVICE_STARTED: "The {0} service has started.{1}",
    PYS_SERVICE_STOPPING: "The {0} service is stopping.{1}",
    PYS_SERVICE_STOPPED: "The {0} service has stopped.{1}",
}
handler = None


def RegisterServiceCtrlHandler(name, function, extra_args=False):
    """Remember what handles controls: a function of (control, event type, data), or of the control alone."""
    global handler
    handler = function if extra_args else lambda control, _event_type, _data: function(control)
    return service_control.connection().name


def SetEventSourceName(name, register_now=False):
    """Name the source of the service's events; the host takes its service name."""


def LogMsg(kind, number, inserts=()):
    """Write an event of one of the PYS_ messages."""
    if number not in _TEXTS:
        raise NotImplementedError(f"servicemanager.LogMsg: message {number:#x} is not simulated")
    text = _TEXTS[number].format(*(*inserts, "", "")[:2])
    service_control.connection().log(_KINDS[kind], number & 0xFFFF, text)


def LogInfoMsg(message):
    """Write an event that informs."""
    service_control.connection().log("information", GENERIC, str(message))


def LogWarningMsg(message):
    """Write an event that warns."""
    service_control.connection().log("warning", GENERIC, str(message))


def LogErrorMsg(message):
    """Write an event that tells of an error."""
    service_control.connection().log("error", GENERIC, str(message))


def __getattr__(name):
    raise AttributeError(f"servicemanager.{name} is not simulated by the lab")
