# SPDX-License-Identifier: Apache-2.0
"""What the driver and its instances come through: the end of what is around them."""

import threading

from tests.contract.driver.on_hyperv import OnHyperVTest
from tests.features import feature

RUNNING, SHUTDOWN = 1, 4  # nova.compute.power_state


class OutagesTest(OnHyperVTest):
    @feature("Restart of the host, of WMI and of nova-compute")
    def test_wmi_restarts(self):
        image = self.add_image("vhdx")
        self.nova(f"""
            keep = True
            from hyperv_driver import events as state_events
            state_events.RETRY_AFTER, events = 1, []
            hyperv.register_event_listener(lambda event: events.append(event.get_name()))
            made = spawn(instance("x-1", image_ref="{image}"), "vhdx", [vif()])
        """)
        self.restart_wmi(0.5)
        said = self.nova(f"""
            said = [hyperv.get_info(made).state, hyperv.list_instances() == [made.name]]
            hyperv.reboot(admin, made, [], "HARD")
            other = spawn(instance("x-2", image_ref="{image}"), "vhdx", [vif()])
            hyperv.destroy(admin, other, [])
            time.sleep(4)  # until it listens again, and Windows has looked once
            events.clear()
            hyperv._vmops._vmutils.set_vm_state(made.name, 3)
            said += [wait_for(lambda: "Stopped" in events), hyperv.list_instances() == [made.name]]
        """)
        self.assertEqual([RUNNING, True, True, True], said)

    @feature("Restart of the host, of WMI and of nova-compute")
    def test_wmi_ends_while_an_instance_is_made(self):
        image = self.add_image("vhdx")
        outage = threading.Timer(0.3, self.restart_wmi, [2])
        self.nova("keep = True")
        outage.start()
        said = self.nova(f"""
            keep = True
            made = [instance(f"x-{{number}}", image_ref="{image}") for number in range(1, 7)]
            def attempt(one):
                try:
                    spawn(one, "vhdx", [vif()])
                except Exception as error:
                    return type(error).__name__
            said = [attempt(one) for one in made]
        """)
        outage.join()
        self.assertLessEqual(set(said), {None, "NovaException"})
        self.assertIn("NovaException", said)
        # nova tries again here or elsewhere: it has what failed destroyed first.
        again = self.nova("""
            for one in made:
                hyperv.destroy(admin, one, [])
            said = [attempt(one) for one in made] + [sorted(hyperv.list_instances())]
            said += [sorted(set(os.listdir(INSTANCES)) - {"_base"})]
        """)
        names = [f"instance-{number:08x}" for number in range(1, 7)]
        self.assertEqual([*6 * [None], names, names], again)

    @feature("Restart of the host, of WMI and of nova-compute")
    def test_the_host_loses_its_power(self):
        image = self.add_image("vhdx")
        two = f"""
            keep = True
            uuids = [f"{{number}}4444444-0000-4000-8000-000000000000" for number in (1, 2)]
            made = [instance(f"x-{{number}}", uuid=uuid, image_ref="{image}")
                    for number, uuid in enumerate(uuids, start=1)]
            states = lambda: [hyperv.get_info(one).state for one in made]
        """
        said = self.nova(f"""{two}
            for one in made:
                spawn(one, "vhdx", [vif()])
            hyperv._vmops._vmutils.set_vm_state(made[0].name, 3)
            said = states()
        """)
        self.assertEqual([SHUTDOWN, RUNNING], said)
        self.process.kill()
        self.restart()
        said = self.nova(f"""{two}
            from unittest import mock
            keep = False
            with mock.patch("nova.objects.MigrationList.get_in_progress_by_host_and_node", return_value=[]):
                hyperv.process_instances_at_startup(admin, made)
            for one in made:
                hyperv.resume_state_on_host_boot(admin, one, [], [])
            speak = lambda: all("guest" in hyperv.get_console_output(admin, one) for one in made)
            said = [states(), sorted(hyperv.list_instance_uuids()) == uuids, wait_for(speak)]
        """)
        self.assertEqual([[RUNNING, RUNNING], True, True], said)

    @feature("Restart of the host, of WMI and of nova-compute", "Clean up after a crash")
    def test_nova_compute_dies_while_it_makes_an_instance(self):
        image = self.add_image("vhdx")
        one = f'instance("x-1", uuid="14444444-0000-4000-8000-000000000000", image_ref="{image}")'
        for step in ("_diskops.create_others", "_consoleops.start", "_powerops.power_on"):
            with self.assertRaises(RuntimeError):
                self.nova(f"""
                    hyperv.{step} = lambda *_: os._exit(1)
                    spawn({one}, "vhdx", [vif()])
                """)
            self.restart()
            # nova gave it up, and its owner deletes it.
            said = self.nova(f"""
                made = {one}
                hyperv.destroy(admin, made, [])
                said = [hyperv.list_instances(), os.listdir(INSTANCES)]
                spawn(made, "vhdx", [vif()])
                said += [hyperv.get_info(made).state]
            """)
            self.assertEqual([[], ["_base"], RUNNING], said, step)
