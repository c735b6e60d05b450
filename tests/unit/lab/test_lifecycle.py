# SPDX-License-Identifier: Apache-2.0
"""One command at a time, free ports, enough disk; and a `down` that keeps what users made."""

import os
import socket
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path
from unittest import mock

from lab import lifecycle
from lab.errors import LabError
from lab.home import LONGEST_HOME, Home
from lab.services.daemon import Daemon


class HomeTest(unittest.TestCase):
    def test_from_the_environment(self):
        self.assertEqual(Path("/x/hyperv-ci"), Home.from_environment({"XDG_CACHE_HOME": "/x"}).root)
        self.assertEqual(
            Path("/y"), Home.from_environment({"XDG_CACHE_HOME": "/x", "HYPERV_CI_HOME": "/y"}).root
        )

    def test_relative(self):
        with self.assertRaisesRegex(LabError, "HYPERV_CI_HOME is x: expected an absolute path"):
            Home.from_environment({"HYPERV_CI_HOME": "x"})

    def test_too_long_for_sockets(self):
        with self.assertRaisesRegex(LabError, f"too long for Unix sockets: at most {LONGEST_HOME} bytes"):
            Home.from_environment({"HYPERV_CI_HOME": "/" + "x" * LONGEST_HOME})


class LifecycleTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.home = Home(Path(folder.name))

    def test_a_second_command_is_told_who_holds_the_lab(self):
        expected = rf"is busy with `lab up`, pid {os.getpid()}: wait until it ends"
        with lifecycle.exclusive(self.home, "lab up"):
            with self.assertRaisesRegex(LabError, expected), lifecycle.exclusive(self.home, "lab down"):
                self.fail("two at once")
        with lifecycle.exclusive(self.home, "lab down"):
            pass

    def test_a_command_that_died_holds_nothing(self):
        code = (
            "import os, pathlib; from lab import lifecycle; from lab.home import Home\n"
            f"home = Home(pathlib.Path({str(self.home.root)!r}))\n"
            "lifecycle.exclusive(home, 'lab up').__enter__(); os._exit(1)"
        )
        subprocess.run([sys.executable, "-c", code], check=False, cwd=Path(__file__).parents[3])
        with lifecycle.exclusive(self.home, "lab up"):
            pass

    def test_a_taken_port_names_its_program(self):
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            with mock.patch.dict(lifecycle.PORTS, {"Gerrit (HTTP)": ("127.0.0.1", port)}, clear=True):
                expected = (
                    rf"port {port} of 127.0.0.1 is in use by \S+ \(pid {os.getpid()}\): Gerrit \(HTTP\)"
                )
                with self.assertRaisesRegex(LabError, expected):
                    lifecycle.check_ports()

    def test_a_port_that_was_just_closed_is_free(self):
        with socket.create_server(("127.0.0.1", 0)) as server:
            address = server.getsockname()
            with socket.create_connection(address), server.accept()[0]:
                pass
        with mock.patch.dict(lifecycle.PORTS, {"Gerrit (HTTP)": address}, clear=True):
            lifecycle.check_ports()

    def test_a_full_disk(self):
        with (
            mock.patch.object(lifecycle.shutil, "disk_usage", return_value=mock.Mock(free=2**30)),
            self.assertRaisesRegex(LabError, "has 1.0 GiB free: the lab needs 4 GiB"),
        ):
            lifecycle.up(self.home, mock.Mock())

    def test_down_of_half_a_lab_ends_it_and_keeps_what_users_made(self):
        for path in (self.home.pids, self.home.logs, self.home.keys, self.home.gerrit_site, self.home.site):
            path.mkdir(parents=True)
        self.home.up.touch()
        daemon = Daemon(self.home, "gerrit")
        daemon.start(["sleep", "60"])
        self.assertFalse(lifecycle.is_up(self.home))
        self.assertEqual(["gerrit"], lifecycle.down(self.home))
        self.assertIsNone(daemon.process)
        self.assertEqual({"gerrit", "site", "logs"}, {path.name for path in self.home.state.iterdir()})

    def test_down_of_nothing(self):
        self.assertEqual([], lifecycle.down(self.home))
