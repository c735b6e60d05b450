# SPDX-License-Identifier: Apache-2.0
import hashlib

from lab.hyperv_model.host import HostFacts
from lab.hyperv_model.model import Model
from lab.windows_sandbox.ansible import execution, specification
from lab.windows_sandbox.ansible.payload import Call
from lab.windows_sandbox.environment import environment_of
from lab.windows_sandbox.installation import MACHINE_ENVIRONMENT
from tests.unit.windows_sandbox.host_case import HostCase


class TestShippedSources(HostCase):
    def test_a_source_that_nobody_read_is_said(self):
        result = self.succeed("ansible.windows.win_ping")
        self.assertIn("in 2.8.0; the source shipped is another", result["warnings"][0])

    def test_the_source_decides_and_not_the_name(self):
        source = b"the one that was read"
        module = specification.Module(
            "ansible.windows.win_ping",
            (3, 8, 0),
            hashlib.sha256(source).hexdigest(),
            {"data": {"type": "str"}},
        )
        self.patch(specification, "modules", lambda: {module.name: [module]})
        result = execution.run_module(
            self.session, Call("ansible.legacy.stat", source, {"data": "x"}, {}, None, None)
        )
        self.assertEqual("x", result["ping"])
        self.assertNotIn("warnings", result)

    def test_posix_names_of_ansible_s_own_plugins(self):
        self.assertEqual({"exists": False}, self.succeed("ansible.legacy.stat", path=r"C:\x")["stat"])


class TestRegistryModules(HostCase):
    KEY = r"HKLM:\SYSTEM\CurrentControlSet\Services\nova-compute"

    def test_values(self):
        for kind, data, stored in (
            ("string", "x", "x"),
            ("dword", "0x10", 16),
            ("dword", 7, 7),
            ("qword", 1 << 40, 1 << 40),
            ("multistring", ["a", "b"], ["a", "b"]),
            ("binary", "hex:be,ef", b"\xbe\xef"),
            ("expandstring", "%TEMP%", "%TEMP%"),
            ("binary", [1, 2], b"\1\2"),
        ):
            given = {"path": self.KEY, "name": "v", "data": data, "type": kind}
            self.assertTrue(self.succeed("win_regedit", **given)["changed"], kind)
            self.assertFalse(self.succeed("win_regedit", **given)["changed"], kind)
            self.assertEqual(stored, self.host.registry.data(self.KEY, "v"))

    def test_default_value(self):
        self.succeed("win_regedit", path=self.KEY + r"\PythonClass", data="a.B", type="string")
        self.assertEqual(("REG_SZ", "a.B"), self.host.registry.get(self.KEY + r"\PythonClass", ""))

    def test_stat(self):
        self.succeed("win_regedit", path=self.KEY, name="v", data="%TEMP%", type="expandstring")
        stat = self.succeed("win_reg_stat", path=self.KEY, name="V")
        self.assertEqual(("REG_EXPAND_SZ", "%TEMP%"), (stat["type"], stat["raw_value"]))
        self.assertIn("AppData", stat["value"])
        self.assertFalse(self.succeed("win_reg_stat", path=self.KEY, name="other")["exists"])
        self.assertEqual([], self.succeed("win_reg_stat", path=self.KEY)["sub_keys"])

    def test_removal(self):
        self.succeed("win_regedit", path=self.KEY, name="v", data="x")
        self.assertTrue(self.succeed("win_regedit", path=self.KEY, name="v", state="absent")["changed"])
        self.assertTrue(self.succeed("win_regedit", path=self.KEY, state="absent")["changed"])
        self.assertFalse(self.succeed("win_regedit", path=self.KEY, state="absent")["changed"])

    def differ(self, **parameters):
        result = self.succeed("win_regedit", path=self.KEY, _diff=True, **parameters)["diff"]
        return result["before"], result["after"]

    def test_diff(self):
        key, ten = self.KEY, {"v": {"type": "DWord", "value": "0x0000000a"}}
        self.assertEqual(({}, {key: {}}), self.differ(name="v", data=10, type="dword", _check_mode=True))
        self.assertEqual(({}, {key: ten}), self.differ(name="v", data=10, type="dword"))
        self.assertEqual(({key: ten}, {key: ten}), self.differ(name="v", data=10, type="dword"))
        text = {"v": {"type": "String", "value": "x"}}
        self.assertEqual(({key: ten}, {key: text}), self.differ(name="v", data="x"))
        self.assertEqual(({key: text}, {key: {}}), self.differ(name="v", state="absent"))
        self.assertEqual(({key: {}}, {}), self.differ(delete_key=True, state="absent"))
        data = {"v": {"type": "Binary", "value": ["0xbe", "0xef"]}}
        self.assertEqual(({}, {key: data}), self.differ(name="v", data="hex:be,ef", type="binary"))

    def test_refusals(self):
        self.fail_with("is not a valid powershell path", "win_regedit", path=r"HKLM\x", name="v")
        self.fail_with(
            "larger than 0xffffffff", "win_regedit", path=self.KEY, name="v", type="dword", data=1 << 32
        )

    def test_a_user_s_own_key(self):
        self.succeed("win_regedit", path=r"HKCU:\Software\x", name="v", data="mine")
        self.session.user = "other"
        self.assertFalse(self.succeed("win_reg_stat", path=r"HKCU:\Software\x")["exists"])

    def test_text_that_is_no_number(self):
        value = {"path": self.KEY, "name": "x", "type": "dword"}
        self.fail_with('convert value "many" to type', "win_regedit", **value, data="many")
        self.succeed("win_regedit", **value, data="010")
        self.assertEqual(10, self.succeed("win_reg_stat", path=self.KEY, name="x")["value"])


class TestCommands(HostCase):
    def test_check_mode_leaves_them_out(self):
        for module, more in (("win_command", {}), ("win_shell", {"executable": "cmd"})):
            left_out = self.succeed(module, _raw_params="whoami", _check_mode=True, **more)
            self.assertEqual((True, False), (left_out["skipped"], left_out["changed"]))
            self.assertIn("does not support check mode", left_out["msg"])

    def test_shell_of_older_releases(self):
        self.ship_oldest()
        ran = self.succeed("win_shell", _raw_params="echo one", executable="cmd")
        self.assertEqual("one\r\n", ran["stdout"])
        self.fail_with("Unsupported parameters", "win_shell", cmd="echo one", executable="cmd")

    def test_a_folder_that_is_not_there(self):
        for module, more in (("win_command", {}), ("win_shell", {"executable": "cmd"})):
            refused = self.fail_with(
                "directory name is invalid", module, _raw_params="whoami", chdir=r"C:\nowhere", **more
            )
            self.assertEqual(267, refused["rc"])


class TestEnvironment(HostCase):
    def environment(self, user="zuul"):
        return environment_of(self.host.registry, user, "HOST")

    def test_new_processes_see_it(self):
        self.assertTrue(self.succeed("win_environment", name="A", value="1", level="machine")["changed"])
        self.assertFalse(self.succeed("win_environment", name="a", value="1", level="machine")["changed"])
        self.assertEqual("1", self.environment()["A"])
        self.succeed("win_environment", name="A", level="machine", state="absent")
        self.assertNotIn("A", self.environment())

    def test_diff(self):
        given = {"name": "A", "level": "machine", "_diff": True}
        before, after = {"machine": {}}, {"machine": {"A": "1"}}
        diff = self.succeed("win_environment", value="1", _check_mode=True, **given)["diff"]
        self.assertEqual({"before": before, "after": after}, diff)
        self.succeed("win_environment", value="1", **given)
        diff = self.succeed("win_environment", state="absent", **given)["diff"]
        self.assertEqual({"before": after, "after": before}, diff)

    def test_a_user_s_path_follows_the_machine_s(self):
        self.succeed("win_environment", variables={"Path": r"C:\Tools"}, level="user")
        self.assertTrue(self.environment().value("PATH").endswith(r"\Wbem;C:\Tools"))
        self.assertNotIn("Tools", self.environment("other").value("PATH"))

    def test_machine_variables_expand(self):
        self.host.registry.set(MACHINE_ENVIRONMENT, "X", "REG_EXPAND_SZ", r"%SystemRoot%\x")
        self.assertEqual(r"C:\Windows\x", self.environment()["X"])

    def test_refusals(self):
        self.fail_with("value must be defined", "win_environment", name="A", state="present", level="user")
        self.fail_with("must be one of", "win_environment", name="A", value="1", level="planet")


class TestWaiting(HostCase):
    def test_path(self):
        self.write(r"C:\file", "ready now")
        self.assertEqual(
            1, self.succeed("win_wait_for", path=r"C:\file", regex="READY", timeout=1)["wait_attempts"]
        )
        self.fail_with(
            "timeout while waiting for file C:\\no to be present", "win_wait_for", path=r"C:\no", timeout=1
        )

    def test_port(self):
        self.fail_with("to start listening", "win_wait_for", host="127.0.0.1", port=1, timeout=1)
        self.succeed("win_wait_for", host="127.0.0.1", port=1, state="stopped", timeout=1)


class TestFacts(HostCase):
    def setUp(self):
        super().setUp()
        facts = HostFacts(memory_mb=4096, reserved_mb=96, sockets=2, cores=4, logical_processors=8)
        self.host.model = Model("hyperv-test", self.session.local, self.host.root, facts)
        self.addCleanup(self.host.model.close)

    def facts(self, *subset):
        return self.succeed("setup", gather_subset=list(subset))["ansible_facts"]

    def test_minimum(self):
        facts = self.facts("!all")
        self.assertEqual(
            ("Windows", "hyperv-test", "C:\\Users\\zuul"),
            (facts["ansible_os_family"], facts["ansible_hostname"], facts["ansible_user_dir"]),
        )
        self.assertIn("simulated", facts["ansible_distribution"])
        self.assertNotIn("ansible_memtotal_mb", facts)
        self.assertEqual(facts["ansible_env"], self.facts("min", "!all")["ansible_env"])

    def test_more(self):
        facts = self.facts("all")
        told = [facts[f"ansible_{name}"] for name in ("memtotal_mb", "memfree_mb", "product_name")]
        self.assertEqual([4096, 4000, "Simulated Hyper-V host"], told)
        processor = ("vcpus", "count", "cores", "threads_per_core")
        self.assertEqual([8, 2, 2, 2], [facts[f"ansible_processor_{name}"] for name in processor])
        self.assertEqual(("7", "Simulated"), tuple(facts["ansible_processor"][21:23]))
        self.assertEqual(
            {"gather_subset", "module_setup", "ansible_powershell_version"},
            set(self.facts("!all", "!min", "powershell_version")),
        )

    def test_what_gather_facts_hands_on(self):
        facts = self.succeed("setup", gather_subset=["!all"], filter=["ansible_distribution*"])
        self.assertIn("ansible_distribution", facts["ansible_facts"])


class TestEventLog(HostCase):
    def test_newest(self):
        for number in range(5):
            self.host.event_log.write("System", "Test", number, "Warning", f"message {number}")
        self.assertEqual([3, 4], [event.id for event in self.host.event_log.newest("system", 2)])
        self.assertEqual([], self.host.event_log.newest("Application", 5))
        self.assertRaises(KeyError, self.host.event_log.newest, "Nothing", 5)
        self.assertRaises(ValueError, self.host.event_log.write, "System", "Test", 1, "Fatal", "")
