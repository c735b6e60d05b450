# SPDX-License-Identifier: Apache-2.0
from unittest import mock

from nova import exception
from nova.network import model

from tests.unit.driver import base
from tests.unit.driver.base import instance, vif


class DiagnosticsTest(base.DriverTestCase):
    def setUp(self):
        super().setUp()
        self.made = instance(config_drive="")
        network_info = model.NetworkInfo([vif(address="fa:16:3e:00:00:07")])
        self.useFixture_patch("nova.objects.Instance.get_network_info", mock.Mock(return_value=network_info))
        self.spawn(self.made, block_device_info={"ephemerals": [{"size": 1}]})

    def test_running(self):
        found = self.driver.get_instance_diagnostics(self.made)
        self.assertEqual(("running", "hyperv", 61), (found.state, found.driver, found.uptime))
        self.assertEqual((512, 512), (found.memory_details.maximum, found.memory_details.used))
        self.assertEqual((2, 1, 2), (found.num_cpus, found.num_nics, found.num_disks))
        self.assertEqual("fa:16:3e:00:00:07", found.nic_details[0].mac_address)
        self.assertEqual("Windows 10.0.20348", found.hypervisor_os)

    def test_off(self):
        self.driver.power_off(self.made)
        found = self.driver.get_instance_diagnostics(self.made)
        self.assertEqual(("shutdown", None, None), (found.state, found.uptime, found.memory_details.used))

    def test_for_old_clients(self):
        self.assertEqual(
            {"cpus": 2, "memory_mb": 512, "memory_used_mb": 512, "uptime_seconds": 61, "disks": 2},
            self.driver.get_diagnostics(self.made),
        )

    def test_instance_that_hyperv_does_not_have(self):
        missing = instance("x-ff")
        self.assertRaises(exception.InstanceNotFound, self.driver.get_instance_diagnostics, missing)
        self.assertRaises(exception.InstanceNotFound, self.driver.get_diagnostics, missing)
