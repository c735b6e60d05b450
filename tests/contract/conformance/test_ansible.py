# SPDX-License-Identifier: Apache-2.0
"""Modules of ansible.windows, by Ansible."""

import uuid

from hyperv_tempest_plugin.wsman import Namespace

from tests.contract.conformance.conforming_host import ConformanceCase


class TestModules(ConformanceCase):
    def test_ping(self):
        self.assertEqual("pong", self.module("ansible.windows.win_ping")["ping"])

    def test_facts(self):
        facts = self.module("ansible.builtin.setup", gather_subset=["!all"])["ansible_facts"]
        self.assertEqual(("Windows", "Win32NT"), (facts["ansible_os_family"], facts["ansible_system"]))

    def test_facts_are_what_wmi_says(self):
        facts = self.module("ansible.builtin.setup", gather_subset=["hardware"])["ansible_facts"]
        wmi = Namespace(self.connect(), "root/cimv2")
        (system,) = wmi.query("SELECT * FROM Win32_OperatingSystem")
        sockets = wmi.query("SELECT * FROM Win32_Processor")
        self.assertEqual(system["Caption"], facts["ansible_distribution"])
        self.assertEqual(-(-int(system["TotalVisibleMemorySize"]) // 1024), facts["ansible_memtotal_mb"])
        count = sum(int(socket["NumberOfLogicalProcessors"]) for socket in sockets)
        self.assertEqual(count, facts["ansible_processor_vcpus"])
        self.assertEqual(len(sockets), facts["ansible_processor_count"])

    def test_refusals(self):
        missing = self.module("ansible.windows.win_command", argv=[f"hyperv-ci-{uuid.uuid4()}.exe"])
        self.assertEqual((True, 2), (missing["failed"], missing["rc"]))
        unknown = self.module("ansible.windows.win_file", path="C:\\Windows", colour="red")
        self.assertTrue(unknown["failed"])
        self.assertIn("colour", unknown["msg"])

    def test_files(self):
        place = self.module("ansible.windows.win_tempfile", state="directory", prefix="hyperv-ci-")["path"]
        self.addCleanup(self.module, "ansible.windows.win_file", path=place, state="absent")
        path = f"{place}\\text.txt"
        copied = self.module("ansible.windows.win_copy", content="grüße ☃\n", dest=path)
        self.assertTrue(copied["changed"])
        self.assertFalse(self.module("ansible.windows.win_copy", content="grüße ☃\n", dest=path)["changed"])
        stat = self.module("ansible.windows.win_stat", path=path.upper())["stat"]
        self.assertEqual((True, False, copied["checksum"]), (stat["exists"], stat["isdir"], stat["checksum"]))
        said = self.module("ansible.windows.win_shell", _raw_params=f'type "{path}"', executable="cmd")
        self.assertEqual(0, said["rc"])
