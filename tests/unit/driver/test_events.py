# SPDX-License-Identifier: Apache-2.0
import queue
import time
import types

from nova.virt import event

from hyperv_driver import oswin
from tests.unit.driver import base


class EventsTest(base.DriverTestCase):
    def setUp(self):
        super().setUp()
        self.made = self.spawn()
        self.windows = queue.Queue()
        self.novas = queue.Queue()
        self.listeners = 0
        self.host.vmutils.get_vm_power_state_change_listener = self.listen
        self.useFixture_patch("hyperv_driver.events.RETRY_AFTER", 0.01)
        self.driver.register_event_listener(self.novas.put)

    def listen(self, timeframe, event_timeout):
        self.listeners += 1
        return self.watcher

    def watcher(self, _timeout_ms):
        try:
            happened = self.windows.get(timeout=0.05)
        except queue.Empty:
            raise oswin.exceptions.x_wmi_timed_out() from None
        if isinstance(happened, Exception):
            raise happened
        return happened

    def happens(self, name, state):
        self.windows.put(types.SimpleNamespace(ElementName=name, EnabledState=state))

    def test_states_become_novas_events(self):
        self.driver.init_host("this")
        for state, transition in (
            (2, event.EVENT_LIFECYCLE_STARTED),
            (3, event.EVENT_LIFECYCLE_STOPPED),
            (9, event.EVENT_LIFECYCLE_PAUSED),
            (6, event.EVENT_LIFECYCLE_SUSPENDED),
        ):
            self.happens(self.made.name, state)
            emitted = self.novas.get(timeout=5)
            self.assertEqual(
                (self.made.uuid, transition), (emitted.get_instance_uuid(), emitted.get_transition())
            )

    def test_goes_on_listening_when_nothing_happens(self):
        # A new listener would miss what happened since the last one's end.
        self.driver.init_host("this")
        time.sleep(0.3)
        self.happens(self.made.name, 3)
        self.novas.get(timeout=5)
        self.assertEqual(1, self.listeners)

    def test_what_is_not_novas_business(self):
        self.host.vmutils.vms["foreign"] = {"notes": None}
        self.driver.init_host("this")
        self.happens("foreign", 3)
        self.happens("deleted meanwhile", 3)
        self.happens(self.made.name, 10)  # Starting
        self.happens(self.made.name, 3)
        self.assertEqual(event.EVENT_LIFECYCLE_STOPPED, self.novas.get(timeout=5).get_transition())
        self.assertTrue(self.novas.empty())

    def test_listens_again_after_a_failure(self):
        self.driver.init_host("this")
        self.windows.put(oswin.exceptions.x_wmi("the WMI service restarts"))
        self.happens(self.made.name, 3)
        self.assertEqual(self.made.uuid, self.novas.get(timeout=5).get_instance_uuid())

    def test_ends_with_the_service(self):
        self.driver.init_host("this")
        self.driver.cleanup_host("this")
        self.driver._events.join(timeout=5)
        self.assertFalse(self.driver._events.is_alive())
