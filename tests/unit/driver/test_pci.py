# SPDX-License-Identifier: Apache-2.0
import json
import types

from nova import exception

from tests.unit.driver import base
from tests.unit.driver.base import claim, instance

PATH = r"PCIP\VEN_10DE&DEV_1EB8&SUBSYS_00000000&REV_00\{}"


class PciTest(base.DriverTestCase):
    def found(self):
        resources = self.driver.get_available_resource("this")
        return [device["address"] for device in json.loads(resources["pci_passthrough_devices"])]

    def test_addresses(self):
        for bus, device_and_function, address in (
            (4, 0, "0000:04:00.0"),
            (4, 2 << 16 | 1, "0000:04:02.1"),
            (0x1FF, 31 << 16 | 7, "0001:ff:1f.7"),
        ):
            self.host.hostutils._conn.add(PATH.format(bus), bus, device_and_function)
            self.assertEqual(address, self.found()[-1])

    def test_what_nova_matches(self):
        self.host.hostutils._conn.add(PATH.format(0), 4, 0)
        (device,) = json.loads(self.driver.get_available_resource("this")["pci_passthrough_devices"])
        self.assertEqual(
            ("10de", "1eb8", "type-PCI", None),
            tuple(device[key] for key in ("vendor_id", "product_id", "dev_type", "numa_node")),
        )

    def test_device_that_is_no_pci_function(self):
        shown = types.SimpleNamespace(DeviceInstancePath=r"ACPI\PNP0A08\0", path_=lambda: "path")
        self.host.hostutils._conn.devices.append(shown)
        self.assertEqual([], self.found())

    def test_device_that_windows_lost(self):
        for number in range(2):
            self.host.hostutils._conn.add(PATH.format(number), 4, number)
        del self.host.hostutils._conn.entities[PATH.format(0)]
        self.assertEqual(["0000:04:00.1"], self.found())

    def test_devices_of_an_instance(self):
        self.config(dynamic_memory_ratio=2.0, group="hyperv")
        for number in range(2):
            self.host.hostutils._conn.add(PATH.format(number), 4, number)
        made = self.spawn(claim(instance(), "0000:04:00.1"))
        self.assertEqual([PATH.format(1)], self.vm(made)["devices"])
        self.assertEqual(1, self.vm(made)["memory_ratio"])
        self.assertRaises(exception.InstanceFaultRollback, self.driver.suspend, self.context, made)
        self.assertEqual([], self.vm(self.spawn(instance("x-2")))["devices"])

    def test_device_whose_properties_windows_does_not_tell(self):
        self.host.hostutils._conn.add(PATH.format(0), 4, 0, code=1)
        error = self.assertRaises(exception.NovaException, self.found)
        self.assertIn("returned 1, expected 0", str(error))
