# SPDX-License-Identifier: Apache-2.0
"""The console of a guest comes out of the pipe of its serial port; events tell of states."""

import queue
import socket
import threading
import time
from unittest import mock

from lab.hyperv_model import states
from lab.hyperv_model.errors import CimError
from tests.unit.hyperv_model.case import ModelCase


class SerialPortCase(ModelCase):
    def setUp(self):
        super().setUp()
        self.machine = self.define()
        self.attach(self.machine, self.file(r"C:\root.vhd"))
        self.connect_port(r"\\.\pipe\console")
        self.pipe = self.root / "run" / "pipes" / "console"

    def connect_port(self, pipe):
        port = self.machine.of("Msvm_SerialPortSettingData")[0]
        self.succeed(self.service, "ModifyResourceSettings", **self.modify(port, Connection=[pipe]))

    def open(self, pipe=None):
        client = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.addCleanup(client.close)
        client.settimeout(2)
        client.connect(str(pipe or self.pipe))
        return client

    def read(self, client, lines):
        data = b""
        while data.count(b"\n") < lines:
            received = client.recv(4096)
            self.assertTrue(received, f"the pipe ended after {data!r}")
            data += received
        return data.decode()

    def test_the_console_grows(self):
        self.request(self.machine, states.ENABLE)
        text = self.read(self.open(), 50)
        self.assertIn("no operating system runs here", text)
        self.assertIn("idle, line", text)

    def test_the_pipe_is_there_while_the_machine_runs(self):
        self.assertFalse(self.pipe.exists())
        self.request(self.machine, states.ENABLE)
        client = self.open()
        self.read(client, 1)
        self.request(self.machine, states.DISABLE)
        while client.recv(4096):
            pass
        self.assertFalse(self.pipe.exists())

    def test_a_second_client_is_turned_away(self):
        self.request(self.machine, states.ENABLE)
        first, second = self.open(), None
        self.read(first, 1)
        second = self.open()
        self.assertEqual(b"", second.recv(1))
        self.read(first, 1)

    def test_the_next_client_gets_what_comes_next(self):
        self.request(self.machine, states.ENABLE)
        first = self.open()
        self.read(first, 50)
        first.close()
        time.sleep(0.05)
        self.assertNotIn("boot step", self.read(self.open(), 2))

    def test_a_paused_guest_is_silent(self):
        self.request(self.machine, states.ENABLE)
        client = self.open()
        self.read(client, 50)
        self.request(self.machine, states.QUIESCE)
        client.settimeout(0.1)
        with self.assertRaises(TimeoutError):
            while True:
                client.recv(4096)
        self.request(self.machine, states.ENABLE)
        client.settimeout(2)
        self.read(client, 1)

    def test_a_reset_boots_again_into_the_same_pipe(self):
        self.request(self.machine, states.ENABLE)
        client = self.open()
        self.read(client, 50)
        self.request(self.machine, states.RESET)
        self.assertIn("no operating system runs here", self.read(client, 60))

    def test_a_saved_machine_has_no_pipe_and_goes_on_without_a_boot(self):
        self.request(self.machine, states.ENABLE)
        self.request(self.machine, states.OFFLINE)
        self.assertFalse(self.pipe.exists())
        self.request(self.machine, states.ENABLE)
        self.assertNotIn("boot step", self.read(self.open(), 2))

    def test_a_port_is_moved_while_the_machine_runs(self):
        self.request(self.machine, states.ENABLE)
        self.connect_port(r"\\.\pipe\other")
        self.assertFalse(self.pipe.exists())
        self.read(self.open(self.root / "run" / "pipes" / "other"), 1)


class PipeNameCase(ModelCase):
    def set_pipes(self, machine, *pipes):
        """What ModifyResourceSettings of each of its ports answers: the reason that it fails for, or None."""
        ports = machine.of("Msvm_SerialPortSettingData")
        answers = [
            self.call(self.service, "ModifyResourceSettings", **self.modify(port, Connection=[pipe]))
            for port, pipe in zip(ports, pipes, strict=False)
        ]
        return [job and job["ErrorDescription"] for _, job in answers]

    def test_names_that_no_pipe_can_have_are_refused(self):
        machine = self.define()
        for name, reason in ((".", "expected"), ("..", "expected"), ("x" * 250, "expected")):
            (told,) = self.set_pipes(machine, rf"\\.\pipe\{name}")
            self.assertIn(reason, told)
        (told,) = self.set_pipes(machine, rf"\\.\pipe\{'x' * 100}")
        self.assertIn("is not simulated", told)
        self.request(machine, states.ENABLE)
        self.assertEqual(states.RUNNING, machine.state)

    def test_a_pipe_is_of_one_port(self):
        one, two = self.define("one"), self.define("two")
        self.assertEqual([None], self.set_pipes(one, r"\\.\pipe\same"))
        self.assertEqual([None], self.set_pipes(two, r"\\.\pipe\SAME"))
        self.request(one, states.ENABLE)
        busy = "'one' has .*All pipe instances are busy"
        self.fail_with(busy, two.system.path, "RequestStateChange", RequestedState=states.ENABLE)
        self.assertEqual(states.OFF, two.state)
        self.set_pipes(two, "")
        self.request(two, states.ENABLE)
        (reason,) = self.set_pipes(two, r"\\.\pipe\same")
        self.assertRegex(reason, busy)
        self.request(one, states.DISABLE)
        self.assertEqual([None], self.set_pipes(two, r"\\.\pipe\same"))

    def test_two_ports_of_a_machine_have_two_pipes(self):
        machine = self.define()
        self.set_pipes(machine, r"\\.\pipe\same", r"\\.\pipe\same")
        self.fail_with("busy", machine.system.path, "RequestStateChange", RequestedState=states.ENABLE)

    def test_a_start_that_the_model_crashes_in_leaves_the_machine_off(self):
        machine = self.define()
        self.set_pipes(machine, r"\\.\pipe\one")
        self.root.joinpath("run", "pipes").parent.mkdir(exist_ok=True)
        self.root.joinpath("run", "pipes").write_text("no folder")
        with mock.patch.object(threading, "excepthook"):
            self.fail_with("crashed", machine.system.path, "RequestStateChange", RequestedState=states.ENABLE)
        self.assertEqual(states.OFF, machine.state)


class EventCase(ModelCase):
    def subscribe(self, query):
        events = queue.Queue()
        subscription = self.wmi.subscribe(query, lambda name, event: events.put((name, event)))
        self.addCleanup(subscription.cancel)
        return events

    def test_a_change_of_state_is_told_with_what_was_before(self):
        machine = self.define()
        events = self.subscribe(
            "SELECT EnabledState, TargetInstance, PreviousInstance FROM __InstanceModificationEvent "
            "WITHIN 0.05 WHERE TargetInstance ISA 'Msvm_ComputerSystem' "
            "AND TargetInstance.EnabledState != PreviousInstance.EnabledState "
            "AND (TargetInstance.EnabledState = '2' OR TargetInstance.EnabledState = '3')"
        )
        self.request(machine, states.ENABLE)
        name, event = events.get(timeout=2)
        self.assertEqual("__InstanceModificationEvent", name)
        self.assertEqual(
            (machine.name, 2),
            (event["TargetInstance"]["ElementName"], event["TargetInstance"]["EnabledState"]),
        )
        self.assertIn(event["PreviousInstance"]["EnabledState"], (states.OFF, states.STARTING))

    def test_creation_and_deletion(self):
        where = "WITHIN 0.02 WHERE TargetInstance ISA 'Msvm_SyntheticEthernetPortSettingData'"
        created = self.subscribe(f"SELECT * FROM __InstanceCreationEvent {where}")
        deleted = self.subscribe(f"SELECT * FROM __InstanceDeletionEvent {where}")
        machine = self.define()
        adapter = self.add(
            machine,
            "Msvm_SyntheticEthernetPortSettingData",
            "Synthetic Ethernet Port",
            ElementName="port",
            StaticMacAddress=False,
        )
        self.assertEqual("port", created.get(timeout=2)[1]["TargetInstance"]["ElementName"])
        time.sleep(0.1)  # until the other subscription has seen it too
        self.succeed(self.service, "RemoveResourceSettings", ResourceSettings=[adapter])
        self.assertEqual("port", deleted.get(timeout=2)[1]["TargetInstance"]["ElementName"])

    def test_one_query_tells_of_all_that_happens_to_instances(self):
        """Documented: the three kinds of events are __InstanceOperationEvents."""
        query = "SELECT * FROM __InstanceOperationEvent WITHIN 0.02 WHERE TargetInstance ISA '{}' {}"
        everything = self.subscribe(
            query.format("Msvm_ComputerSystem", "AND TargetInstance.ElementName = 'vm'")
        )
        deletions = self.subscribe(
            query.format("Msvm_ComputerSystem", "AND __CLASS = '__InstanceDeletionEvent'")
        )
        machine = self.define()
        self.assertEqual("__InstanceCreationEvent", everything.get(timeout=2)[0])
        self.request(machine, states.ENABLE)
        name, event = everything.get(timeout=2)
        self.assertEqual(
            ("__InstanceModificationEvent", {*event}), (name, {"TargetInstance", "PreviousInstance"})
        )
        self.request(machine, states.DISABLE)
        self.succeed(self.service, "DestroySystem", AffectedSystem=machine.system.path)
        self.assertEqual("__InstanceDeletionEvent", deletions.get(timeout=2)[0])

    def test_what_selects_too_much_has_a_code_of_its_own(self):
        with self.assertRaises(CimError) as caught:
            self.subscribe("SELECT * FROM __InstanceModificationEvent WITHIN 1")
        self.assertEqual(0x80042001, caught.exception.code)

    def test_queries_that_would_never_fire_are_refused(self):
        event = "SELECT * FROM __InstanceModificationEvent"
        for query, reason in (
            ("SELECT * FROM Msvm_Memory WITHIN 1", "no events of class Msvm_Memory"),
            (f"{event} WHERE TargetInstance ISA 'Msvm_Memory'", "needs WITHIN"),
            (f"{event} WITHIN 1", "ISA"),
            (f"{event} WITHIN 0 WHERE TargetInstance ISA 'Msvm_Memory'", "WITHIN 0.0 is too small"),
            (f"{event} WITHIN 0.001 WHERE TargetInstance ISA 'Msvm_Memory'", "WITHIN 0.001 is too small"),
            (
                f"{event} WITHIN 1 WHERE TargetInstance ISA 'Msvm_ComputerSystem' "
                "AND TargetInstance.EnabledState = PreviousInstance.ElementName",
                "cannot compare uint16 with string",
            ),
            (
                f"{event} WITHIN 1 WHERE TargetInstance ISA 'Msvm_ComputerSystem' "
                "AND TargetInstance.OperationalStatus <> PreviousInstance.OperationalStatus",
                "cannot compare uint16",
            ),
            (f"{event} WITHIN 1 WHERE TargetInstance ISA 'Nothing'", "no class Nothing"),
            (
                "SELECT * FROM __InstanceOperationEvent WITHIN 1 WHERE TargetInstance ISA 'Msvm_Memory' "
                "AND PreviousInstance.BlockSize = 1",
                "no property PreviousInstance",
            ),
            (
                f"{event} WITHIN 1 WHERE TargetInstance ISA 'Msvm_Memory' AND TargetInstance.Nothing = 1",
                "Nothing",
            ),
        ):
            with self.subTest(query=query), self.assertRaisesRegex(CimError, reason):
                self.subscribe(query)
