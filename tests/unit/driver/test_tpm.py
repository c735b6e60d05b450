# SPDX-License-Identifier: Apache-2.0
import types

from nova import exception
from nova.compute import provider_tree
from oslo_utils import uuidutils

from hyperv_driver import tpmops
from tests.unit.driver import base
from tests.unit.driver.base import instance

TPM = {"hw:tpm_version": "2.0", "hw:tpm_model": "tpm-crb", "hw:tpm_secret_security": "host"}
LOCAL, SERVICE = 1, 2  # MSFT_HgsClientConfiguration.Mode


def guardian(mode, code=0):
    """A namespace of Windows' guardian."""
    configuration = types.SimpleNamespace(Get=lambda: (code, types.SimpleNamespace(Mode=mode)))
    return types.SimpleNamespace(MSFT_HgsClientConfiguration=configuration)


class TpmTest(base.DriverTestCase):
    def traits(self):
        (node,) = self.driver.get_available_nodes()
        tree = provider_tree.ProviderTree()
        tree.new_root(node, uuidutils.generate_uuid())
        tree.add_traits(node, *tpmops.TRAITS)
        self.driver.update_provider_tree(tree, node)
        return tree.data(node).traits & set(tpmops.TRAITS)

    def refusal(self):
        made = instance(flavor=base.flavor(extra_specs=TPM))
        properties = {"hw_machine_type": "hyperv-gen2"}
        error = self.assertRaises(exception.NovaException, self.spawn, made, properties=properties)
        self.assertEqual([], self.driver.list_instances())
        return str(error)

    def test_host_in_local_mode(self):
        self.host.hostutils.guardian = guardian(LOCAL)
        self.assertEqual(set(tpmops.TRAITS), self.traits())

    def test_host_without_guardian_or_of_a_guardian_service(self):
        for found in (None, guardian(SERVICE)):
            self.host.hostutils.guardian = found
            self.assertEqual(set(), self.traits())
            self.assertIn("guardian is not in local mode", self.refusal())

    def test_guardian_that_does_not_tell(self):
        self.host.hostutils.guardian = guardian(LOCAL, code=5)
        error = self.assertRaises(exception.NovaException, self.traits)
        self.assertIn("MSFT_HgsClientConfiguration.Get returned 5, expected 0", str(error))
