# SPDX-License-Identifier: Apache-2.0
"""The Windows service that hosts nova-compute.

Windows kills a service's program that does not speak the service control manager's protocol (error 1053).
pywin32's ``pythonservice.exe`` speaks it and calls the class below. Below the service's registry key,
``HKLM\\SYSTEM\\CurrentControlSet\\Services\\nova-compute``, are two keys:

=============== ============== ===============================================================
``PythonClass`` (default)      ``hyperv_driver.service.NovaComputeService``
``Parameters``  ``Python``     the python.exe that has nova
``Parameters``  ``ConfigFile`` nova.conf; its log_file is nova's log
``Parameters``  ``ErrorFile``  the file for what nova-compute says before it has a log
=============== ============== ===============================================================

nova-compute is a child process, not a thread here, because nova binds its graceful stop to SIGTERM: Python
delivers signals to its main thread only, and in ``pythonservice.exe`` that thread never leaves the service
control dispatcher. See ``hyperv_driver.compute`` for the other end of the pipe.

Recovery: nova-compute's death stops the service with a service-specific error. Windows answers it with the
service's recovery actions if they apply to non-crash failures (``sc.exe failureflag nova-compute 1``).
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
# nova-compute ends itself after [DEFAULT] graceful_shutdown_timeout (180 s); this is for one that cannot.
STOP_LIMIT = 900


class ServiceFailure(Exception):
    """Makes pywin32 end the service with a service-specific error and log the message as an event."""


class NovaComputeService(win32serviceutil.ServiceFramework):
    """Starts nova-compute, stops it gracefully, and fails when it fails."""

    _svc_name_ = "nova-compute"
    _svc_display_name_ = "OpenStack nova-compute for Hyper-V"
    _svc_description_ = "Runs instances on this host's Hyper-V for OpenStack Nova."

    def __init__(self, args):
        super().__init__(args)
        self._stop_asked = threading.Event()

    def SvcStop(self):
        # Windows allows a control handler 30 seconds, and delivers no other control meanwhile: only note it.
        self.ReportServiceStatus(win32service.SERVICE_STOP_PENDING, waitHint=2000 * REPORT_EVERY)
        self._stop_asked.set()

    SvcShutdown = SvcStop

    def SvcDoRun(self):
        """Run nova-compute until Windows asks for its end.

        :raises ServiceFailure: nova-compute ended by itself, or its parameters are missing.
        """
        command = [
            self._parameter("Python"),
            "-m",
            "hyperv_driver.compute",
            "--config-file",
            self._parameter("ConfigFile"),
        ]  # fmt: skip
        error_file = self._parameter("ErrorFile")
        # Nova logs in local time, whatever the host is set to. The C runtime heeds TZ.
        environment = os.environ | {"TZ": "UTC0"}
        with open(error_file, "ab") as errors:
            compute = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=errors, stderr=errors, env=environment
            )
        while not self._stop_asked.wait(LOOK_EVERY):
            if compute.poll() is not None:
                raise ServiceFailure(
                    f"nova-compute ended by itself, exit code {compute.returncode}; its reason is in nova's "
                    f"log_file or in {error_file}"
                )
        self._stop(compute)

    def _stop(self, compute):
        # A stop that was asked for is no failure, however it went: Windows would start the service again.
        compute.stdin.close()
        for _report in range(STOP_LIMIT // REPORT_EVERY):
            try:
                code = compute.wait(timeout=REPORT_EVERY)
            except subprocess.TimeoutExpired:
                self.ReportServiceStatus(win32service.SERVICE_STOP_PENDING, waitHint=2000 * REPORT_EVERY)
                continue
            if code != 0:
                servicemanager.LogWarningMsg(
                    f"nova-compute was asked to stop, and ended with exit code {code}"
                )
            return
        compute.kill()
        compute.wait()
        servicemanager.LogWarningMsg(f"nova-compute did not stop within {STOP_LIMIT} s and was killed")

    def _parameter(self, name):
        value = win32serviceutil.GetServiceCustomOption(self._svc_name_, name)
        if not value:
            raise ServiceFailure(f"service {self._svc_name_}: no {name} in its registry key's Parameters")
        return value
