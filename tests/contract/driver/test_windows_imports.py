# SPDX-License-Identifier: Apache-2.0
import json
import subprocess

from tests.contract.driver.on_hyperv import HyperVHostTest

# Each in an interpreter of its own, in the order in which its process imports them.
NOVA_COMPUTE = [
    "hyperv_driver.compute",
    # by name: nova's service its manager, the manager its driver, oslo.messaging its transport
    "nova.objects:register_all",
    "os_vif:initialize",
    "nova.compute.manager",
    "hyperv_driver.driver",
    "hyperv_driver.clusterdriver",
    "hyperv_driver.connectors",
    "oslo_messaging._drivers.impl_rabbit",
    "kombu.transport.pyamqp",
    "nova.servicegroup.drivers.db",
    "os_brick.initiator.windows.iscsi",
    "os_brick.initiator.windows.fibre_channel",
    "os_brick.initiator.windows.smbfs",
]
AGENT = ["hyperv_driver.agent.__main__", "oslo_messaging._drivers.impl_rabbit", "kombu.transport.pyamqp"]


class WindowsImportsTest(HyperVHostTest):
    def failures(self, *names):
        process = self.python(
            "-W", "ignore", "-m", "tests.contract.driver.windows_imports", *names, stderr=subprocess.PIPE
        )
        answer, errors = process.communicate()
        self.assertEqual(0, process.returncode, errors)
        return {name: error for name, error in json.loads(answer).items() if error}

    def test_nova_compute(self):
        self.assertEqual({}, self.failures(*NOVA_COMPUTE))

    def test_agent(self):
        self.assertEqual({}, self.failures(*AGENT))

    def test_service_host(self):
        self.assertEqual({}, self.failures("hyperv_driver.service"))

    def test_what_windows_does_not_have_is_noticed(self):
        failures = self.failures("hyperv_driver.compute", "nova.virt.libvirt.driver")
        self.assertEqual(["nova.virt.libvirt.driver"], list(failures))
        self.assertIn("No module named 'grp' on Windows", failures["nova.virt.libvirt.driver"])
