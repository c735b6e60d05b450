# SPDX-License-Identifier: Apache-2.0
"""WMI and Hyper-V over WS-Management: the plug-in's client, on pywinrm."""

import time
import uuid

from hyperv_tempest_plugin.wsman import WMI, Namespace

from tests.contract.conformance.conforming_host import ConformanceCase
from tests.contract.winrm_server.requests_to_wmi import embedded, reference

V2 = "root/virtualization/v2"
SYSTEM = "Msvm_ComputerSystem"
MANAGEMENT = "Msvm_VirtualSystemManagementService"
# RequestedState and EnabledState have the same numbers for these.
RUNNING, OFF, SAVED, PAUSED = "2", "3", "6", "9"
STARTED, INVALID_STATE = "4096", "32775"
# Seconds; a real host defines a machine in one or two.
PATIENCE = 60


class TestQueries(ConformanceCase):
    def setUp(self):
        super().setUp()
        self.protocol = self.connect()

    def test_the_host_itself(self):
        (system,) = Namespace(self.protocol, "root/cimv2").query("SELECT * FROM Win32_OperatingSystem")
        self.assertRegex(system["Version"], r"10\.0\.\d+")
        # The host is a computer system among its machines, named as it is itself.
        (host,) = Namespace(self.protocol, V2).query(
            f"SELECT * FROM {SYSTEM} WHERE Name = '{system['CSName']}'"
        )
        self.assertEqual(system["CSName"], host["ElementName"])

    def test_refusals(self):
        wmi = Namespace(self.protocol, V2)
        self.assertEqual([], wmi.query(f"SELECT * FROM {SYSTEM} WHERE ElementName = '{uuid.uuid4()}'"))
        self.assert_fault(0x80338000, wmi.query, "SELECT * FROM Msvm_HypervCiUnicorn")
        self.assert_fault(0x8033801A, wmi.query, "GIVE ME ALL")
        nowhere = Namespace(self.protocol, "root/hyperv-ci-nowhere")
        self.assert_fault(0x80338000, nowhere.query, "SELECT * FROM X")


class TestMachine(ConformanceCase):
    """A machine of the test's own, without disks; it is removed whatever happens."""

    def setUp(self):
        super().setUp()
        self.wmi = Namespace(self.connect(), V2)
        (service,) = self.wmi.query(f"SELECT * FROM {MANAGEMENT}")
        names = ("SystemCreationClassName", "SystemName", "CreationClassName", "Name")
        self.service = {name: service[name] for name in names}
        self.name = f"hyperv-ci-conformance-{uuid.uuid4()}"
        self.addCleanup(self.remove)
        settings = embedded("Msvm_VirtualSystemSettingData", ElementName=self.name)
        self.manage("DefineSystem", SystemSettings=settings)
        self.keys = {"CreationClassName": SYSTEM, "Name": self.wait_for(lambda: self.machine())["Name"]}

    def manage(self, method, **inputs):
        return self.wmi.call(MANAGEMENT, self.service, method, **inputs)["ReturnValue"]

    def machine(self):
        found = self.wmi.query(f"SELECT * FROM {SYSTEM} WHERE ElementName = '{self.name}'")
        return found[0] if found else None

    def wait_for(self, question):
        deadline = time.monotonic() + PATIENCE
        while not (answer := question()):
            self.assertLess(time.monotonic(), deadline, f"{self.name} is not so far in time")
            time.sleep(0.1)
        return answer

    def request(self, state):
        return self.wmi.call(SYSTEM, self.keys, "RequestStateChange", RequestedState=state)["ReturnValue"]

    def reach_state(self, state):
        self.assertEqual(STARTED, self.request(state))
        self.wait_for(lambda: self.machine()["EnabledState"] == state)

    def remove(self):
        if machine := self.machine():
            self.request(OFF)
            self.wait_for(lambda: self.machine()["EnabledState"] in (OFF, SAVED))
            keys = {"CreationClassName": SYSTEM, "Name": machine["Name"]}
            self.manage("DestroySystem", AffectedSystem=reference(f"{WMI}{V2}/{SYSTEM}", keys))
            self.wait_for(lambda: not self.machine())

    def test_lifecycle(self):
        self.assertEqual(OFF, self.machine()["EnabledState"])
        self.assertEqual(INVALID_STATE, self.request(PAUSED))
        self.reach_state(RUNNING)
        self.assertEqual(INVALID_STATE, self.request(RUNNING))
        self.reach_state(PAUSED)
        self.reach_state(RUNNING)
        self.reach_state(OFF)
        self.assertEqual(INVALID_STATE, self.request(OFF))

    def test_unknown_method(self):
        self.assert_fault(0x80338013, self.wmi.call, SYSTEM, self.keys, "RequestHypervCiUnicorn")
