# SPDX-License-Identifier: Apache-2.0
"""What nova's compute manager expects of every driver, compared with nova as it is installed."""

import inspect

import testtools
from nova.virt import driver as nova_driver

from hyperv_driver import clusterdriver, driver


def methods(of):
    return {
        name: function
        for name, function in vars(of).items()
        if inspect.isfunction(function) and not name.startswith("_")
    }


def parameters(function):
    """Names, kinds and defaults in their order; annotations bind nobody."""
    signature = inspect.signature(function)
    return [
        (parameter.name, parameter.kind, parameter.default) for parameter in signature.parameters.values()
    ]


class InterfaceTest(testtools.TestCase):
    def test_every_method_is_novas_with_its_signature(self):
        novas = methods(nova_driver.ComputeDriver)
        for driver_class in (driver.HyperVDriver, clusterdriver.HyperVClusterDriver):
            ours = methods(driver_class)
            self.assertEqual([], sorted(ours.keys() - novas.keys()))
            for name, function in ours.items():
                self.assertEqual(parameters(novas[name]), parameters(function), name)

    def test_every_capability_is_one_of_novas(self):
        known = nova_driver.ComputeDriver.capabilities.keys()
        self.assertEqual(set(), driver.HyperVDriver.capabilities.keys() - known)

    def test_what_is_claimed_is_implemented(self):
        needed = {
            "supports_attach_interface": ("attach_interface", "detach_interface"),
            "supports_extend_volume": ("extend_volume",),
            "supports_evacuate": ("instance_on_disk", "check_instance_shared_storage_local"),
            "has_imagecache": ("manage_image_cache",),
        }
        for capability, names in needed.items():
            implemented = set(names) <= methods(driver.HyperVDriver).keys()
            self.assertEqual(driver.HyperVDriver.capabilities[capability], implemented, capability)
