# SPDX-License-Identifier: Apache-2.0
import base64
import json

import testtools

from lab.windows_sandbox.ansible import payload


def encoded(script):
    return "PowerShell -NoProfile -EncodedCommand " + base64.b64encode(script.encode("utf-16-le")).decode()


def call(**changes):
    content = {
        "module_entry": base64.b64encode(b"#!powershell\n").decode(),
        "module_args": {"_ansible_module_name": "ansible.windows.win_ping", "data": "pong"},
        "actions": ["module_powershell_wrapper"],
        "environment": [],
    } | changes
    return b"exec wrapper\0\0\0\0" + json.dumps(content).encode()


class TestUnwrap(testtools.TestCase):
    def test_however_deep(self):
        self.assertEqual("Get-Item x", payload.unwrap(encoded("Get-Item x")))
        self.assertEqual("Get-Item x", payload.unwrap(encoded(encoded("Get-Item x"))))
        self.assertEqual(
            "x", payload.unwrap('"C:\\Windows\\powershell.exe" -encodedcommand ' + encoded("x").split()[-1])
        )

    def test_other_command_lines(self):
        self.assertIsNone(payload.unwrap(r"C:\app\tool.exe -EncodedCommand eA=="))
        self.assertIsNone(payload.unwrap("powershell -Command x"))

    def test_rubbish(self):
        for rubbish in ("%%%", "'eA=='", "eA=="):
            self.assertRaises(payload.NotEncoded, payload.unwrap, f"powershell -EncodedCommand {rubbish}")


class TestDecode(testtools.TestCase):
    def test_module(self):
        result = payload.decode(call())
        self.assertEqual("ansible.windows.win_ping", result.name)
        self.assertEqual(b"#!powershell\n", result.source)
        self.assertEqual("pong", result.arguments["data"])
        self.assertEqual({}, result.environment)
        self.assertIsNone(result.job)

    def test_async_and_become(self):
        result = payload.decode(
            call(
                actions=["become_wrapper", "async_wrapper", "async_watchdog", "module_powershell_wrapper"],
                become_user="svc",
                become_password="secret",
                async_jid="j1",
                async_timeout_sec=5,
                environment={"A": 1},
            )
        )
        self.assertEqual(payload.AsyncJob("j1", 5, True), result.job)
        self.assertEqual(("svc", "secret"), (result.become_user, result.become_password))
        self.assertEqual({"A": "1"}, result.environment)

    def test_become_flags(self):
        def logon_type(flags):
            become = {"actions": ["become_wrapper"], "become_user": "svc", "become_flags": flags}
            return payload.decode(call(**become)).logon_type

        self.assertEqual("Interactive", logon_type(None))
        self.assertEqual("Interactive", logon_type("logon_flags="))
        flags = "logon_type=new_credentials logon_flags=netcredentials_only"
        self.assertEqual("NewCredentials", logon_type(flags))
        for wrong in ("logon_type=none", "logon_flags=batch", "batch", "logon_type=batch  "):
            error = self.assertRaises(payload.UnknownPayload, logon_type, wrong)
            self.assertIn(f"failed to parse become_flags '{wrong}'", str(error))

    def test_script(self):
        self.assertIsNone(payload.decode(call(actions=["module_script_wrapper"], module_args={})).name)

    def test_unknown_actions_are_named(self):
        error = self.assertRaises(payload.UnknownPayload, payload.decode, call(actions=["coverage_wrapper"]))
        self.assertIn("coverage_wrapper", str(error))

    def test_nothing(self):
        self.assertRaises(payload.UnknownPayload, payload.decode, b"")


class TestManifest(testtools.TestCase):
    """What ansible-core 2.19 and newer send."""

    def decode(self, *actions, data=b""):
        script = base64.b64encode(b"#!powershell\n").decode()
        manifest = {
            "actions": [
                {"name": name, "params": params, "secure_params": secret[0] if secret else {}}
                for name, params, *secret in actions
            ],
            "scripts": {"ansible.windows.win_ping.ps1": {"path": "x", "script": script}},
        }
        head = b'{"name":"exec_wrapper","script":"","params":{}}'
        return payload.decode(b"\n\0\0\0\0\n".join([head, json.dumps(manifest).encode(), data]))

    ARGUMENTS = {"_ansible_module_name": "ansible.windows.win_ping", "data": "pong"}
    MODULE = {
        "Script": "ansible.windows.win_ping.ps1",
        "Environment": {"A": 1},
        "Variables": [{"Name": "complex_args", "Value": ARGUMENTS, "Scope": "Global"}],
        "ForModule": True,
    }

    def test_module(self):
        call = self.decode(
            ("become_wrapper.ps1", {"BecomeUser": "svc", "LogonType": "Batch"}, {"BecomePassword": "secret"}),
            ("async_wrapper.ps1", {"AsyncDir": "x", "AsyncJid": "j1", "StartupTimeout": 5}),
            ("async_watchdog.ps1", {"Timeout": 9}),
            ("module_wrapper.ps1", self.MODULE),
        )
        self.assertEqual(("ansible.windows.win_ping", b"#!powershell\n"), (call.name, call.source))
        self.assertEqual((self.ARGUMENTS, {"A": "1"}), (call.arguments, call.environment))
        self.assertEqual(("svc", "secret"), (call.become_user, call.become_password))
        self.assertEqual("Batch", call.logon_type)
        self.assertEqual(payload.AsyncJob("j1", 9), call.job)

    def test_script(self):
        self.assertIsNone(self.decode(("module_wrapper.ps1", {**self.MODULE, "ForModule": False})).name)

    def test_plugin_script(self):
        script = self.decode(("winrm_put_file.ps1", {"Path": "C:\\x"}), data=b"eA==\n")
        self.assertEqual(payload.PluginScript("winrm_put_file.ps1", {"Path": "C:\\x"}, b"eA==\n"), script)

    def test_unknown_actions_are_named(self):
        error = self.assertRaises(payload.UnknownPayload, self.decode, ("coverage_wrapper.ps1", {}))
        self.assertIn("coverage_wrapper.ps1", str(error))
        self.assertRaises(payload.UnknownPayload, self.decode)
