# SPDX-License-Identifier: Apache-2.0
import importlib
import pathlib
import sys
import tempfile
import threading
import time
import types
from unittest import mock

import testtools

# What nova-compute is replaced by: programs that end, or do not, in the ways that matter.
STOPS = "import sys; sys.stdin.read(); print('stopped', file=sys.stderr)"
STOPS_BADLY = "import sys; sys.stdin.read(); sys.exit(7)"
DIES = "import sys; sys.exit('no such option')"
HANGS = "import time; time.sleep(60)"


class ServiceFramework:
    """As much of pywin32's as the service uses; reports go to a list."""

    def __init__(self, args):
        self.reports = []

    def ReportServiceStatus(self, state, waitHint=5000, win32ExitCode=0, svcExitCode=0):
        self.reports.append(state)


class ServiceTest(testtools.TestCase):
    def setUp(self):
        super().setUp()
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.error_file = pathlib.Path(folder.name, "stderr.log")
        self.parameters = {
            "Python": sys.executable,
            "ConfigFile": "nova.conf",
            "ErrorFile": str(self.error_file),
        }
        self.warnings = []
        pywin32 = {
            "servicemanager": types.SimpleNamespace(LogWarningMsg=self.warnings.append),
            "win32service": types.SimpleNamespace(SERVICE_STOP_PENDING="stop pending"),
            "win32serviceutil": types.SimpleNamespace(
                ServiceFramework=ServiceFramework,
                GetServiceCustomOption=lambda _service, option, default=None: self.parameters.get(
                    option, default
                ),
            ),
        }
        patch = mock.patch.dict(sys.modules, pywin32)
        patch.start()
        self.addCleanup(patch.stop)
        self.addCleanup(sys.modules.pop, "hyperv_driver.service", None)
        self.module = importlib.import_module("hyperv_driver.service")
        self.module.LOOK_EVERY = 0.05
        self.service = self.module.NovaComputeService(["nova-compute"])

    def run_service(self, program, stop_after=None):
        """SvcDoRun with another program; SvcStop comes from another thread, as from Windows."""
        popen = self.module.subprocess.Popen

        def start(command, **arguments):
            self.command = command
            self.compute = popen([sys.executable, "-c", program], **arguments)
            return self.compute

        if stop_after is not None:
            stopper = threading.Timer(stop_after, self.service.SvcStop)
            stopper.start()
            self.addCleanup(stopper.join)
        with mock.patch.object(self.module.subprocess, "Popen", start):
            self.service.SvcDoRun()

    def test_nova_compute_logs_in_utc(self):
        patch = mock.patch.dict("os.environ", TZ="America/New_York")
        patch.start()
        self.addCleanup(patch.stop)
        shows = "import sys, time; print(time.localtime().tm_gmtoff, file=sys.stderr);" + STOPS
        self.run_service(shows, stop_after=0.5)
        self.assertEqual("0\nstopped\n", self.error_file.read_text())

    def test_runs_nova_compute_from_its_parameters(self):
        self.run_service(STOPS, stop_after=0)
        self.assertEqual(
            [sys.executable, "-m", "hyperv_driver.compute", "--config-file", "nova.conf"], self.command
        )

    def test_stop_ends_its_input_and_waits(self):
        self.run_service(STOPS, stop_after=0.2)
        self.assertEqual(0, self.compute.returncode)
        self.assertEqual("stopped\n", self.error_file.read_text())
        self.assertEqual({"stop pending"}, set(self.service.reports))  # again for every 5 s that it takes
        self.assertEqual([], self.warnings)

    def test_reports_while_it_waits(self):
        self.module.REPORT_EVERY, self.module.STOP_LIMIT = 0.1, 10
        with mock.patch.object(self.module, "range", lambda _count: iter(range(100)), create=True):
            self.run_service("import sys, time; sys.stdin.read(); time.sleep(0.5)", stop_after=0)
        self.assertGreater(len(self.service.reports), 3)

    def test_death_fails_the_service(self):
        error = self.assertRaises(self.module.ServiceFailure, self.run_service, DIES)
        self.assertIn("nova-compute ended by itself, exit code 1", str(error))
        self.assertIn(str(self.error_file), str(error))
        self.assertEqual("no such option\n", self.error_file.read_text())

    def test_bad_end_of_a_stop_that_was_asked_for_is_no_failure(self):
        self.run_service(STOPS_BADLY, stop_after=0.2)
        self.assertEqual(["nova-compute was asked to stop, and ended with exit code 7"], self.warnings)

    def test_kills_what_does_not_stop(self):
        self.module.REPORT_EVERY, self.module.STOP_LIMIT = 1, 1
        started = time.monotonic()
        self.run_service(HANGS, stop_after=0.1)
        self.assertLess(time.monotonic() - started, 20)
        self.assertEqual(["nova-compute did not stop within 1 s and was killed"], self.warnings)

    def test_agent(self):
        self.service = self.module.HyperVAgentService(["neutron-hyperv-agent"])
        error = self.assertRaises(self.module.ServiceFailure, self.run_service, DIES)
        self.assertIn("neutron-hyperv-agent ended by itself, exit code 1", str(error))
        self.assertEqual("hyperv_driver.agent", self.command[2])

    def test_missing_parameter(self):
        del self.parameters["ConfigFile"]
        error = self.assertRaises(self.module.ServiceFailure, self.run_service, STOPS)
        self.assertEqual("service nova-compute: no ConfigFile in its registry key's Parameters", str(error))

    def test_shutdown_of_windows_is_a_stop(self):
        self.service.SvcShutdown()
        self.run_service(STOPS)
        self.assertEqual(0, self.compute.returncode)
