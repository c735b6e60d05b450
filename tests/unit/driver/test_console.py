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
        self.assertEqual({self.made.name}, set(self.driver._consoleops._logs))

    def test_ends_with_its_instance(self):
        log = self.driver._consoleops._logs[self.made.name]
        self.driver.destroy(self.context, self.made, [])
        self.assertFalse(log.is_alive())
        self.assertEqual({}, self.driver._consoleops._logs)

    def test_no_serial_console_unless_enabled(self):
        self.assertRaises(
            exception.ConsoleTypeUnavailable, self.driver.get_serial_console, self.context, self.made
        )

    def test_path_of_the_pipe(self):
        self.assertEqual(self.vm(self.made)["serial"], paths.serial_pipe(self.made.uuid))
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

    def test_shows_and_types(self):
        fake_host.Fifo.typed = b""
        pipe = self.instances / self.made.uuid
        os.mkfifo(pipe)
        with pipe.open("wb", buffering=0) as guest, self.connect(self.made) as client:
            client.sendall(b"early ")
            deadline = time.monotonic() + 5
            while fake_host.Fifo.typed != b"early " and time.monotonic() < deadline:
                time.sleep(0.01)
            guest.write(b"login: ")
            self.assertEqual(b"login: ", client.recv(100))
            client.sendall(b"root")
            while not fake_host.Fifo.typed.endswith(b"root") and time.monotonic() < deadline:
                time.sleep(0.01)
            pipe.unlink()
        self.assertEqual(b"early root", fake_host.Fifo.typed)
        self.assertEqual("login: ", self.driver.get_console_output(self.context, self.made))
        # The next one is served once the former has gone.
        self.connect(self.made)

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
