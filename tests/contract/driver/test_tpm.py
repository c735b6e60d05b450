# SPDX-License-Identifier: Apache-2.0
"""Virtual TPMs of instances, by nova's own extra specs and image properties."""

import textwrap

from lab.hyperv_model.jobs import V2
from tests.contract.driver.on_hyperv import OnHyperVTest
from tests.features import feature

RUNNING = 1  # nova.compute.power_state
HGS = "root/Microsoft/Windows/Hgs"
WANTS = """
from nova import objects
from nova.compute import provider_tree
WITH_TPM = {"hw:tpm_version": "2.0", "hw:tpm_model": "tpm-crb", "hw:tpm_secret_security": "host"}
def wants(image, name="x-1", **changes):
    specs = WITH_TPM | {f"hw:{name}": value for name, value in changes.items()}
    specs = {name: value for name, value in specs.items() if value}
    return instance(name, image_ref=image, flavor=flavor(extra_specs=specs))
def attempt(action):
    try:
        action()
    except Exception as error:
        return f"{type(error).__name__}: {error}"
"""


class TpmTest(OnHyperVTest):
    def nova(self, code):
        return super().nova(WANTS + textwrap.dedent(code))

    def has_tpm(self):
        """{name of machine: (whether it has a TPM, its key protector)}."""
        found = {}
        for machine in self.model.machines.values():
            (security,) = (
                one
                for one in self.model.store.of(V2, "Msvm_SecuritySettingData")
                if machine.guid in one["InstanceID"]
            )
            found[machine.name] = (security["TpmEnabled"], machine.key_protector)
        return found

    @feature("Virtual TPM")
    def test_each_instance_has_a_key_protector_of_this_host(self):
        image = self.add_image("vhdx")
        said = self.nova(f"""
            made = [wants("{image}", "x-1"), wants("{image}", "x-2"), instance("x-3", image_ref="{image}")]
            for one in made:
                spawn(one, "vhdx", hw_machine_type="hyperv-gen2")
            hyperv.reboot(admin, made[0], [], "HARD")
            said, keep = [hyperv.get_info(one).state for one in made], True
        """)
        self.assertEqual(3 * [RUNNING], said)
        first, second, third = self.has_tpm().values()
        self.assertEqual((True, True, (False, None)), (first[0], second[0], third))
        self.assertNotEqual(first[1], second[1])
        (guardian,) = self.model.store.of(HGS, "MSFT_HgsGuardian")
        self.assertEqual("UntrustedGuardian", guardian["Name"])
        self.restart()
        said = self.nova("""
            one = instance("x-1")
            hyperv.power_off(one)
            hyperv.power_on(admin, one, [])
            said = hyperv.get_info(one).state
        """)
        self.assertEqual(RUNNING, said)
        self.assertEqual({}, self.model.machines)

    @feature("Virtual TPM")
    def test_traits(self):
        said = self.nova("""
            (node,) = hyperv.get_available_nodes()
            tree = provider_tree.ProviderTree()
            tree.new_root(node, "11111111-1111-4111-8111-111111111111")
            hyperv.update_provider_tree(tree, node)
            said = sorted(trait for trait in tree.data(node).traits if "TPM" in trait)
        """)
        names = ("2_0", "CRB", "SECRET_SECURITY_HOST")
        self.assertEqual([f"COMPUTE_SECURITY_TPM_{name}" for name in names], said)

    @feature("Virtual TPM")
    def test_refusals(self):
        image = self.add_image("vhdx")
        said = self.nova(f"""
            second, shielded = {{"hw_machine_type": "hyperv-gen2"}}, {{"image_os_shielded_vm": "required"}}
            said = [attempt(lambda: spawn(made, "vhdx", **properties)) for made, properties in (
                (wants("{image}"), {{}}),
                (wants("{image}", tpm_version="1.2", tpm_model="tpm-tis"), second),
                (wants("{image}", tpm_model=None), second),
                (wants("{image}", tpm_secret_security=None), second),
                (instance(image_ref="{image}", system_metadata=shielded), second),
            )]
            said.append(hyperv.list_instances())
        """)
        for refusal, reason in zip(
            said,
            (
                "takes generation 2",
                "of version 1.2",
                "interface tpm-tis",
                "secret is that of the user",
                "os_shielded_vm, which takes a guarded host",
            ),
            strict=False,
        ):
            self.assertRegex(refusal, f"InstanceUnacceptable: .*{reason}")
        self.assertEqual([], said[-1])

    @feature("Virtual TPM")
    def test_it_stays_where_its_key_is(self):
        image = self.add_image("vhdx")
        said = self.nova(f"""
            made = spawn(wants("{image}"), "vhdx", hw_machine_type="hyperv-gen2")
            data = objects.HyperVLiveMigrateData(is_shared_instance_path=True)
            said = [
                attempt(lambda: hyperv.migrate_disk_and_power_off(admin, made, CONF.my_ip, flavor(), [])),
                attempt(lambda: hyperv.check_can_live_migrate_source(admin, made, data)),
                hyperv.get_info(made).state,
            ]
        """)
        self.assertRegex(said[0], "InstanceFaultRollback: .*state of its TPM lost")
        self.assertRegex(said[1], "MigrationPreCheckError: .*no other can start it")
        self.assertEqual(RUNNING, said[2])
