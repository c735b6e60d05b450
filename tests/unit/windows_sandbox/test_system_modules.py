# SPDX-License-Identifier: Apache-2.0
"""Modules of accounts, settings and the web."""

import functools
import hashlib
import http.server
import json
import tempfile
import threading
from pathlib import Path

from lab.windows_sandbox.ansible import powershell
from lab.windows_sandbox.ansible.payload import Call
from lab.windows_sandbox.user_rights import UserRights
from tests.unit.windows_sandbox.host_case import HostCase, TwiceCase


class TestAccountModules(TwiceCase):
    def test_user(self):
        made = self.change("win_user", name="ci", password="s3cret", fullname="C I", groups=["Users"])
        self.assertEqual([("Users")], [group["name"] for group in made["groups"]])
        self.assertEqual("ci", self.host.accounts.user_of_password("ci", "s3cret"))
        self.change("win_user", name="ci", groups=["S-1-5-32-544"], groups_action="add")
        self.assertEqual(["Administrators", "Users"], self.host.accounts.groups_of("ci"))
        self.change("win_user", name="ci", account_disabled=True)
        self.assertTrue(self.succeed("win_user", name="ci", state="query")["account_disabled"])
        self.assertTrue(self.succeed("win_user", name="ci", password="x")["changed"])
        self.assertFalse(
            self.succeed("win_user", name="ci", password="y", update_password="on_create")["changed"]
        )
        self.fail_with("group 'none' not found", "win_user", name="ci", groups=["none"])
        self.change("win_user", name="ci", state="absent")
        self.assertEqual("absent", self.succeed("win_user", name="ci", state="query")["state"])

    def test_group_and_membership(self):
        self.host.accounts.create_user("ci")
        made = self.change("win_group", name="builders", description="build", members={"add": ["ci"]})
        self.assertEqual(self.host.accounts.group("builders").sid, made["sid"])
        self.change("win_group_membership", name="builders", members=["Administrator"], state="present")
        pure = self.change("win_group_membership", name="builders", members=["ci"], state="pure")
        self.assertEqual(["HYPERV-TEST\\Administrator"], pure["removed"])
        self.assertEqual(["HYPERV-TEST\\ci"], pure["members"])
        self.fail_with("Could not find local group", "win_group_membership", name="none", members=["ci"])
        self.fail_with("no local user", "win_group", name="builders", members={"set": ["nobody"]})
        self.change("win_group", name="builders", state="absent")

    def test_whoami(self):
        self.host.accounts.ensure_administrator("zuul")
        who = self.succeed("win_whoami")
        self.assertEqual("zuul", who["account"]["account_name"])
        self.assertEqual("High Mandatory Level", who["label"]["account_name"])
        groups = {group["account_name"]: group["type"] for group in who["groups"]}
        self.assertEqual(("Alias", "WellKnownGroup"), (groups["Administrators"], groups["NETWORK"]))


class TestUserRights(TwiceCase):
    RIGHT = "SeServiceLogonRight"

    def test_right(self):
        self.host.accounts.create_user("svc")
        added = self.change("win_user_right", name=self.RIGHT, users=[r".\svc"], action="add")
        self.assertEqual([r"HYPERV-TEST\svc"], added["added"])
        self.assertIn(self.RIGHT, self.host.rights.of("svc"))
        reread = UserRights(self.host.root / "user-rights.json", self.host.accounts)
        self.assertEqual(self.host.rights.holders(self.RIGHT), reread.holders(self.RIGHT))
        diff = self.run_module("win_user_right", True, True, name=self.RIGHT, users=["Users"])["diff"]
        self.assertEqual(
            [r"NT SERVICE\ALL SERVICES", r"NT VIRTUAL MACHINE\Virtual Machines", r"HYPERV-TEST\svc"],
            diff["before"][self.RIGHT],
        )
        self.assertEqual([r"BUILTIN\Users"], diff["after"][self.RIGHT])
        self.change("win_user_right", name=self.RIGHT, users=["svc"], action="remove")
        self.change("win_user_right", name="SeDebugPrivilege", users=[])
        self.fail_with("SeNothing is not a valid right", "win_user_right", name="SeNothing", users=[])
        self.fail_with("account 'nobody' to a SID", "win_user_right", name=self.RIGHT, users=["nobody"])

    def test_what_a_token_has_of_them(self):
        self.host.accounts.ensure_administrator("zuul")
        told = self.succeed("win_whoami")
        self.assertEqual("enabled-by-default", told["privileges"]["SeDebugPrivilege"])
        self.assertIn("SeNetworkLogonRight", told["rights"])
        self.succeed("win_user_right", name="SeDebugPrivilege", users=[])
        self.assertNotIn("SeDebugPrivilege", self.succeed("win_whoami")["privileges"])


class TestServiceModule(HostCase):
    """What the module decides; that services run is in the contract suite."""

    SERVICE = {"name": "nova", "path": r"C:\nova.exe"}

    def test_account(self):
        self.host.accounts.create_user("svc", "Secret-123")
        self.succeed("win_service", **self.SERVICE)
        account = {"name": "nova", "username": r".\svc", "password": "Secret-123"}
        self.assertEqual(r"HYPERV-TEST\svc", self.succeed("win_service", **account)["username"])
        self.assertFalse(self.succeed("win_service", **account)["changed"])
        self.assertTrue(self.succeed("win_service", **account, update_password="always")["changed"])
        started = self.fail_with("Win32 error 1069", "win_service", name="nova", state="started")
        self.assertIn("not been granted the requested logon type", started["msg"])
        self.succeed("win_user_right", name=TestUserRights.RIGHT, users=["svc"], action="add")
        # It logs on; there is no program.
        self.assertFalse(self.session.is_directory(r"C:\Users\svc"))
        self.fail_with("Win32 error 2", "win_service", name="nova", state="started")
        self.assertTrue(self.session.is_directory(r"C:\Users\svc\AppData\Local\Temp"))
        self.succeed("win_service", name="nova", username="LocalService")
        self.fail_with("Win32 error 2", "win_service", name="nova", state="started")
        self.assertTrue(self.session.is_directory(r"C:\Windows\ServiceProfiles\LocalService"))
        self.succeed("win_service", **account)
        self.succeed("win_user", name="svc", password="another")
        wrong = self.fail_with("Win32 error 1069", "win_service", name="nova", state="started")
        self.assertIn("user name or password is incorrect", wrong["msg"])
        events = [event.id for event in self.host.event_log.newest("System", 9)]
        self.assertTrue({7038, 7041} <= set(events), events)
        self.fail_with("could not be translated", "win_service", name="nova", username="nobody")

    def test_diff(self):
        made = self.run_module("win_service", _diff=True, **self.SERVICE, start_mode="manual")["diff"]
        self.assertEqual("", made["before"])
        self.assertEqual(
            ("manual", "stopped", r"NT AUTHORITY\SYSTEM"),
            tuple(made["after"][name] for name in ("start_mode", "state", "username")),
        )
        changed = self.run_module("win_service", True, True, name="NOVA", start_mode="auto", description="d")
        before, after = changed["diff"]["before"], changed["diff"]["after"]
        self.assertEqual(
            {"start_mode": "auto", "description": "d"},
            {name: after[name] for name in after if after[name] != before[name]},
        )
        gone = self.run_module("win_service", True, True, name="nova", state="absent")["diff"]
        self.assertEqual(("manual", ""), (gone["before"]["start_mode"], gone["after"]))
        planned = self.run_module("win_service", True, True, name="other", path="x", state="started")["diff"]
        self.assertEqual(
            ("other", "started", None),
            tuple(planned["after"][name] for name in ("name", "state", "start_mode")),
        )


class TestBecome(HostCase):
    def setUp(self):
        super().setUp()
        self.host.accounts.ensure_administrator("zuul")
        self.host.accounts.create_user("svc", "Secret-123")

    def become(self, user, password=None, logon_type="Interactive"):
        call = Call("win_whoami", b"", {}, {}, user, None, password, logon_type)
        return json.loads(powershell.answer_call(self.session, call)[0])

    def test_a_user_with_a_password(self):
        for name in ("svc", r".\svc", r"hyperv-test\SVC"):
            told = self.become(name, "Secret-123")
            self.assertEqual(("svc", "Interactive"), (told["account"]["account_name"], told["logon_type"]))
        self.assertTrue(self.session.is_directory(r"C:\Users\svc"))

    def test_a_user_without_a_password(self):
        self.assertEqual("Batch", self.become("svc")["logon_type"])
        self.host.accounts.remove_member("Administrators", "zuul")
        self.assert_refused("Failed to get token for NT AUTHORITY", "svc")

    def test_who_is_not_let_in(self):
        self.assert_refused(r"Failed to logon .\svc (The user name or password is incorrect", "svc", "wrong")
        self.host.accounts.change_user("svc", disabled=True)
        self.assert_refused("currently disabled, Win32ErrorCode 1331 - 0x00000533", "svc", "Secret-123")
        self.assert_refused("identity references could not be translated", "nobody", "x")

    def test_logon_types(self):
        for logon_type, group in (("Network", "NETWORK"), ("NetworkCleartext", "NETWORK")):
            told = self.become("svc", "Secret-123", logon_type)
            self.assertEqual(("svc", logon_type), (told["account"]["account_name"], told["logon_type"]))
            self.assertIn(group, [each["account_name"] for each in told["groups"]])
        self.assertEqual("Network", self.become("svc", None, "Network")["logon_type"])
        for logon_type in ("Batch", "Service"):
            self.assert_refused("Win32ErrorCode 1385", "svc", "Secret-123", logon_type)
            right, user = f"Se{logon_type}LogonRight", self.host.accounts.user("svc").sid
            self.host.rights.set_holders(right, [user])
            self.assertEqual(logon_type, self.become("svc", "Secret-123", logon_type)["logon_type"])
            self.host.rights.set_holders(f"SeDeny{logon_type}LogonRight", [user])
            self.assert_refused("Win32ErrorCode 1385", "svc", "Secret-123", logon_type)
        self.assert_refused("does not know the logon type unlock", "svc", "Secret-123", "Unlock")

    def test_new_credentials_are_for_other_computers(self):
        told = self.become(r"DOMAIN\nobody", "anything", "NewCredentials")
        self.assertEqual(("zuul", "NewCredentials"), (told["account"]["account_name"], told["logon_type"]))

    def assert_refused(self, words, user, password=None, logon_type="Interactive"):
        error = self.assertRaises(powershell.BecomeFailed, self.become, user, password, logon_type)
        self.assertIn(words, str(error))
        self.assertIn(f"failed to become user '{user}'", str(error))


class TestSettings(TwiceCase):
    def test_hostname_and_timezone(self):
        self.assertTrue(self.change("win_hostname", name="other")["reboot_required"])
        self.fail_with("not valid", "win_hostname", name="under_score")
        self.change("ansible.windows.win_timezone", timezone="Tokyo Standard Time")
        self.fail_with("isn't supported", "ansible.windows.win_timezone", timezone="Mars")

    def test_path(self):
        self.change("win_path", elements=[r"C:\a", r"C:\b"])
        self.assertFalse(self.succeed("win_path", elements=["C:\\A\\"])["changed"])
        self.change("win_path", elements=[r"C:\a"], state="absent")
        self.assertTrue(
            self.host.registry.data(
                r"HKLM\SYSTEM\CurrentControlSet\Control\Session Manager\Environment", "Path"
            ).endswith(r"\Wbem;C:\b")
        )

    def test_feature(self):
        self.assertFalse(self.succeed("win_feature", name=["Hyper-V"])["changed"])
        self.assertFalse(self.succeed("win_optional_feature", name=["Microsoft-Hyper-V"])["changed"])
        self.assertTrue(self.change("win_optional_feature", name=["MultipathIo"])["reboot_required"])
        self.assertFalse(self.succeed("win_feature", name=["Multipath-IO"])["changed"])
        self.change("win_optional_feature", name=["MultipathIo"], state="absent")
        self.fail_with("Failed to find feature 'Coffee'", "win_optional_feature", name=["Coffee"])
        made = self.change("win_feature", name=["Multipath-IO", "Telnet-Client"])
        self.assertEqual("SuccessRestartRequired", made["exitcode"])
        self.change("win_feature", name="Telnet-Client", state="absent")
        self.assertNotIn("restart_needed", made["feature_result"][0])
        self.fail_with("ArgumentNotValid: The role, role service, or feature", "win_feature", name=["Coffee"])
        self.ship_oldest()
        self.fail_with("Failed to install Windows Feature: Arg", "win_feature", name=["Coffee"])

    def test_firewall(self):
        self.change("ansible.windows.win_firewall", state="disabled", profiles=["Public"])
        rule = {"name": "nova", "localport": "8774", "protocol": "tcp", "direction": "in", "action": "allow"}
        self.change("win_firewall_rule", **rule)
        self.change("win_firewall_rule", **{**rule, "localport": "8775"})
        self.fail_with("neither TCP nor UDP", "win_firewall_rule", name="x", localport="80")
        self.fail_with("neither TCP nor UDP", "win_firewall_rule", name="nova", protocol="icmpv4")
        self.change("win_firewall_rule", name="nova", state="absent")
        self.fail_with("must be one of", "win_firewall_rule", name="x", direction="up")

    def test_acl_and_owner(self):
        self.write(r"C:\d\f.txt")
        rule = {"path": r"C:\d", "user": "Everyone", "rights": "Read, Write", "type": "allow"}
        self.assertTrue(self.succeed("win_acl", **rule, _check_mode=True)["changed"])
        self.assertTrue(self.succeed("win_acl", **rule)["changed"])
        self.assertFalse(self.succeed("win_acl", **{**rule, "rights": "write,read"})["changed"])
        # What applies to folders and files without being asked, spelled as people do.
        spelled = rule | {"inherit": "objectinherit,ContainerInherit", "propagation": "None"}
        self.assertFalse(self.succeed("win_acl", **spelled)["changed"])
        self.assertTrue(self.succeed("win_acl", **rule, state="absent")["changed"])
        self.fail_with("Unable to match", "win_acl", **{**rule, "rights": "Everything"})
        self.fail_with("identifier name Nothing", "win_acl", **rule, inherit="Nothing")
        self.fail_with("not a valid user", "win_acl", **{**rule, "user": "nobody"})
        self.ship_oldest()
        self.assertTrue(self.succeed("win_acl", **rule, _check_mode=True)["skipped"])
        self.change("win_owner", path=r"C:\d", user="SYSTEM", recurse=True)
        self.assertEqual(
            r"NT AUTHORITY\SYSTEM", self.succeed("win_stat", path=r"C:\d\f.txt")["stat"]["owner"]
        )
        self.succeed("win_file", path=r"C:\d", state="absent")
        self.write(r"C:\d\f.txt")
        self.assertEqual(
            r"BUILTIN\Administrators", self.succeed("win_stat", path=r"C:\d\f.txt")["stat"]["owner"]
        )

    def test_share(self):
        self.write(r"C:\d\f.txt")
        self.change("win_share", name="d", path=r"C:\d", full="Administrators", read="Everyone")
        self.change("win_share", name="d", path=r"C:\d", change="Everyone", rule_action="add")
        self.change("win_share", name="d", state="absent")
        self.fail_with("does not exist", "win_share", name="d", path=r"C:\no")

    def test_event_log(self):
        made = self.change("ansible.windows.win_eventlog", name="CI", sources=["builder"])
        self.assertEqual((["builder", "CI"], 512), (made["sources"], made["maximum_size_kb"]))
        entry = {"log": "CI", "source": "builder", "event_id": 7, "message": "hello", "entry_type": "Warning"}
        self.succeed("win_eventlog_entry", **entry)
        self.assertEqual(["hello"], [event.message for event in self.host.event_log.newest("CI", 5)])
        self.fail_with("does not exist", "win_eventlog_entry", **{**entry, "source": "other"})
        self.fail_with("does not belong", "win_eventlog_entry", **{**entry, "log": "System"})
        limits = {"maximum_size": "16MB", "overflow_action": "OverwriteAsNeeded"}
        self.assertEqual(
            16384, self.change("ansible.windows.win_eventlog", name="CI", **limits)["maximum_size_kb"]
        )
        old = {"overflow_action": "OverwriteOlder", "retention_days": 3}
        self.assertEqual(3, self.change("ansible.windows.win_eventlog", name="CI", **old)["retention_days"])
        for size, words in (
            ("1TB", "not properly specified"),
            ("65KB", "divisible"),
            ("4GB", "between 64KB"),
        ):
            self.fail_with(words, "ansible.windows.win_eventlog", name="CI", maximum_size=size)
        self.fail_with("one or more sources", "ansible.windows.win_eventlog", name="Other")
        self.fail_with(
            "default source CI", "ansible.windows.win_eventlog", name="CI", state="absent", sources=["CI"]
        )
        self.change("ansible.windows.win_eventlog", name="CI", state="clear")
        self.change("ansible.windows.win_eventlog", name="CI", state="absent")

    def test_hosts(self):
        planned = self.run_module(
            "ansible.windows.win_hosts", True, True, canonical_name="db", ip_address="10.0.0.1"
        )["diff"]
        self.assertEqual(planned["before"] + "10.0.0.1 db\n", planned["after"])
        self.change("ansible.windows.win_hosts", canonical_name="db", ip_address="10.0.0.1", aliases=["db1"])
        self.assertIn("10.0.0.1 db db1", (self.host.root / "hosts").read_text())
        self.change(
            "ansible.windows.win_hosts",
            canonical_name="db",
            ip_address="10.0.0.1",
            aliases=["x"],
            action="add",
        )
        self.change("ansible.windows.win_hosts", canonical_name="db", ip_address="10.0.0.2")
        self.assertNotIn("10.0.0.1", (self.host.root / "hosts").read_text())
        self.change("ansible.windows.win_hosts", canonical_name="db", state="absent")
        self.fail_with("valid ip address", "ansible.windows.win_hosts", canonical_name="a", ip_address="b")

    def test_tempfile(self):
        path = self.succeed("win_tempfile", suffix=".log", state="file")["path"]
        self.assertTrue(self.session.is_file(path) and path.endswith(".log"))


class TestLines(TwiceCase):
    def lines(self):
        return self.session.local(r"C:\a.ini").read_bytes().decode()

    def test_present_and_absent(self):
        self.write(r"C:\a.ini", "a=1\nb=2\n")
        path = {"path": r"C:\a.ini"}
        self.change("win_lineinfile", **path, regexp="^b=", line="b=3")
        self.assertEqual("a=1\r\nb=3\r\n", self.lines())
        self.change("win_lineinfile", **path, line="c=4", insertafter="^a=")
        self.change("win_lineinfile", **path, line="top", insertbefore="BOF")
        self.assertEqual("top\r\na=1\r\nc=4\r\nb=3\r\n", self.lines())
        self.succeed("win_lineinfile", **path, regexp=r"(\w)=(\d)", line="$1=[$2]", backrefs=True)
        self.assertTrue(self.lines().endswith("b=[3]\r\n"))
        removed = self.change("win_lineinfile", **path, regexp="^(top|c)", state="absent")
        self.assertEqual(2, removed["found"])
        self.fail_with("does not exist !", "win_lineinfile", path=r"C:\no", line="x")
        self.fail_with("line= is required", "win_lineinfile", **path)

    def test_diff(self):
        self.write(r"C:\a.ini", "a\n")
        result = self.succeed("win_lineinfile", path=r"C:\a.ini", line="b", _check_mode=True, _diff=True)
        self.assertEqual({"before": "a\r\n", "after": "a\r\nb\r\n"}, result["diff"])
        self.assertEqual("a\n", self.lines())
        self.assertNotIn("diff", self.succeed("win_lineinfile", path=r"C:\a.ini", line="b"))

    def test_marks_are_kept(self):
        self.session.writable(r"C:\a.ini").write_bytes("ä\r\n".encode("utf-16"))
        self.change("win_lineinfile", path=r"C:\a.ini", line="ö", newline="windows")
        self.assertEqual("ä\r\nö\r\n", self.session.local(r"C:\a.ini").read_bytes().decode("utf-16"))


class TestWeb(TwiceCase):
    def setUp(self):
        super().setUp()
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        Path(folder.name, "file.json").write_text('{"a": 1}')

        class Quiet(http.server.SimpleHTTPRequestHandler):
            def log_message(self, *args):
                pass

        handler = functools.partial(Quiet, directory=folder.name)
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        self.url = f"http://127.0.0.1:{server.server_port}"

    def test_get_url(self):
        got = self.change("win_get_url", url=f"{self.url}/file.json", dest="C:\\", use_proxy=False)
        self.assertEqual(("C:\\file.json", 8), (got["dest"], got["size"]))
        self.assertEqual(hashlib.sha1(b'{"a": 1}').hexdigest(), got["checksum_dest"])
        parameters = {"dest": r"C:\x.json", "use_proxy": False}
        self.fail_with(
            "did not match", "win_get_url", url=f"{self.url}/file.json", checksum="00", **parameters
        )
        self.fail_with("(404)", "win_get_url", url=f"{self.url}/none", **parameters)
        self.fail_with("refused", "win_get_url", url="http://127.0.0.1:1/", **parameters)

    def test_uri(self):
        answer = self.succeed("win_uri", url=f"{self.url}/file.json", return_content=True, use_proxy=False)
        self.assertEqual((200, {"a": 1}), (answer["status_code"], answer["json"]))
        self.fail_with("'404' is not in list", "win_uri", url=f"{self.url}/none", use_proxy=False)
        self.succeed("win_uri", url=f"{self.url}/none", status_code=[404], use_proxy=False)
        self.fail_with("does not know the parameter proxy_url", "win_uri", url=self.url, proxy_url="x")
