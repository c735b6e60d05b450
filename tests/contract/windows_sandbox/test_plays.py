# SPDX-License-Identifier: Apache-2.0
"""Real Ansible against a started host."""

import filecmp
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import winrm
from winrm.exceptions import InvalidCredentialsError

from tests.contract.windows_sandbox.started_host import (
    ADDRESS,
    CHECKOUT,
    StartedHostCase,
    make_certificate,
    newest_python,
)

PASSWORD = "correct horse 1"


class Plays:
    """What every Ansible can do with a host."""

    def test_ping(self):
        self.assertEqual("pong", self.module("ansible.windows.win_ping")["ping"])

    def test_files(self):
        large = self.started.folder / "large.bin"
        large.write_bytes(os.urandom(3_000_000))
        self.play("files.yaml")
        self.assertTrue(filecmp.cmp(large, self.started.folder / "fetched" / "large.bin", shallow=False))

    def test_processes(self):
        self.play("processes.yaml")

    def test_system(self):
        self.play("system.yaml", password=PASSWORD)
        # The user that the play has made logs on, over either listener and through cmd.exe.
        for scheme, transport in (("http", "ntlm"), ("https", "ntlm"), ("https", "basic")):
            session = winrm.Session(
                f"{self.started.urls[scheme]}/wsman",
                auth=("ci", PASSWORD),
                transport=transport,
                server_cert_validation="ignore",
            )
            ran = session.run_cmd("whoami && echo %USERPROFILE% | findstr ci")
            self.assertEqual(b"hyperv-sim-9\\ci\r\nC:\\Users\\ci \r\n", ran.std_out, ran.std_err)
        wrong = winrm.Session(f"{self.started.urls['http']}/wsman", auth=("ci", "guess"), transport="ntlm")
        self.assertRaises(InvalidCredentialsError, wrong.run_cmd, "ver")

    def test_certificates(self):
        make_certificate(self.started.folder, "build", "build-1")
        self.play(
            "certificates.yaml", script=f"{CHECKOUT}/trusted/roles/authorize-build/files/map-certificate.ps1"
        )

    def test_a_module_that_nobody_read(self):
        read = self.started.collections / "ansible_collections/ansible/windows/plugins/modules/win_ping.ps1"
        other = self.started.folder / "library" / "win_ping.ps1"
        other.parent.mkdir()
        other.write_text(read.read_text() + "# changed\n")
        self.assertEqual("pong", self.module("win_ping")["ping"])
        self.assertIn(
            "win_ping as its collection has it in 2.8.0; the source shipped is another",
            self.started.log(),
        )


class TestPlays(Plays, StartedHostCase):
    """Through the Ansible that Zuul 14.3 manages: core 2.18."""


class AnsibleOfItsOwn(Plays):
    """Through an Ansible with its own collections, in an environment of its own: the tests' has Zuul's."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        venv = cls.started.folder / "venv"
        uv = Path(sys.executable).with_name("uv")
        subprocess.run([uv, "venv", "--quiet", "--python", cls.python, venv], check=True)
        packages = [cls.release, "pywinrm==0.5.0"]
        subprocess.run([uv, "pip", "install", "--quiet", "--python", venv, *packages], check=True)
        cls.started.use_ansible(venv)

    def test_services(self):
        self.play("services.yaml")

    def test_a_service_in_python(self):
        self.play("python_service.yaml")

    def play(self, name, **variables):
        """As everywhere, and every module is one that was read."""
        before = len(self.started.log())
        super().play(name, **variables)
        self.assertNotIn("the source shipped is another", self.started.log()[before:])


# The newest release that there is for the newest Python here; none is fetched. Pinned, because the modules of
# these were read: for another, read first what changed in its modules (generate_specs.py).
if _PYTHON := newest_python(("3.14", "3.13", "3.12")):

    class TestAnsible14(AnsibleOfItsOwn, StartedHostCase):
        """ansible-core 2.21."""

        python, release = _PYTHON, "ansible==14.5.0"

else:

    class TestAnsible12(AnsibleOfItsOwn, StartedHostCase):
        """ansible-core 2.19, the last that Debian 12's Python runs."""

        python, release = "/usr/bin/python3", "ansible==12.3.0"


class TestServices(StartedHostCase):
    def test_services(self):
        self.play("services.yaml")
        log = (self.started.folder / "fetched" / "events.log").read_text()
        for event in (
            "7036: The A good one service entered the running state.",
            "7009: A timeout was reached (800 milliseconds) while waiting for the console service",
            "7000: The dies service failed to start",
            "7024: The refuses service terminated with the following service-specific error: 42",
            "7031: The crashes service terminated unexpectedly. It has done this 1 time(s). The following",
            "7034: The crashes service terminated unexpectedly. It has done this 2 time(s).",
            "7024: The fails service terminated with the following service-specific error: 5",
        ):
            self.assertIn(event, log)
        # The first failure of each was followed by a start, the second was not.
        for name in ("crashes", "fails"):
            self.assertEqual(2, log.count(f"7036: The {name} service entered the running state."), log)

        self.assertEqual(0, self.started.stop())
        self.started.start()
        for _ in range(50):
            state = self.module("ansible.windows.win_service_info", name="survivor")["services"][0]["state"]
            if state == "started":
                break
            time.sleep(0.1)
        self.assertEqual("started", state)
        self.assert_nothing_is_left()

    def test_a_service_in_python(self):
        self.play("python_service.yaml")

    def assert_nothing_is_left(self):
        started = descendants(self.started.process.pid)
        self.assertNotEqual([], started)
        self.started.process.kill()
        self.started.process.wait()
        deadline = time.monotonic() + 5
        while left := [pid for pid in started if Path(f"/proc/{pid}").exists()]:
            self.assertLess(time.monotonic(), deadline, f"processes of the killed host still run: {left}")
            time.sleep(0.05)
        self.started.start()


def descendants(pid):
    """Return the ids of all processes below one."""
    children = Path(f"/proc/{pid}/task").glob("*/children")
    found = [int(word) for path in children for word in path.read_text().split()]
    return found + [below for child in found for below in descendants(child)]


class TestContainment(StartedHostCase):
    def test_processes_see_nothing_of_this_machine(self):
        tool = Path(__file__).parent / "plays" / "files" / "tool.exe"
        self.module("ansible.windows.win_copy", src=str(tool), dest="C:\\tool.exe")
        looked = self.module(
            "win_command",
            argv=["C:\\tool.exe", "--look", str(CHECKOUT), str(self.started.root), "/root", "/home", "/c"],
        )
        seen = json.loads(looked["stdout"])
        self.assertEqual({"/c"}, {path for path, exists in seen.items() if exists is True})
        # bubblewrap's first process and the tool.
        self.assertEqual(2, seen["processes"])


class TestFaults(StartedHostCase):
    def test_a_host_that_says_no_and_dies(self):
        rules = self.started.root / "faults.json"
        self.set_rules(rules, {"fault": "winrm", "action": "Create", "do": "refuse", "code": 5})
        self.assertIn("A fault rule of this host says no", str(self.module("ansible.windows.win_ping")))
        self.set_rules(rules, {"fault": "disk-full"})
        self.assertIn("not enough space", str(self.module("ansible.windows.win_tempfile")))
        self.set_rules(rules, {"fault": "death", "seconds": 0})
        self.assertEqual(-signal.SIGKILL, self.started.process.wait(20))

    def set_rules(self, path, rule):
        path.write_text(json.dumps([rule]))
        before = self.started.log().count("by rule")
        self.started.process.send_signal(signal.SIGHUP)
        for _ in range(600):
            if self.started.log().count("by rule") > before or self.started.process.poll() is not None:
                return
            time.sleep(0.05)
        self.fail(self.started.log())


class TestBadInput(StartedHostCase):
    def refused(self, **changes):
        options = {
            "root": self.started.folder / "other",
            "address": ADDRESS,
            "name": "x",
            "tls": self.started.tls,
        } | changes
        command = [sys.executable, "-m", "lab.windows_host"]
        command += [word for name, value in options.items() for word in (f"--{name}", str(value))]
        ended = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, timeout=20)
        self.assertNotEqual(0, ended.returncode)
        self.assertNotIn("Traceback", ended.stderr)
        return [line for line in ended.stderr.splitlines() if line.startswith("windows_host: ")]

    def test_one_clear_line_each(self):
        port = (self.started.root / "ready").read_text().strip().rpartition(":")[2]
        for changes, words in (
            ({"tls": "/nowhere"}, "/nowhere/server.pem is missing"),
            ({"image": "/nowhere"}, "image /nowhere has no folder C"),
            ({"root": "/tmp/" + "x" * 120}, "too long for Unix sockets"),
            ({"name": "bad name"}, "host name bad name"),
            ({"port": port}, f"cannot listen on {ADDRESS}:{port}"),
        ):
            lines = self.refused(**changes)
            self.assertEqual(1, len(lines), lines)
            self.assertIn(words, lines[0])
