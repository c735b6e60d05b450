# SPDX-License-Identifier: Apache-2.0
"""A host's Hyper-V outlives its process, which keeps its state in a file."""

import signal
import tempfile
import time
from pathlib import Path

import testtools
from hyperv_tempest_plugin.wsman import Namespace
from winrm.protocol import Protocol

from lab import host_state
from tests.contract.windows_sandbox.started_host import StartedHost
from tests.contract.winrm_server.requests_to_wmi import embedded

SERVICE = "Msvm_VirtualSystemManagementService"


class TestHostState(testtools.TestCase):
    def setUp(self):
        super().setUp()
        folder = Path(self.enterContext(tempfile.TemporaryDirectory(prefix="host-")))
        self.started = StartedHost(folder)
        self.path = folder / "state.json"
        self.started.options = ["--state", self.path]
        self.started.start()
        self.addCleanup(lambda: self.started.process.poll() is None and self.started.stop())

    def wmi(self):
        protocol = Protocol(
            self.started.urls["https"] + "/wsman",
            transport="certificate",
            cert_pem=str(self.started.tls / "zuul.pem"),
            cert_key_pem=str(self.started.tls / "zuul.key"),
            server_cert_validation="ignore",
        )
        self.addCleanup(protocol.transport.close_session)
        return Namespace(protocol, host_state.V2)

    def machines(self):
        systems = self.wmi().query(
            "SELECT ElementName FROM Msvm_ComputerSystem WHERE Caption='Virtual Machine'"
        )
        return [system["ElementName"] for system in systems]

    def test_a_machine_is_there_after_a_restart_of_the_process(self):
        wmi = self.wmi()
        name = self.started.name.upper()
        wmi.call(
            SERVICE,
            {
                "CreationClassName": SERVICE,
                "Name": "vmms",
                "SystemCreationClassName": "Msvm_ComputerSystem",
                "SystemName": name,
            },
            "DefineSystem",
            SystemSettings=embedded("Msvm_VirtualSystemSettingData", ElementName="vm-1"),
        )
        while not self.machines():
            time.sleep(0.05)
        self.started.process.send_signal(signal.SIGUSR1)
        while not self.path.exists():
            time.sleep(0.05)
        before = host_state.read(self.path)
        self.assertEqual(0, self.started.stop())
        self.started.start()
        self.assertEqual(["vm-1"], self.machines())
        self.started.stop()
        self.assertEqual([], host_state.differences(before, host_state.read(self.path)))
        self.path.write_text("{")
        with self.assertRaisesRegex(RuntimeError, f"windows_host: {self.path} cannot be read"):
            self.started.start()
