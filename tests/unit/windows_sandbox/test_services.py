# SPDX-License-Identifier: Apache-2.0
import tempfile
from pathlib import Path

import testtools

from lab.windows_sandbox import errors
from lab.windows_sandbox.errors import Win32Error
from lab.windows_sandbox.installation import SERVICES
from lab.windows_sandbox.registry import Registry
from lab.windows_sandbox.services import recovery
from lab.windows_sandbox.services.configuration import Configuration, InstalledServices, key_of

SERVICE = Configuration(
    "nova-compute",
    r'"C:\OpenStack\venv\pythonservice.exe"',
    "OpenStack nova-compute",
    start_mode="delayed",
    dependencies=("vmms",),
    failure_actions=(("restart", 5000), ("restart", 15000), ("none", 0)),
    failure_reset_period=60,
    failure_actions_on_non_crash=True,
    description="text",
)


class TestConfiguration(testtools.TestCase):
    def setUp(self):
        super().setUp()
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.registry = Registry(Path(folder.name) / "registry.json")
        self.registry.create_key(SERVICES)
        self.installed = InstalledServices(self.registry)
        self.installed.create(SERVICE)

    def test_is_read_as_written(self):
        self.assertEqual(SERVICE, self.installed.read("NOVA-compute"))
        self.assertEqual("nova-compute", self.installed.find("openstack NOVA-compute"))

    def test_is_where_windows_keeps_it(self):
        key = key_of("nova-compute")
        self.assertEqual(("REG_DWORD", 2), self.registry.get(key, "Start"))
        self.assertEqual(["vmms"], self.registry.data(key, "DependOnService"))
        # SERVICE_FAILURE_ACTIONS: period, two pointers, count, pointer; then type and delay of each action.
        self.assertEqual(
            "3c00000000000000000000000300000014000000010000008813000001000000983a00000000000000000000",
            self.registry.data(key, "FailureActions").hex(),
        )

    def test_changes_leave_the_rest_of_the_key(self):
        self.registry.set(key_of("nova-compute") + r"\PythonClass", "", "REG_SZ", "a.B")
        self.installed.write(SERVICE.changed(description=None, dependencies=(), start_mode="manual"))
        self.assertEqual(
            SERVICE.changed(description=None, dependencies=(), start_mode="manual"),
            self.installed.read("nova-compute"),
        )
        tree = self.installed.as_tree("nova-compute")
        self.assertEqual({"": "a.B"}, tree["PythonClass"])
        self.assertNotIn("Description", tree)

    def test_dependents(self):
        self.assertEqual(["nova-compute"], self.installed.dependents("VMMS"))

    def test_errors(self):
        error = self.assertRaises(Win32Error, self.installed.read, "nothing")
        self.assertEqual(errors.SERVICE_DOES_NOT_EXIST, error.code)
        error = self.assertRaises(Win32Error, self.installed.create, SERVICE)
        self.assertEqual(errors.SERVICE_EXISTS, error.code)


class TestRecovery(testtools.TestCase):
    def test_the_last_action_stands_for_all_further_failures(self):
        for count, action in (
            (1, ("restart", 5000)),
            (2, ("restart", 15000)),
            (3, ("none", 0)),
            (9, ("none", 0)),
        ):
            self.assertEqual(
                action, recovery.next_action(SERVICE, [float(i) for i in range(count)], float(count))
            )

    def test_the_count_starts_anew_after_the_reset_period(self):
        self.assertEqual(("restart", 5000), recovery.next_action(SERVICE, [0.0, 1.0, 100.0], 100.0))

    def test_nothing_configured(self):
        self.assertEqual(("none", 0), recovery.next_action(Configuration("x", "y", "z"), [0.0], 0.0))
