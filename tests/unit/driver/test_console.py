# SPDX-License-Identifier: Apache-2.0
import os
import pathlib
import socket
import time

from nova import exception

from hyperv_driver import paths
from tests.unit.driver import base, fake_host
from tests.unit.driver.base import instance


class ConsoleTest(base.DriverTestCase):
    """The pipe is a FIFO here: it blocks a reader, and ends when its writer leaves, as Hyper-V's does."""

    def setUp(self):
        super().setUp()
        self.useFixture_patch("hyperv_driver.consoleops.LOOK_EVERY", 0.01)
        self.useFixture_patch(
            "hyperv_driver.paths.serial_pipe", lambda uuid: str(self.instances / f"pipe-{uuid}")
        )
        self.made = self.spawn()
        self.pipe = self.instances / f"pipe-{self.made.uuid}"

    def guest_writes(self, data):
        os.mkfifo(self.pipe)
        with self.pipe.open("wb") as pipe:
            # Before its reader sees the end and looks for it again.
            self.pipe.unlink()
            pipe.write(data)

    def output(self):
        return self.driver.get_console_output(self.context, self.made)

    def assertOutput(self, expected):
        deadline = time.monotonic() + 5
        while self.output() != expected and time.monotonic() < deadline:
            time.sleep(0.01)
        self.assertEqual(expected, self.output())

    def test_nothing_written_yet(self):
        self.assertEqual("", self.output())

    def test_keeps_all_boots(self):
        self.guest_writes(b"first boot\n")
        self.assertOutput("first boot\n")
        self.guest_writes(b"second boot\n")
        self.assertOutput("first boot\nsecond boot\n")

    def test_kept_when_off(self):
        self.guest_writes(b"before\n")
        self.assertOutput("before\n")
        self.driver.power_off(self.made)
        self.assertEqual("before\n", self.output())

    def test_does_not_grow_for_ever(self):
        self.useFixture_patch("hyperv_driver.consoleops.LOG_SIZE", 10_000)
        self.guest_writes(b"".join(b"line %05d\n" % number for number in range(5000)))
        self.guest_writes(b"end\n")
        deadline = time.monotonic() + 5
        while not self.output().endswith("end\n") and time.monotonic() < deadline:
            time.sleep(0.01)
        self.assertTrue(self.output().endswith("line 04999\nend\n"))
        self.assertLess(len(self.output()), 30_000)

    def test_service_that_starts_finds_its_instances(self):
        self.driver._consoleops.stop(self.made.name)
        foreign = {"notes": ["made by hand"], "state": 2}
        self.host.vmutils.vms["foreign"] = foreign
        self.driver._vmops.resume_consoles()
        self.guest_writes(b"again\n")
        self.assertOutput("again\n")
        self.assertEqual({self.made.name}, set(self.driver._consoleops._ports))

    def test_ends_with_its_instance(self):
        log = self.driver._consoleops._ports[self.made.name][0]
        self.driver.destroy(self.context, self.made, [])
        self.assertFalse(log.is_alive())
        self.assertEqual({}, self.driver._consoleops._ports)

    def test_no_serial_console_unless_enabled(self):
        self.assertRaises(
            exception.ConsoleTypeUnavailable, self.driver.get_serial_console, self.context, self.made
        )

    def test_path_of_the_pipe(self):
        self.assertEqual(self.vm(self.made)["serial"], {1: paths.serial_pipe(self.made.uuid)})
        self.assertTrue(pathlib.Path(paths.console_log(self.made.name)).is_relative_to(self.instances))


class SerialConsoleTest(base.DriverTestCase):
    def setUp(self):
        super().setUp()
        self.useFixture_patch("hyperv_driver.consoleops.LOOK_EVERY", 0.01)
        self.useFixture_patch("hyperv_driver.paths.serial_pipe", lambda uuid: str(self.instances / uuid))
        self.config(enabled=True, port_range="20000:20002", group="serial_console")
        self.made = self.spawn()

    def connect(self, made):
        console = self.driver.get_serial_console(self.context, made)
        client = socket.create_connection((console.host, console.port), timeout=5)
        self.addCleanup(client.close)
        return client

    def type(self, client, keys):
        """Type, and wait until the guest has it: output is shown to who is served already."""
        fake_host.Fifo.typed = b""
        client.sendall(keys)
        deadline = time.monotonic() + 5
        while fake_host.Fifo.typed != keys and time.monotonic() < deadline:
            time.sleep(0.01)
        self.assertEqual(keys, fake_host.Fifo.typed)

    def test_shows_and_types(self):
        pipe = self.instances / self.made.uuid
        os.mkfifo(pipe)
        with pipe.open("wb", buffering=0) as guest, self.connect(self.made) as client:
            self.type(client, b"early")
            guest.write(b"login: ")
            self.assertEqual(b"login: ", client.recv(100))
            self.type(client, b"root")
            pipe.unlink()
        self.assertEqual("login: ", self.driver.get_console_output(self.context, self.made))
        # The next one is served once the former has gone.
        self.connect(self.made)

    def test_console_and_log_on_ports_of_their_own(self):
        self.useFixture_patch(
            "hyperv_driver.paths.console_pipe", lambda uuid: str(self.instances / f"terminal-{uuid}")
        )
        properties = {"image_interactive_serial_port": "2", "image_logging_serial_port": "1"}
        made = self.spawn(instance("x-2", system_metadata=properties))
        self.assertEqual(
            {1: paths.serial_pipe(made.uuid), 2: paths.console_pipe(made.uuid)}, self.vm(made)["serial"]
        )
        for port in paths.serial_pipe(made.uuid), paths.console_pipe(made.uuid):
            os.mkfifo(port)
        logged, shown = paths.serial_pipe(made.uuid), paths.console_pipe(made.uuid)
        with (
            open(logged, "wb", buffering=0) as log,
            open(shown, "wb", buffering=0) as terminal,
            self.connect(made) as client,
        ):
            self.type(client, b"early")
            log.write(b"boots")
            terminal.write(b"login: ")
            self.assertEqual(b"login: ", client.recv(100))
            for port in logged, shown:
                os.unlink(port)
        deadline = time.monotonic() + 5
        output = ""
        while not output and time.monotonic() < deadline:
            output = self.driver.get_console_output(self.context, made)
        self.assertEqual("boots", output)

    def test_both_on_the_second_port(self):
        properties = {"image_interactive_serial_port": "2", "image_logging_serial_port": "2"}
        made = self.spawn(instance("x-2", system_metadata=properties))
        self.assertEqual({2: paths.serial_pipe(made.uuid)}, self.vm(made)["serial"])

    def test_port_that_no_machine_has(self):
        for properties in ({"image_interactive_serial_port": "3"}, {"image_logging_serial_port": "COM1"}):
            refused = self.assertRaises(
                exception.InstanceUnacceptable,
                self.spawn,
                instance("x-2", system_metadata=properties),
            )
            self.assertIn("expected 1 or 2", str(refused))

    def test_ports_come_back(self):
        console = self.driver.get_serial_console(self.context, self.made)
        second, third = self.spawn(instance("x-2")), self.spawn(instance("x-3"))
        self.assertNotEqual(console.port, self.driver.get_serial_console(self.context, second).port)
        self.assertRaises(
            exception.ConsoleTypeUnavailable, self.driver.get_serial_console, self.context, third
        )
        self.driver.destroy(self.context, self.made, [])
        fourth = self.spawn(instance("x-4"))
        self.assertEqual(console.port, self.driver.get_serial_console(self.context, fourth).port)
