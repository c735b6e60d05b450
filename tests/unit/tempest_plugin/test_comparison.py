# SPDX-License-Identifier: Apache-2.0
"""What the host assertion says, above all of what is wrong."""

import dataclasses
import unittest

from hyperv_tempest_plugin.comparison import differences, failed_actions
from hyperv_tempest_plugin.host import Disk, Machine, Nic

IMAGE = "2b8d3a0e-34f5-4a2e-9c2e-7f0a0a5a1a11"
ROOT = Disk(r"C:\Instances\i-1\root.vhdx", (rf"C:\Instances\_base\{IMAGE}_1.vhdx",))
MACHINE = Machine("running", 60.0, 2, 512, (ROOT,), (Nic("fa:16:3e:00:00:01", True),))


class TestDifferences(unittest.TestCase):
    def compare(self, machine=MACHINE, cow_images=True, ephemeral=0, **changes):
        if machine:
            machine = dataclasses.replace(machine, **changes)
        server = {
            "status": "ACTIVE",
            "OS-EXT-STS:power_state": 1,
            "image": {"id": IMAGE},
            "OS-EXT-SRV-ATTR:instance_name": "instance-00000001",
        }
        flavor = {"vcpus": 2, "ram": 512, "OS-FLV-EXT-DATA:ephemeral": ephemeral}
        return differences(server, flavor, [{"mac_address": "fa:16:3e:00:00:01"}], machine, cow_images)

    def test_same(self):
        self.assertEqual([], self.compare())
        self.assertEqual([], self.compare(disks=(ROOT, Disk(r"C:\eph0.vhdx", ())), ephemeral=1))
        self.assertEqual([], self.compare(disks=(Disk(r"C:\root.vhdx", ()),), cow_images=False))

    def test_no_machine(self):
        self.assertEqual(
            ["nova says ACTIVE; the host has no virtual machine instance-00000001"], self.compare(None)
        )

    def test_no_disk(self):
        self.assertEqual(
            [f"disks: nova says a root disk from image {IMAGE}; the host has no disk"], self.compare(disks=())
        )

    def test_another_parent_or_none(self):
        for parents, said in (((), "none"), ((r"C:\other.vhdx",), r"C:\other.vhdx")):
            found = self.compare(disks=(Disk("C:\\d.vhdx", parents),))
            self.assertEqual(
                [
                    f"disk parents: nova says a root disk from image {IMAGE}; "
                    f"the host has C:\\d.vhdx, whose parents are {said}"
                ],
                found,
            )

    def test_each_figure(self):
        self.assertEqual(["state: nova says running; the host has off"], self.compare(state="off"))
        self.assertEqual(["vCPUs: nova says 2; the host has 1"], self.compare(vcpus=1))
        self.assertEqual(["memory in MiB: nova says 512; the host has 1024"], self.compare(memory=1024))

    def test_nics(self):
        self.assertEqual(
            ["MAC addresses: nova says ['fa:16:3e:00:00:01']; the host has []"], self.compare(nics=())
        )
        found = self.compare(nics=(Nic("fa:16:3e:00:00:01", False),))
        self.assertEqual(
            ["NIC fa:16:3e:00:00:01: nova says it is plugged; the host has it on no switch"], found
        )


class TestFailedActions(unittest.TestCase):
    def events(self, **changes):
        event = {"event": "compute_reboot_instance", "result": "Success", "traceback": None}
        return [{"action": "reboot", "events": [{**event, **changes}]}]

    def test_success(self):
        self.assertEqual([], failed_actions(self.events()))
        self.assertEqual([], failed_actions([{"action": "lock", "events": []}]))

    def test_failure(self):
        # Nova keeps the frames, without the exception itself.
        traceback = '  File "manager.py", line 1, in reboot\n    raise RuntimeError("no reboot today")\n'
        self.assertEqual(
            ['reboot: compute_reboot_instance is Error: raise RuntimeError("no reboot today")'],
            failed_actions(self.events(result="Error", traceback=traceback)),
        )
        self.assertEqual(
            ["reboot: compute_reboot_instance is Error: nova has no traceback of it"],
            failed_actions(self.events(result="Error")),
        )
