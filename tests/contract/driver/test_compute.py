# SPDX-License-Identifier: Apache-2.0
"""hyperv_driver.compute with nova's own Service, launcher and signal handling; only the manager is small."""

import os
import subprocess
import sys
import textwrap
import time

import testtools

NOVA_COMPUTE = """
import signal, sys, threading
from unittest import mock
from nova.cmd import compute as nova_compute
from nova import config, service
from hyperv_driver import compute

for missing in ("SIGALRM", "alarm", "SIGHUP", "SIGUSR1", "SIGUSR2"):
    delattr(signal, missing)  # Windows has none of them

class Small(service.Service):
    def __init__(self):
        super(service.Service, self).__init__()

    def start(self):
        {start}
        self.tg.add_timer(60, lambda: None)

    def stop(self):
        print("stops in", threading.current_thread().name, flush=True)
        {stop}

class WaitsForEnd(threading.Event):
    def wait(self, timeout=None):
        print("serving", flush=True)  # from here on the end of input is a graceful stop
        return super().wait(timeout)

class Stop(compute.StopWhenInputEnds):
    def __init__(self, *arguments):
        super().__init__(*arguments)
        self._input_ended = WaitsForEnd()

def main():
    config.parse_args(["nova-compute"], default_config_files=[])
    service.CONF.set_override("graceful_shutdown_timeout", 2)
    service.serve(Small(), workers=1, no_fork=True)
    service.wait()

with mock.patch.object(nova_compute, "main", main), mock.patch.object(compute, "StopWhenInputEnds", Stop):
    compute.main()
"""


class ComputeTest(testtools.TestCase):
    def start(self, start="pass", stop="pass"):
        program = NOVA_COMPUTE.format(start=textwrap.indent(start, " " * 8).strip(), stop=stop)
        environment = {name: value for name, value in os.environ.items() if not name.startswith("OS_")}
        compute = subprocess.Popen(
            [sys.executable, "-W", "ignore", "-c", program],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment,
        )  # fmt: skip
        self.addCleanup(
            lambda: [stream.close() for stream in (compute.stdin, compute.stdout, compute.stderr)]
        )
        self.addCleanup(compute.wait)
        self.addCleanup(compute.kill)
        return compute

    def test_end_of_input_is_novas_graceful_stop(self):
        compute = self.start()
        self.assertEqual("serving\n", compute.stdout.readline())
        time.sleep(0.2)  # it goes on serving as long as its input is open
        self.assertIsNone(compute.poll())
        compute.stdin.close()
        self.assertEqual("stops in MainThread\n", compute.stdout.readline())
        self.assertEqual(0, compute.wait(timeout=10))

    def test_stop_takes_no_longer_than_nova_allows(self):
        compute = self.start(stop="threading.Event().wait()")
        self.assertEqual("serving\n", compute.stdout.readline())
        compute.stdin.close()
        self.assertEqual(1, compute.wait(timeout=10))

    def test_stop_before_it_serves(self):
        compute = self.start(start="print('starting', flush=True); threading.Event().wait()")
        self.assertEqual("starting\n", compute.stdout.readline())
        compute.stdin.close()
        self.assertEqual(0, compute.wait(timeout=10))

    def test_failing_start_is_its_own_end(self):
        compute = self.start(start="sys.exit('no such switch')")
        self.assertEqual(1, compute.wait(timeout=30))
        self.assertIn("no such switch", compute.stderr.read())

    def test_configuration_that_nova_refuses(self):
        # The real entry, to the point where it reads its configuration.
        done = subprocess.run(
            [sys.executable, "-Wignore", "-m", "hyperv_driver.compute", "--config-file", "/no/nova.conf"],
            stdin=subprocess.PIPE, capture_output=True, text=True, timeout=60,
        )  # fmt: skip
        self.assertNotEqual(0, done.returncode)
        self.assertIn("/no/nova.conf", done.stderr)
