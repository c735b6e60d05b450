# SPDX-License-Identifier: Apache-2.0
"""The host's services and processes as WMI tells of them, over WS-Management and to PyMI."""

import shutil
import tempfile
import time
import unittest
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from hyperv_tempest_plugin.wsman import ENUMERATION, WMI, WSMAN, Namespace
from winrm.exceptions import WSManFaultError
from winrm.protocol import Protocol

from lab import windows_shims, winrm_server
from lab.hyperv_model import Model
from lab.hyperv_model.server import serve as serve_wmi
from lab.windows_sandbox.host import WindowsHost
from lab.windows_sandbox.services.configuration import Configuration
from lab.windows_sandbox.session import Session
from tests.contract.hyperv_model.os_win_case import OsWin
from tests.contract.windows_sandbox.started_host import make_certificate

TRANSFER = "http://schemas.xmlsoap.org/ws/2004/09/transfer"
SERVICES = f"{WMI}root/cimv2/Win32_Service"
PROGRAM = Path(__file__).with_name("plays") / "files" / "service.exe"


class WmiCase(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        self.host = WindowsHost(self.folder, "127.0.0.1", "hyperv-test", binds=windows_shims.mounts())
        self.addCleanup(self.host.close)
        self.model = Model(self.host.computer_name, self.host.filesystem.local, self.host.run_folder)
        self.addCleanup(self.model.close)
        shutil.copy(PROGRAM, self.host.filesystem.local_for_writing(r"C:\service.exe"))
        self.session = Session(self.host, "zuul")
        self.session.prepare_profile()

    def boot(self):
        """Boot the host; return a client of its root/cimv2 over WS-Management."""
        make_certificate(self.folder, "server")
        make_certificate(self.folder, "client", "zuul")
        self.host.authorize((self.folder / "client.pem").read_text())
        context = winrm_server.server_context(self.folder / "server.pem", self.folder / "server.key")
        self.host.boot(self.model, context)
        listener = winrm_server.Server(self.host, "127.0.0.1", 0, context, http_port=0)
        listener.start()
        self.addCleanup(listener.stop)
        protocol = Protocol(
            f"https://127.0.0.1:{listener.port}/wsman",
            transport="certificate",
            cert_pem=str(self.folder / "client.pem"),
            cert_key_pem=str(self.folder / "client.key"),
            server_cert_validation="ignore",
        )
        self.addCleanup(protocol.transport.close_session)
        return Namespace(protocol, "root/cimv2")

    def install(self, name="nova-compute", mode="", **fields):
        path = rf"C:\service.exe {mode}".strip()
        self.host.services.create(
            Configuration(name, path, f"OpenStack {name}", **{"start_mode": "manual", **fields})
        )


class TestOverWsManagement(WmiCase):
    def setUp(self):
        super().setUp()
        self.wmi = self.boot()

    def get(self, name):
        return self.wmi.send(f"{TRANSFER}/Get", SERVICES, {}, {"Name": name})

    def call(self, name, method, **inputs):
        answer = self.wmi.call("Win32_Service", {"Name": name}, method, **inputs)
        return int(answer["ReturnValue"])

    def only(self, name):
        (service,) = self.wmi.query(f"SELECT * FROM Win32_Service WHERE Name = '{name}'")
        return service

    def wait_for_state(self, name, state):
        deadline = time.monotonic() + 10
        while self.only(name)["State"] != state:
            self.assertLess(time.monotonic(), deadline, f"{name} is {self.only(name)['State']}")
            time.sleep(0.02)

    def test_a_service_of_windows_is_got_by_its_name(self):
        found = self.get("winrm")
        told = {
            name: found.findtext(f"{{{SERVICES}}}{name}")
            for name in ("Name", "DisplayName", "State", "Started", "StartMode", "StartName", "PathName")
        }
        self.assertEqual(
            {
                "Name": "WinRM",
                "DisplayName": "Windows Remote Management (WS-Management)",
                "State": "Running",
                "Started": "true",
                "StartMode": "Auto",
                "StartName": "LocalSystem",
                "PathName": r"C:\Windows\System32\svchost.exe -k NetworkService -p",
            },
            told,
        )
        with self.assertRaisesRegex(WSManFaultError, 'not found: Win32_Service.Name="spooler"'):
            self.get("spooler")

    def test_what_is_enumerated_is_what_is_installed_now(self):
        def names():
            options = {"w:OptimizeEnumeration": None, "w:MaxElements": "100"}
            found = self.wmi.send(f"{ENUMERATION}/Enumerate", SERVICES, {"n:Enumerate": options})
            return [each.text for each in found.iterfind(f"{{{WSMAN}}}Items/*/{{{SERVICES}}}Name")]

        built_in = ["EventLog", "MSiSCSI", "vmms", "Winmgmt", "WinRM"]
        self.assertEqual(built_in, names())
        self.install("ovs-vswitchd")
        self.assertEqual([*built_in[:2], "ovs-vswitchd", *built_in[2:]], names())
        self.host.services.delete("ovs-vswitchd")
        self.assertEqual(built_in, names())

    def test_wql(self):
        for class_name in ("Win32_Service", "Win32_BaseService", "CIM_Service"):
            found = self.wmi.query(f"SELECT * FROM {class_name} WHERE Name LIKE 'vm%'")
            self.assertEqual(["vmms"], [each["Name"] for each in found])
        self.install(start_mode="delayed", description="Compute")
        (found,) = self.wmi.query(
            "SELECT DisplayName, Description, DelayedAutoStart FROM Win32_Service"
            " WHERE State = 'Stopped' AND StartMode = 'Auto'"
        )
        self.assertEqual(
            ("OpenStack nova-compute", "Compute", "true"),
            (found["DisplayName"], found["Description"], found["DelayedAutoStart"]),
        )

    def test_a_service_is_started_and_stopped(self):
        self.install()
        service = self.only("nova-compute")
        told = ("State", "Started", "AcceptStop", "ProcessId", "ExitCode")
        # ERROR_SERVICE_NEVER_STARTED
        self.assertEqual(("Stopped", "false", "false", "0", "1077"), tuple(service[name] for name in told))
        self.assertEqual(6, self.call("nova-compute", "StopService"))
        self.assertEqual(6, self.call("nova-compute", "PauseService"))
        self.assertEqual(6, self.call("nova-compute", "InterrogateService"))
        self.assertEqual(0, self.call("nova-compute", "StartService"))
        self.wait_for_state("nova-compute", "Running")
        service = self.only("nova-compute")
        child = self.host.services.query("nova-compute").child
        self.assertEqual(
            ("Running", "true", "true", str(child.pid), "0"), tuple(service[name] for name in told)
        )
        self.assertEqual(10, self.call("nova-compute", "StartService"))
        self.assertEqual(4, self.call("nova-compute", "PauseService"))
        self.assertEqual(0, self.call("nova-compute", "InterrogateService"))
        self.assertEqual(0, self.call("nova-compute", "StopService"))
        self.wait_for_state("nova-compute", "Stopped")
        self.assertEqual("0", self.only("nova-compute")["ExitCode"])

    def test_what_methods_return_of_what_cannot_be(self):
        self.install("disabled", start_mode="disabled")
        self.install("below", dependencies=("disabled",))
        self.install("orphan", dependencies=("nothing",))
        self.host.services.create(Configuration("empty", r"C:\nothing.exe", "empty"))
        returned = {
            name: self.call(name, "StartService") for name in ("disabled", "below", "orphan", "empty")
        }
        self.assertEqual({"disabled": 14, "below": 13, "orphan": 12, "empty": 9}, returned)
        self.assertEqual(4, self.call("vmms", "StopService"))
        self.install("top", dependencies=("vmms",))
        self.host.services.start("top")
        self.assertEqual(3, self.call("vmms", "StopService"))
        with self.assertRaisesRegex(WSManFaultError, "no method Delete"):
            self.call("top", "Delete")

    def test_the_model_answers_while_a_service_starts(self):
        control = r"HKLM\SYSTEM\CurrentControlSet\Control"
        self.host.registry.set(control, "ServicesPipeTimeout", "REG_DWORD", 800)
        self.install(mode="console")
        with ThreadPoolExecutor(1) as other:
            returned = other.submit(
                self.host.wmi("root/cimv2").invoke, 'Win32_Service.Name="nova-compute"', "StartService", {}
            )
            # As nova-compute, which asks WMI before it says that it runs.
            self.wait_for_state("nova-compute", "Start Pending")
            self.assertFalse(returned.done())
            self.assertEqual(7, returned.result()["ReturnValue"])

    def test_change_of_the_start_mode(self):
        self.install(start_mode="delayed")
        for mode, returned, told in (
            ("Automatic", 0, ("Auto", "true")),
            ("Manual", 0, ("Manual", "false")),
            ("Automatic", 0, ("Auto", "false")),
            ("Boot", 21, ("Auto", "false")),
            ("Sometimes", 21, ("Auto", "false")),
            ("Disabled", 0, ("Disabled", "false")),
        ):
            with self.subTest(mode=mode):
                self.assertEqual(returned, self.call("nova-compute", "ChangeStartMode", StartMode=mode))
                service = self.only("nova-compute")
                self.assertEqual(told, (service["StartMode"], service["DelayedAutoStart"]))

    def test_processes(self):
        self.session.writable(r"C:\sleep.exe").symlink_to("/usr/bin/sleep")
        child = self.session.start(r"C:\sleep.exe 60")
        names = [each["Name"] for each in self.wmi.query("SELECT Name FROM CIM_Process")]
        self.assertEqual(["System Idle Process", "System", "sleep.exe"], names)
        (process,) = self.wmi.query("SELECT * FROM Win32_Process WHERE CommandLine LIKE '%sleep.exe 60'")
        self.assertEqual(
            (str(child.pid), r"C:\sleep.exe", str(child.pid)),
            (process["ProcessId"], process["ExecutablePath"], process["Handle"]),
        )
        for handle, returned in (("4", "2"), (str(child.pid), "0")):
            answer = self.wmi.call("Win32_Process", {"Handle": handle}, "Terminate", Reason="7")
            self.assertEqual(returned, answer["ReturnValue"])
        self.assertEqual(7, child.wait(10))
        self.assertEqual([], self.wmi.query("SELECT * FROM Win32_Process WHERE Name = 'sleep.exe'"))


class TestToPyMI(WmiCase):
    def test_services(self):
        self.boot()
        serving = serve_wmi(self.model, self.host.run_folder / "wmi.sock")
        self.addCleanup(serving.close)
        self.install()
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            (folder / "run").symlink_to(self.host.run_folder)
            os_win = OsWin(folder)
            self.addCleanup(os_win.close)
            told = os_win.wmi(
                """
cimv2 = wmi.WMI(moniker="//./root/cimv2")
(service,) = cimv2.Win32_Service(Name="nova-compute")
result = [service.State, service.ProcessId, service.StartService()[0]]
(service,) = cimv2.Win32_Service(Name="nova-compute")
(process,) = cimv2.Win32_Process(ProcessId=service.ProcessId)
result += [service.Started, process.Name, service.StartService()[0], len(cimv2.Win32_Service())]
"""
            )
        self.assertEqual(["Stopped", 0, 0, True, "service.exe", 10, 6], told)

    def test_without_a_windows_around_there_is_no_provider(self):
        with self.assertRaisesRegex(Exception, "Win32_Service: there is no Windows around HYPERV-TEST"):
            self.model.namespace("root/cimv2").query("SELECT * FROM Win32_Service")
