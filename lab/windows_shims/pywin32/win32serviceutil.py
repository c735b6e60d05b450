# SPDX-License-Identifier: Apache-2.0
"""pywin32's win32serviceutil: the base class of services, and what finds their host program and options."""

import os
import sys

import service_control
import servicemanager
import win32service
from simulated_windows import paths


class ServiceFramework:
    """A service: a subclass has SvcDoRun, which returns when it is over, and SvcStop, to ask for that.

    SvcDoRun runs in a thread of its own; controls come in the main thread, as on Windows.
    """

    def __init__(self, args):
        self.ssh = servicemanager.RegisterServiceCtrlHandler(args[0], self.ServiceCtrlHandlerEx, True)
        servicemanager.SetEventSourceName(self._svc_name_)
        self.checkPoint = 0

    def GetAcceptedControls(self):
        taken = win32service.SERVICE_ACCEPT_STOP if hasattr(self, "SvcStop") else 0
        if hasattr(self, "SvcShutdown"):
            taken |= win32service.SERVICE_ACCEPT_SHUTDOWN
        return taken

    def ReportServiceStatus(self, serviceStatus, waitHint=5000, win32ExitCode=0, svcExitCode=0):
        """Tell Windows the service's state; a pending one counts as progress each time."""
        steady = serviceStatus in (win32service.SERVICE_RUNNING, win32service.SERVICE_STOPPED)
        self.checkPoint += 0 if steady else 1
        starting = serviceStatus == win32service.SERVICE_START_PENDING
        kind, controls = win32service.SERVICE_WIN32_OWN_PROCESS, 0 if starting else self.GetAcceptedControls()
        checkpoint = 0 if steady else self.checkPoint
        status = (kind, serviceStatus, controls, win32ExitCode, svcExitCode, checkpoint, waitHint)
        win32service.SetServiceStatus(self.ssh, status)

    def SvcInterrogate(self):
        self.ReportServiceStatus(win32service.SERVICE_RUNNING)

    def SvcOther(self, control):
        print(f"Unknown control status - {control}")

    def SvcOtherEx(self, control, event_type, data):
        return self.SvcOther(control)

    def ServiceCtrlHandler(self, control):
        return self.ServiceCtrlHandlerEx(control, 0, None)

    def ServiceCtrlHandlerEx(self, control, event_type, data):
        methods = {
            win32service.SERVICE_CONTROL_STOP: "SvcStop",
            win32service.SERVICE_CONTROL_INTERROGATE: "SvcInterrogate",
            win32service.SERVICE_CONTROL_SHUTDOWN: "SvcShutdown",
        }
        if control in methods:
            return getattr(self, methods[control])()
        return self.SvcOtherEx(control, event_type, data)

    def SvcRun(self):
        self.ReportServiceStatus(win32service.SERVICE_RUNNING)
        self.SvcDoRun()
        self.ReportServiceStatus(win32service.SERVICE_STOP_PENDING)


def GetServiceCustomOption(serviceName, option, defaultValue=None):
    """Return the value `option` of the service's registry key Parameters, or `defaultValue`."""
    name = getattr(serviceName, "_svc_name_", serviceName)
    parameters = service_control.find(service_control.registry_key(name), "Parameters") or {}
    value = service_control.find(parameters, option)
    return defaultValue if value is None else value


def LocatePythonServiceExe(exe=None):
    """Return the path of this environment's pythonservice.exe, which pywin32 copies to sys.exec_prefix."""
    path = exe or os.path.join(paths.from_host(sys.exec_prefix), "pythonservice.exe")
    if not os.path.isfile(path):
        raise RuntimeError(f"Can't find '{path}'")
    return path


def __getattr__(name):
    raise AttributeError(f"win32serviceutil.{name} is not simulated by the lab")
