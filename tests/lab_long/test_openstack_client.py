# SPDX-License-Identifier: Apache-2.0
"""A server's life, its ways from host to host, its volumes, and an outage, by the client that users have:
`openstack`.
"""

import json
import os
import subprocess
import sys
import time
import unittest
from pathlib import Path

import yaml
from hyperv_tempest_plugin.host import REALIZED
from hyperv_tempest_plugin.wsman import Namespace
from winrm.protocol import Protocol

from lab.home import Home
from lab.pair import Pair
from tests.lab.command import lab

CLIENT = Path(sys.prefix) / "bin" / "openstack"
# The job whose nodes these are: two Windows hosts and a controller with cinder.
JOB = "hyperv-tempest-long"
# Seconds for one change of state, on a machine that has other work.
PATIENCE = 240
# Seconds that RabbitMQ is away: nova-compute and the agent have tried several times to reach it by then.
OUTAGE = 30
HOST, INSTANCE = "OS-EXT-SRV-ATTR:host", "OS-EXT-SRV-ATTR:instance_name"


class OpenStackClientTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        home = Home.from_environment()
        pair = Pair(home, "try")
        cls.addClassCleanup(pair.clear)
        made = lab("nodes", "--job", JOB)
        if made.code:
            raise AssertionError(f"`lab nodes` ended with {made.code}")
        cls.hosts = hosts = yaml.safe_load(pair.inventory.read_text())["all"]["hosts"]
        cls.ansible = [home.ansible / "11/bin/ansible", "--inventory", pair.inventory]
        others = {name: value for name, value in os.environ.items() if not name.startswith("OS_")}
        cls.environment = others | {
            "OS_AUTH_URL": f"http://{hosts['controller']['ansible_host']}:5000/v3",
            "OS_USERNAME": "admin",
            "OS_PASSWORD": (pair.root / "work/secrets/admin").read_text().strip(),
            "OS_PROJECT_NAME": "admin",
            "OS_USER_DOMAIN_ID": "default",
            "OS_PROJECT_DOMAIN_ID": "default",
            "OS_REGION_NAME": "RegionOne",
        }
        guest = home.images / "controller/guests/guest.vhdx"
        image = ["--disk-format=vhdx", "--container-format=bare", "--property=hw_machine_type=hyperv-gen2"]
        cls.openstack("image create", *image, f"--file={guest}", "guest")
        cls.openstack("flavor create", "--ram=256", "--disk=1", "small")
        cls.openstack("flavor create", "--ram=384", "--disk=2", "large")
        cls.openstack("flavor create", "--ram=512", "--disk=3", "larger")
        for name, prefix in (("net", "10.1.0.0/24"), ("other", "10.2.0.0/24")):
            cls.openstack("network create", name)
            cls.openstack("subnet create", f"--network={name}", f"--subnet-range={prefix}", "--no-dhcp", name)

    @classmethod
    def openstack(cls, command, *arguments):
        """Run a command and return what it printed.

        :raises AssertionError: if it fails, with what it said
        """
        words = [CLIENT, *command.split(), *arguments]
        done = subprocess.run(words, env=cls.environment, capture_output=True, text=True)
        if done.returncode:
            raise AssertionError(f"openstack {command} {' '.join(arguments)}: {done.stderr.strip()}")
        return done.stdout

    @classmethod
    def told(cls, command, *arguments):
        """Run a command that shows one thing or a list of things, and return that."""
        return json.loads(cls.openstack(command, "--format=json", *arguments))

    def until(self, kind, name, status):
        """Wait until a resource has a status, and return the resource."""
        deadline = time.monotonic() + PATIENCE
        while (found := self.told(f"{kind} show", name))["status"] != status:
            self.assertLess(time.monotonic(), deadline, found)
            self.assertNotIn(found["status"].lower(), ("error", "error_deleting"), found)
            time.sleep(1)
        return found

    def act(self, action, name, status, *arguments):
        """Have a server do something that ends in a status, and return the server."""
        self.openstack(f"server {action}", *arguments, name)
        return self.until("server", name, status)

    def create(self, name, *arguments):
        """Create a server, which goes with the test, and return it, active."""
        options = ["--flavor=small", "--network=net", *arguments, "--wait"]
        server = self.told("server create", *options, name)
        self.addCleanup(self.openstack, "server delete", "--wait", name)
        self.assertEqual("ACTIVE", server["status"])
        return server

    def test_life_of_a_server(self):
        self.create("life", "--image=guest", "--config-drive=true")
        self.assertTrue(self.openstack("console log show", "life").strip())
        for action, status in (
            ("pause", "PAUSED"),
            ("unpause", "ACTIVE"),
            ("suspend", "SUSPENDED"),
            ("resume", "ACTIVE"),
            ("stop", "SHUTOFF"),
            ("start", "ACTIVE"),
            ("rescue", "RESCUE"),
            ("unrescue", "ACTIVE"),
        ):
            with self.subTest(action):
                self.act(action, "life", status)
        for kind in ("--soft", "--hard"):
            self.openstack("server reboot", kind, "--wait", "life")

        self.act("resize", "life", "VERIFY_RESIZE", "--flavor=large")
        self.assertEqual("large", self.act("resize confirm", "life", "ACTIVE")["flavor"]["name"])
        self.act("resize", "life", "VERIFY_RESIZE", "--flavor=larger")
        self.assertEqual("large", self.act("resize revert", "life", "ACTIVE")["flavor"]["name"])

        self.openstack("server add network", "life", "other")
        self.assertEqual({"net", "other"}, set(self.told("server show", "life")["addresses"]))
        self.openstack("server remove network", "life", "other")
        self.assertEqual({"net"}, set(self.told("server show", "life")["addresses"]))

        self.openstack("server image create", "--name=picture", "--wait", "life")
        self.addCleanup(self.openstack, "image delete", "picture")
        self.assertEqual("vhdx", self.told("image show", "picture")["disk_format"])
        self.openstack("server rebuild", "--image=picture", "--wait", "life")
        self.act("shelve", "life", "SHELVED_OFFLOADED")
        self.assertEqual("ACTIVE", self.act("unshelve", "life", "ACTIVE")["status"])

    def test_ways_from_host_to_host(self):
        first = self.create("moving", "--image=guest")[HOST]
        services = self.told("compute service list", "--service=nova-compute")
        (other,) = {service["Host"] for service in services} - {first}

        self.openstack("server migrate", "--live-migration", "--block-migration", "--wait", "moving")
        self.assertEqual(other, self.told("server show", "moving")[HOST])
        self.act("migrate", "moving", "VERIFY_RESIZE")
        self.assertEqual(first, self.act("migration confirm", "moving", "ACTIVE")[HOST])
        self.act("migrate", "moving", "VERIFY_RESIZE")
        self.assertEqual(first, self.act("migration revert", "moving", "ACTIVE")[HOST])

    def test_volumes_of_a_server(self):
        self.create("host", "--image=guest")
        self.openstack("volume create", "--size=1", "data")
        self.addCleanup(self.openstack, "volume delete", "data")
        self.until("volume", "data", "available")
        self.openstack("server add volume", "host", "data")
        self.until("volume", "data", "in-use")
        self.openstack("volume set", "--size=2", "data")
        self.assertEqual(2, self.until("volume", "data", "in-use")["size"])
        self.openstack("server migrate", "--live-migration", "--block-migration", "--wait", "host")
        self.openstack("server remove volume", "host", "data")
        self.until("volume", "data", "available")

        self.openstack("volume create", "--size=1", "--image=guest", "root")
        self.addCleanup(self.openstack, "volume delete", "root")
        self.until("volume", "root", "available")
        first = self.create("booted", "--volume=root")[HOST]
        self.openstack("server migrate", "--live-migration", "--shared-migration", "--wait", "booted")
        self.assertNotEqual(first, self.told("server show", "booted")[HOST])
        self.act("stop", "booted", "SHUTOFF")
        self.act("start", "booted", "ACTIVE")

    def test_outage_of_rabbitmq(self):
        """What was being built is built once or not at all; what runs runs on; all goes on by itself."""
        self.create("before", "--image=guest")
        self.openstack("server create", "--flavor=small", "--network=net", "--image=guest", "meanwhile")
        self.addCleanup(self.openstack, "server delete", "--wait", "meanwhile")
        self.supervise("stop", "rabbitmq")
        time.sleep(OUTAGE)
        self.supervise("start", "rabbitmq")

        self.openstack("server reboot", "--hard", "--wait", "before")
        self.create("after", "--image=guest")
        deadline = time.monotonic() + PATIENCE
        while (meanwhile := self.told("server show", "meanwhile"))["status"] == "BUILD":
            self.assertLess(time.monotonic(), deadline, meanwhile)
            time.sleep(1)
        servers = [self.told("server show", name) for name in ("before", "after")]
        servers += [meanwhile] if meanwhile["status"] == "ACTIVE" else []
        self.assertEqual(sorted(server[INSTANCE] for server in servers), self.machines())

    def supervise(self, action, program):
        """Have the controller's supervisord start or stop a program."""
        line = f"/opt/hyperv-ci/venv/bin/supervisorctl -c openstack/etc/supervisord.conf {action} {program}"
        done = subprocess.run(
            [*self.ansible, "controller", "-m", "command", "-a", line], capture_output=True, text=True
        )
        self.assertEqual(0, done.returncode, done.stdout)

    def machines(self):
        """The names of the virtual machines of both Windows hosts, as these tell them."""
        found = []
        for host in self.hosts.values():
            if host.get("ansible_connection") == "winrm":
                protocol = Protocol(
                    f"https://{host['ansible_host']}:{host['ansible_port']}/wsman",
                    transport="certificate",
                    cert_pem=host["ansible_winrm_cert_pem"],
                    cert_key_pem=host["ansible_winrm_cert_key_pem"],
                    server_cert_validation="ignore",
                )
                wmi = Namespace(protocol, "root/virtualization/v2")
                realized = (
                    f"SELECT * FROM Msvm_VirtualSystemSettingData WHERE VirtualSystemType = '{REALIZED}'"
                )
                found += [settings["ElementName"] for settings in wmi.query(realized)]
        return sorted(found)
