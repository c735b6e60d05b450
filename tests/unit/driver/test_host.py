# SPDX-License-Identifier: Apache-2.0
import inspect
import json
import pathlib
import sys
import types
from unittest import mock

import nova.virt
import os_resource_classes as orc
from nova import exception
from nova.compute import provider_tree
from nova.virt import driver as nova_driver
from oslo_utils import uuidutils

from hyperv_driver import batches, clusterdriver, driver, errors
from tests.unit.driver import base, fake_host
from tests.unit.driver.base import instance, vif

BIOS, UEFI = "COMPUTE_FIRMWARE_BIOS", "COMPUTE_FIRMWARE_UEFI"
NOVA_VIRT = pathlib.Path(driver.__file__).parent.parent / "nova" / "virt"


class HostTest(base.DriverTestCase):
    def test_resources(self):
        (node,) = self.driver.get_available_nodes()
        resources = self.driver.get_available_resource(node)
        expected = {
            "hypervisor_hostname": node,
            "hypervisor_type": "hyperv",
            "hypervisor_version": 10020348,
            "vcpus": 16,
            "memory_mb": 32768,
            "memory_mb_used": 12288,
            "local_gb": 500,
            "local_gb_used": 400,
        }
        self.assertEqual(expected, {name: resources[name] for name in expected})
        cpu = json.loads(resources["cpu_info"])
        self.assertEqual({"sockets": 2, "cores": 4, "threads": 2}, cpu["topology"])
        self.assertEqual(["sse"], cpu["features"])
        self.assertIn(("x86_64", "hyperv", "hvm"), resources["supported_instances"])

    def test_inventory(self):
        self.config(reserved_host_memory_mb=1024, reserved_host_disk_mb=10240, cpu_allocation_ratio=4.0)
        (node,) = self.driver.get_available_nodes()
        tree = provider_tree.ProviderTree()
        tree.new_root(node, uuidutils.generate_uuid())
        self.driver.update_provider_tree(tree, node)
        inventory = tree.data(node).inventory
        self.assertEqual({orc.VCPU, orc.MEMORY_MB, orc.DISK_GB}, set(inventory))
        self.assertEqual((16, 4.0, 0), pick(inventory[orc.VCPU]))
        self.assertEqual((32768, 1.0, 1024), pick(inventory[orc.MEMORY_MB]))
        self.assertEqual((500, 1.0, 10), pick(inventory[orc.DISK_GB]))

    def test_traits_of_processors_that_guests_can_virtualize_on(self):
        (node,) = self.driver.get_available_nodes()
        tree = provider_tree.ProviderTree()
        tree.new_root(node, uuidutils.generate_uuid())
        processor = self.host.hostutils.get_cpus_info()[0]
        for maker, version, expected in (
            ("GenuineIntel", "10.0.20348", {"HW_CPU_X86_VMX"}),
            ("AuthenticAMD", "10.0.20348", {"HW_CPU_X86_SVM"}),
            ("AuthenticAMD", "10.0.17763", set()),
            ("Tester", "10.0.20348", set()),
        ):
            self.host.hostutils.get_cpus_info = lambda found=processor | {"Manufacturer": maker}: [found]
            self.host.hostutils.get_windows_version = lambda found=version: found
            self.driver.update_provider_tree(tree, node)
            self.assertEqual(expected | {BIOS, UEFI}, tree.data(node).traits)

    def test_traits_of_the_firmware_that_its_generations_have(self):
        (node,) = self.driver.get_available_nodes()
        tree = provider_tree.ProviderTree()
        tree.new_root(node, uuidutils.generate_uuid())
        processor = self.host.hostutils.get_cpus_info()[0] | {"Architecture": 12}  # Arm's
        self.host.hostutils.get_cpus_info = lambda: [processor]
        self.driver.update_provider_tree(tree, node)
        self.assertEqual({UEFI}, tree.data(node).traits & {BIOS, UEFI})

    def test_uptime(self):
        self.assertRegex(self.driver.get_host_uptime(), r"^\d\d:\d\d:\d\d up 2 days, 1:01:01$")

    def test_windows_that_is_too_old(self):
        self.host.hostutils.get_windows_version = lambda: "6.3.9600"
        error = self.assertRaises(exception.HypervisorTooOld, self.driver.init_host, "this")
        self.assertIn("Windows Server 2016", str(error))

    def test_switch_that_is_not_there(self):
        self.config(vswitch_name="intern", group="hyperv")
        error = self.assertRaises(exception.NovaException, self.driver.init_host, "this")
        self.assertIn("intern", str(error))

    def test_switch_that_nobody_named(self):
        self.config(vswitch_name=None, group="hyperv")
        self.host.networkutils.external = ["external"]
        self.driver.init_host("this")
        adapter = vif()
        made = self.spawn(vifs=[adapter])
        self.assertEqual("external", self.vm(made)["nics"][adapter["id"]]["switch"])
        self.host.networkutils.external = []
        error = self.assertRaises(exception.InvalidConfiguration, self.driver.init_host, "this")
        self.assertIn("[hyperv] vswitch_name is not set, and the host has no external", str(error))

    def test_plugging_again_when_nova_starts(self):
        adapter = vif()
        made = self.spawn(vifs=[adapter])
        self.driver.unplug_vifs(made, [adapter])
        self.assertEqual({"mac": adapter["address"]}, self.vm(made)["nics"][adapter["id"]])
        self.driver.plug_vifs(made, [adapter])
        self.assertEqual("external", self.vm(made)["nics"][adapter["id"]]["switch"])
        # One that Hyper-V lost must not keep nova-compute from starting.
        self.driver.plug_vifs(instance("x-ff"), [vif()])


def pick(record):
    return record["total"], record["allocation_ratio"], record["reserved"]


class InterfaceTest(base.DriverTestCase):
    def test_claims_what_it_does(self):
        claimed = {name for name, claim in driver.HyperVDriver.capabilities.items() if claim}
        self.assertEqual(
            {
                "has_imagecache",
                "supports_attach_interface",
                "supports_bfv_rescue",
                "supports_device_tagging",
                "supports_evacuate",
                "supports_extend_volume",
                "supports_image_type_iso",
                "supports_image_type_vhd",
                "supports_image_type_vhdx",
                "supports_secure_boot",
                "supports_tagged_attach_interface",
                "supports_tagged_attach_volume",
                "supports_trusted_certs",
                "supports_vtpm",
            },
            claimed,
        )
        self.assertEqual(set(nova_driver.ComputeDriver.capabilities), set(driver.HyperVDriver.capabilities))

    def test_not_done_yet(self):
        made = self.spawn()
        for call in (
            lambda: self.driver.swap_volume(self.context, {}, {}, made, "/dev/sdb", 1),
            lambda: self.driver.live_migration_force_complete(made),
        ):
            self.assertRaises(NotImplementedError, call)

    def test_fake_host_takes_what_oswin_takes(self):
        from os_win.utils import hostutils10, pathutils
        from os_win.utils.network import networkutils
        from os_win.utils.storage import diskutils
        from os_win.utils.storage.virtdisk import vhdutils

        for fake, real in (
            (fake_host.FakeVMUtils, batches.VMUtils),
            (fake_host.FakeVHDUtils, vhdutils.VHDUtils),
            (fake_host.FakeDiskUtils, diskutils.DiskUtils),
            (fake_host.FakeNetworkUtils, networkutils.NetworkUtilsR2),
            (fake_host.FakeHostUtils, hostutils10.HostUtils10),
            (fake_host.FakePathUtils, pathutils.PathUtils),
        ):
            for name, method in vars(fake).items():
                if inspect.isfunction(method) and not name.startswith("_"):
                    # os-win's decorators hide names behind *args, so that only the rest can be compared.
                    names = list(inspect.signature(getattr(real, name)).parameters)
                    if "args" not in names:
                        self.assertLessEqual(set(inspect.signature(method).parameters), set(names), name)

    def test_where_nova_looks(self):
        self.addCleanup(sys.modules.pop, "nova.virt.hyperv", None)
        self.useFixture_patch("nova.virt.__path__", [*nova.virt.__path__, str(NOVA_VIRT)])
        self.useFixture_patch("hyperv_driver.oswin.Utilities.of_this_host", fake_host.utilities)
        utilities = types.SimpleNamespace(**vars(fake_host.utilities()), clusterutils=mock.Mock())
        self.useFixture_patch("hyperv_driver.oswin.ClusterUtilities.of_this_host", lambda: utilities)
        for name, expected in (
            ("hyperv.HyperVDriver", driver.HyperVDriver),
            ("hyperv.HyperVClusterDriver", clusterdriver.HyperVClusterDriver),
        ):
            loaded = nova_driver.load_compute_driver(self.virtapi, name)
            self.assertIs(expected, type(loaded))

    def test_exceptions_without_an_instance(self):
        @errors.converts_exceptions
        class Driver:
            def list_instances(self):
                raise errors.oswin.exceptions.HyperVVMNotFoundException(vm_name="vm-1")

        error = self.assertRaises(exception.NovaException, Driver().list_instances)
        self.assertIn("list_instances: ", str(error))
