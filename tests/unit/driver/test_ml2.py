# SPDX-License-Identifier: Apache-2.0
import importlib.metadata
import types

import testtools
from neutron_lib.api.definitions import portbindings
from neutron_lib.plugins.ml2 import api

from hyperv_driver import ml2


class Context:
    """A port context: what to bind, and what was set."""

    def __init__(self, *segments, vnic_type="normal"):
        self.current = {portbindings.VNIC_TYPE: vnic_type}
        self.segments_to_bind = segments
        self.binding = None

    def set_binding(self, segment_id, vif_type, vif_details, status=None):
        self.binding = types.SimpleNamespace(
            segment=segment_id, type=vif_type, details=vif_details, status=status
        )


def segment(network_type, segmentation_id=None):
    return {api.ID: f"{network_type}-1", api.NETWORK_TYPE: network_type, api.SEGMENTATION_ID: segmentation_id}


class MechanismDriverTest(testtools.TestCase):
    def bind(self, *segments, **context):
        driver = ml2.HyperVMechanismDriver()
        driver.initialize()
        context = Context(*segments, **context)
        driver.bind_port(context)
        return context.binding

    def test_flat(self):
        binding = self.bind(segment("flat"))
        self.assertEqual(("flat-1", "hyperv", "ACTIVE"), (binding.segment, binding.type, binding.status))
        self.assertNotIn("vlan", binding.details)
        self.assertFalse(binding.details["port_filter"])

    def test_vlan(self):
        self.assertEqual("101", self.bind(segment("vlan", 101)).details["vlan"])

    def test_first_that_fits(self):
        self.assertEqual(
            "vlan-1", self.bind(segment("vxlan", 7), segment("vlan", 101), segment("flat")).segment
        )

    def test_leaves_the_rest_to_others(self):
        self.assertIsNone(self.bind(segment("vxlan", 7), segment("local")))
        self.assertIsNone(self.bind(segment("flat"), vnic_type="direct"))
        self.assertIsNone(self.bind())

    def test_is_a_mechanism_driver(self):
        self.assertIsInstance(ml2.HyperVMechanismDriver(), api.MechanismDriver)
        self.assertEqual("l2", ml2.HyperVMechanismDriver().connectivity)

    def test_entry_point_of_setup_cfg(self):
        import configparser

        setup = configparser.ConfigParser()
        setup.read("setup.cfg")
        name, _, value = setup["entry_points"]["neutron.ml2.mechanism_drivers"].strip().partition(" = ")
        entry = importlib.metadata.EntryPoint(name, value, "neutron.ml2.mechanism_drivers")
        self.assertEqual(("hyperv", ml2.HyperVMechanismDriver), (entry.name, entry.load()))
