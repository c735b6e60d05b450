# SPDX-License-Identifier: Apache-2.0
"""playbooks/site/prune-logs.yaml on a site of this machine."""

import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time
import unittest

TOP = pathlib.Path(__file__).parents[3]
DAY = 86_400


class PruneLogs(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.site = pathlib.Path(folder.name)

    def publish(self, name, days, below="build"):
        """Make a build's folder as it is some days after its publication."""
        build = self.site / below / name
        build.mkdir(parents=True)
        (build / "index.html").touch()
        then = time.time() - days * DAY
        os.utime(build, (then, then))
        return build

    def prune(self, **variables):
        return subprocess.run(
            [
                pathlib.Path(sys.executable).with_name("ansible-playbook"),
                "--inventory",
                "log_server,",
                "--connection",
                "local",
                "--extra-vars",
                json.dumps(
                    {"prune_logs_root": str(self.site), "ansible_python_interpreter": sys.executable}
                    | variables
                ),
                TOP / "playbooks/site/prune-logs.yaml",
            ],
            env=os.environ | {"LC_ALL": "C.UTF-8", "ANSIBLE_CONFIG": str(TOP / "ansible.cfg")},
            capture_output=True,
            text=True,
            check=False,
            timeout=180,
        )

    def test_old_builds_go_and_the_newest_nightlies_stay(self):
        nightly = self.site / "nightly/openstack%2Fnova/master/hyperv-tempest.json"
        nightly.parent.mkdir(parents=True)
        nightly.write_text(json.dumps({"build": "a" * 32, "date": "2026-01-01", "tests": {}}))
        self.publish("a" * 32, 90)
        self.publish("b" * 32, 31)
        self.publish("c" * 32, 29)
        self.publish("of-the-site", 90)
        self.publish("d" * 32, 90, below="else")
        result = self.prune()
        self.assertEqual(0, result.returncode, result.stdout + result.stderr)
        left = {str(path.parent.relative_to(self.site)) for path in self.site.rglob("index.html")}
        self.assertEqual(
            {f"build/{'a' * 32}", f"build/{'c' * 32}", "build/of-the-site", f"else/{'d' * 32}"}, left
        )
        self.assertFalse((self.site / "build" / ("b" * 32)).exists())
        self.assertTrue(nightly.exists())

    def test_less_than_thirty_days_are_refused(self):
        build = self.publish("b" * 32, 20)
        result = self.prune(prune_logs_days=7)
        self.assertNotEqual(0, result.returncode)
        self.assertIn("prune_logs_days is 7, expected 30 or more", result.stdout)
        self.assertTrue(build.exists())

    def test_longer_period(self):
        build = self.publish("b" * 32, 40)
        self.assertEqual(0, self.prune(prune_logs_days=60).returncode)
        self.assertTrue(build.exists())
