# SPDX-License-Identifier: Apache-2.0
"""The Windows services that host nova-compute and the L2 agent.

Windows kills a service's program that does not speak the service control manager's protocol (error 1053).
pywin32's ``pythonservice.exe`` speaks it and calls one of the classes below. Below a service's registry
key, ``HKLM\\SYSTEM\\CurrentControlSet\\Services\\NAME``, are two keys:

=============== ============== ======================================================================
``PythonClass`` (default)      ``hyperv_driver.service.NovaComputeService`` or ``….HyperVAgentService``
``Parameters``  ``Python``     the python.exe that has what it hosts
``Parameters``  ``ConfigFile`` its configuration; the log_file there is its log
``Parameters``  ``ErrorFile``  the file for what it says before it has a log
=============== ============== ======================================================================

What is hosted is a child process, not a thread here. Python delivers signals, to which nova binds its
graceful stop, to its main thread only, and in ``pythonservice.exe`` that thread never leaves the service
control dispatcher. See ``hyperv_driver.stopping`` for the other end of the pipe.

Recovery: the child's death stops the service with a service-specific error. Windows answers it with the
service's recovery actions if they apply to non-crash failures (``sc.exe failureflag NAME 1``).
"""

import os
import subprocess
import threading

import servicemanager
import win32service
import win32serviceutil

# Seconds between two looks at the child, and between two reports to Windows that the stop is still under way.
LOOK_EVERY = 1
REPORT_EVERY = 5
# A child bounds its own stop (nova-compute: graceful_shutdown_timeout); this is for one that cannot.
STOP_LIMIT = 900


class ServiceFailure(Exception):
    """Makes pywin32 end the service with a service-specific error and log the message as an event."""


class ChildService(win32serviceutil.ServiceFramework):
    """Starts a child, ``python -m MODULE``, stops it gracefully, and fails when it fails."""

    module = None

    def __init__(self, args):
        super().__init__(args)
        self._stop_asked = threading.Event()

    def SvcStop(self):
        # Windows allows a control handler 30 seconds, and delivers no other control meanwhile: only note it.
        self.ReportServiceStatus(win32service.SERVICE_STOP_PENDING, waitHint=2000 * REPORT_EVERY)
        self._stop_asked.set()

    SvcShutdown = SvcStop

    def SvcDoRun(self):
        """Run the child until Windows asks for its end.

        :raises ServiceFailure: the child ended by itself, or its parameters are missing.
        """
        command = [
            self._parameter("Python"),
            "-m",
            self.module,
            "--config-file",
            self._parameter("ConfigFile"),
        ]  # fmt: skip
        error_file = self._parameter("ErrorFile")
        # OpenStack logs in local time, whatever the host is set to. The C runtime heeds TZ.
        environment = os.environ | {"TZ": "UTC0"}
        with open(error_file, "ab") as errors:
            child = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=errors, stderr=errors, env=environment
            )
        while not self._stop_asked.wait(LOOK_EVERY):
            if child.poll() is not None:
                raise ServiceFailure(
                    f"{self._svc_name_} ended by itself, exit code {child.returncode}; its reason is in its "
                    f"log_file or in {error_file}"
                )
        self._stop(child)

    def _stop(self, child):
        # A stop that was asked for is no failure, however it went: Windows would start the service again.
        child.stdin.close()
        for _report in range(STOP_LIMIT // REPORT_EVERY):
            try:
                code = child.wait(timeout=REPORT_EVERY)
            except subprocess.TimeoutExpired:
                self.ReportServiceStatus(win32service.SERVICE_STOP_PENDING, waitHint=2000 * REPORT_EVERY)
                continue
            if code != 0:
                servicemanager.LogWarningMsg(
                    f"{self._svc_name_} was asked to stop, and ended with exit code {code}"
                )
            return
        child.kill()
        child.wait()
        servicemanager.LogWarningMsg(f"{self._svc_name_} did not stop within {STOP_LIMIT} s and was killed")

    def _parameter(self, name):
        value = win32serviceutil.GetServiceCustomOption(self._svc_name_, name)
        if not value:
            raise ServiceFailure(f"service {self._svc_name_}: no {name} in its registry key's Parameters")
        return value


class NovaComputeService(ChildService):
    _svc_name_ = "nova-compute"
    _svc_display_name_ = "OpenStack nova-compute for Hyper-V"
    _svc_description_ = "Runs instances on this host's Hyper-V for OpenStack Nova."
    module = "hyperv_driver.compute"


class HyperVAgentService(ChildService):
    _svc_name_ = "neutron-hyperv-agent"
    _svc_display_name_ = "OpenStack Neutron agent for Hyper-V"
    _svc_description_ = "Wires the adapters of this host's virtual machines for OpenStack Neutron."
    module = "hyperv_driver.agent"
