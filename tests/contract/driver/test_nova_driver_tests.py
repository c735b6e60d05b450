# SPDX-License-Identifier: Apache-2.0
import os
import subprocess
import sys

import testtools


class NovaDriverTestsTest(testtools.TestCase):
    def test_novas_own_driver_tests(self):
        self.assertRegex(self.run_apart("nova_driver_tests"), r"Ran 6\d tests")

    def test_takeovers_on_novas_database(self):
        self.assertIn("Ran 8 tests", self.run_apart("takeover_tests"))

    def run_apart(self, module):
        done = subprocess.run(
            [sys.executable, "-Wignore", "-m", "testtools.run", f"tests.contract.driver.{module}"],
            env={**os.environ, "OS_NOVA_DISABLE_EVENTLET_PATCHING": "1"},
            capture_output=True, text=True,
        )  # fmt: skip
        self.assertEqual(0, done.returncode, done.stdout[-5000:] + done.stderr[-2000:])
        return done.stdout
