# SPDX-License-Identifier: Apache-2.0
import os
import subprocess
import sys

import testtools


class NovaDriverTestsTest(testtools.TestCase):
    def test_novas_own_driver_tests(self):
        done = subprocess.run(
            [sys.executable, "-Wignore", "-m", "testtools.run", "tests.contract.driver.nova_driver_tests"],
            env={**os.environ, "OS_NOVA_DISABLE_EVENTLET_PATCHING": "1"},
            capture_output=True, text=True,
        )  # fmt: skip
        self.assertEqual(0, done.returncode, done.stdout[-5000:] + done.stderr[-2000:])
        self.assertRegex(done.stdout, r"Ran 6\d tests")
