# SPDX-License-Identifier: Apache-2.0
"""A controller node, reached with the real ssh client."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import unittest
from pathlib import Path

CHECKOUT = Path(__file__).parents[3]
ADDRESS = "127.0.2.250"


def free_port():
    """Return a port that nobody listens on at ADDRESS."""
    with socket.create_server((ADDRESS, 0)) as server:
        return server.getsockname()[1]


class ControllerNodeTest(unittest.TestCase):
    def setUp(self):
        self.root = Path(tempfile.mkdtemp(prefix="controller-node-"))
        self.addCleanup(shutil.rmtree, self.root)
        self.port = free_port()
        (self.root / "image").mkdir()
        (self.root / "image" / "marker").write_text("of the image")
        for name in ("login", "host"):
            subprocess.run(
                ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", self.root / name], check=True
            )

    def start(self, **changed):
        """Start a node; return its process."""
        options = {
            "root": self.root / "node",
            "name": "controller-250",
            "address": ADDRESS,
            "port": self.port,
            "image": self.root / "image",
            "authorized-key": self.root / "login.pub",
            "host-key": self.root / "host",
        } | changed
        arguments = [word for name, value in options.items() for word in (f"--{name}", str(value))]
        command = [sys.executable, "-m", "lab.controller_node", *arguments]
        process = subprocess.Popen(command, cwd=CHECKOUT, stderr=subprocess.PIPE, text=True)
        self.addCleanup(process.stderr.close)
        self.addCleanup(process.wait)
        self.addCleanup(process.terminate)
        return process

    def wait_until_ready(self, process):
        deadline = time.monotonic() + 20
        while not (self.root / "node" / "ready").exists():
            self.assertIsNone(process.poll(), "the node ended")
            self.assertLess(time.monotonic(), deadline, "the node is not ready after 20 s")
            time.sleep(0.05)

    def ssh(self, command, *options):
        """Run a command on the node; return the completed process."""
        known_hosts = self.root / "known_hosts"
        key = (self.root / "host.pub").read_text()
        known_hosts.write_text(f"[{ADDRESS}]:{self.port} {key}")
        words = ["ssh", "-F", "none", "-o", f"UserKnownHostsFile={known_hosts}", "-o", "BatchMode=yes"]
        words += ["-i", self.root / "login", "-p", str(self.port), *options, f"zuul@{ADDRESS}", command]
        return subprocess.run(words, capture_output=True, text=True, timeout=30, stdin=subprocess.DEVNULL)

    def output(self, command, *options):
        result = self.ssh(command, *options)
        self.assertEqual(0, result.returncode, result.stderr)
        return result.stdout.strip()

    def test_it_is_a_machine_of_its_own(self):
        process = self.start()
        self.wait_until_ready(process)
        self.assertEqual("zuul controller-250 /home/zuul", self.output('echo $(id -un) $(hostname) "$PWD"'))
        self.assertEqual("of the image", self.output("cat /opt/hyperv-ci/marker"))
        self.assertEqual("1", self.output("ls /home | wc -l"))
        self.assertNotEqual(0, self.ssh(f"ls {CHECKOUT} || ls {self.root}").returncode)
        self.assertNotIn(str(self.root), self.output("ps axww"))
        self.assertNotIn(str(process.pid), self.output("ps axo pid").split())
        for path in ("/usr/x", "/opt/hyperv-ci/x", "/etc/passwd"):
            self.assertIn("Read-only file system", self.ssh(f"echo >> {path}").stderr)

    def test_it_gives_terminals(self):
        self.wait_until_ready(self.start())
        self.assertEqual("/dev/pts/0", self.output("tty", "-tt"))

    def test_another_key_is_refused(self):
        self.wait_until_ready(self.start())
        shutil.move(self.root / "host", self.root / "login")
        self.assertIn("Permission denied", self.ssh("true").stderr)

    def test_its_end_takes_every_process(self):
        process = self.start()
        self.wait_until_ready(process)
        self.output(f"setsid sleep {os.getpid()}.25 >/dev/null 2>&1 < /dev/null & true")
        process.send_signal(signal.SIGTERM)
        self.assertEqual(0, process.wait(timeout=10))
        self.assertNotIn(f"sleep {os.getpid()}.25", subprocess.check_output(["ps", "axww"], text=True))
        self.assertFalse((self.root / "node" / "ready").exists())
        with socket.socket() as client:
            self.assertNotEqual(0, client.connect_ex((ADDRESS, self.port)))

    def test_a_port_in_use_is_one_clear_line(self):
        with socket.create_server((ADDRESS, self.port)):
            process = self.start()
            self.assertEqual(1, process.wait(timeout=20))
            (line,) = process.stderr.read().splitlines()
            self.assertIn(f"controller node at {ADDRESS}:{self.port}: sshd ended with", line)

    def test_a_missing_image_is_one_clear_line(self):
        process = self.start(image=self.root / "absent")
        self.assertEqual(1, process.wait(timeout=20))
        self.assertIn(f"image {self.root / 'absent'} does not exist", process.stderr.read())
