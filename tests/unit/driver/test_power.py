# SPDX-License-Identifier: Apache-2.0
from unittest import mock

from nova import exception
from nova.compute import power_state

from hyperv_driver import powerops
from tests.unit.driver import base
from tests.unit.driver.base import instance


class PowerTest(base.DriverTestCase):
    def setUp(self):
        super().setUp()
        self.made = self.spawn()
        self.vmutils = self.host.vmutils
        self.useFixture_patch("time.sleep", mock.Mock())

    def assertState(self, state):
        self.assertEqual(state, self.driver.get_info(self.made).state)

    def put_into(self, state):
        self.vm(self.made)["state"] = state

    def hard_changes(self):
        return [call[2] for call in self.vmutils.calls if call[0] == "set_vm_state"][
            1:
        ]  # the first is spawn's

    def test_pause_and_unpause(self):
        self.driver.pause(self.made)
        self.assertState(power_state.PAUSED)
        self.driver.unpause(self.made)
        self.assertState(power_state.RUNNING)

    def test_suspend_and_resume(self):
        for before in (powerops.RUNNING, powerops.PAUSED):
            self.put_into(before)
            self.driver.suspend(self.context, self.made)
            self.assertState(power_state.SUSPENDED)
        self.driver.resume(self.context, self.made, [])
        self.assertState(power_state.RUNNING)

    def test_crash_dump(self):
        self.driver.trigger_crash_dump(self.made)
        self.assertEqual("NMI", self.vmutils.calls[-1])
        self.put_into(powerops.SAVED)
        error = self.assertRaises(exception.NovaException, self.driver.trigger_crash_dump, self.made)
        self.assertEqual(f"cannot interrupt {self.made.name}: it is Saved, expected Running", str(error))

    def test_refuses_what_has_no_way_there(self):
        self.put_into(powerops.OFF)
        error = self.assertRaises(exception.NovaException, self.driver.pause, self.made)
        self.assertEqual(f"cannot pause {self.made.name}: it is Off, expected Running", str(error))

    def test_notices_that_nothing_changed(self):
        self.vmutils.stuck_in = powerops.RUNNING
        error = self.assertRaises(exception.NovaException, self.driver.power_off, self.made)
        self.assertEqual(f"cannot power off {self.made.name}: it is Running, expected Off", str(error))

    def test_power_off_at_once(self):
        self.driver.power_off(self.made)
        self.assertState(power_state.SHUTDOWN)
        self.assertNotIn(("soft_shutdown_vm", self.made.name), self.vmutils.calls)
        self.driver.power_off(self.made)

    def test_power_off_by_the_guest(self):
        self.driver.power_off(self.made, timeout=60, retry_interval=10)
        self.assertState(power_state.SHUTDOWN)
        self.assertEqual([], self.hard_changes())

    def test_power_off_of_a_guest_that_cannot_be_asked(self):
        self.vmutils.guest_answers_shutdown = None
        self.driver.power_off(self.made, timeout=60, retry_interval=10)
        self.assertState(power_state.SHUTDOWN)
        self.assertEqual(1, self.vmutils.calls.count(("soft_shutdown_vm", self.made.name)))

    def test_power_off_of_a_guest_that_does_not_listen(self):
        self.vmutils.guest_answers_shutdown = False
        clock = iter(range(10_000))
        with mock.patch("time.monotonic", lambda: next(clock)):
            self.driver.power_off(self.made, timeout=60, retry_interval=10)
        self.assertState(power_state.SHUTDOWN)
        self.assertEqual([powerops.OFF], self.hard_changes())
        self.assertGreater(self.vmutils.calls.count(("soft_shutdown_vm", self.made.name)), 2)

    def test_power_off_of_a_paused_guest_does_not_ask_it(self):
        self.driver.pause(self.made)
        self.driver.power_off(self.made, timeout=60, retry_interval=10)
        self.assertState(power_state.SHUTDOWN)
        self.assertNotIn(("soft_shutdown_vm", self.made.name), self.vmutils.calls)

    def test_power_on_from_every_state(self):
        for state in (powerops.OFF, powerops.SAVED, powerops.PAUSED, powerops.RUNNING):
            self.put_into(state)
            self.driver.power_on(self.context, self.made, [])
            self.assertState(power_state.RUNNING)

    def test_hard_reboot_from_every_state(self):
        for state in (powerops.OFF, powerops.SAVED, powerops.PAUSED, powerops.RUNNING):
            self.put_into(state)
            self.driver.reboot(self.context, self.made, [], "HARD")
            self.assertState(power_state.RUNNING)
        self.assertNotIn(("soft_shutdown_vm", self.made.name), self.vmutils.calls)

    def test_soft_reboot(self):
        self.driver.reboot(self.context, self.made, [], "SOFT")
        self.assertState(power_state.RUNNING)
        self.assertEqual([powerops.RUNNING], self.hard_changes())

    def test_soft_reboot_of_a_guest_that_cannot_be_asked(self):
        self.vmutils.guest_answers_shutdown = None
        self.driver.reboot(self.context, self.made, [], "SOFT")
        self.assertEqual([powerops.OFF, powerops.RUNNING], self.hard_changes())

    def test_host_boot(self):
        # Saved: Hyper-V saves what runs when its host shuts down in order.
        for found in (powerops.OFF, powerops.SAVED, powerops.RUNNING):
            self.put_into(found)
            self.driver.resume_state_on_host_boot(self.context, self.made, [], [])
            self.assertState(power_state.RUNNING)

    def test_instance_that_hyperv_does_not_have(self):
        for call in (
            self.driver.get_info,
            self.driver.pause,
            self.driver.power_off,
            lambda missing: self.driver.power_on(self.context, missing, []),
            lambda missing: self.driver.get_console_output(self.context, missing),
        ):
            missing = instance("x-ff")
            error = self.assertRaises(exception.InstanceNotFound, call, missing)
            self.assertIn(missing.uuid, str(error))
