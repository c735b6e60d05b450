# SPDX-License-Identifier: Apache-2.0
"""PCI devices of the host, claimed by nova's own tracker for flavors with ``pci_passthrough:alias``."""

import textwrap

from lab.hyperv_model import devices
from lab.hyperv_model.host import HostFacts
from lab.hyperv_model.jobs import V2
from tests.contract.driver.on_hyperv import OnHyperVTest
from tests.features import feature

RUNNING = 1  # nova.compute.power_state
GPUS = [devices.PciDevice("10DE", "1EB8", bus=4, device=2, function=function) for function in (0, 1)]
OTHER_DOMAIN = devices.PciDevice("10DE", "1EB8", bus=0x103)
ADDRESSES = ["0000:04:02.0", "0000:04:02.1", "0001:03:00.0"]
TURN_OFF, SHUT_DOWN = 2, 4  # AutomaticShutdownAction

# nova's tracker of devices, which has its records in a database; here none.
TRACKER = """
from unittest import mock
from nova import objects
from nova.pci import manager, request
CONF.set_override("device_spec", ['{"vendor_id": "10de", "product_id": "1eb8"}'], group="pci")
alias = '{"name": "gpu", "vendor_id": "10de", "product_id": "1eb8", "device_type": "type-PCI"}'
CONF.set_override("alias", [alias], group="pci")
def tracker():
    with mock.patch("nova.objects.PciDeviceList.get_by_compute_node", return_value=objects.PciDeviceList()):
        made = manager.PciDevTracker(admin, objects.ComputeNode(id=1, numa_topology=None))
    (node,) = hyperv.get_available_nodes()
    resources = hyperv.get_available_resource(node)
    made.update_devices_from_hypervisor_resources(resources["pci_passthrough_devices"])
    return made
def wants(count):
    return flavor(extra_specs={"pci_passthrough:alias": f"gpu:{count}"})
def claim_by(tracker, made):
    made.pci_requests = request.get_pci_requests_from_flavor(made.flavor)
    made.pci_requests.instance_uuid = made.uuid
    made.pci_devices = objects.PciDeviceList(objects=tracker.claim_instance(admin, made.pci_requests, None))
    return [device.address for device in made.pci_devices]
"""


class DevicesTest(OnHyperVTest):
    facts = HostFacts(pci_devices=(*GPUS, OTHER_DOMAIN))

    def nova(self, code):
        return super().nova(TRACKER + textwrap.dedent(code))

    def assigned(self):
        """The devices of virtual machines: {name of machine: set of location paths}."""
        machines = {machine.guid: machine.name for machine in self.model.machines.values()}
        found = {}
        for shown in self.model.store.of(V2, "Msvm_PciExpress"):
            if shown["SystemName"] in machines:
                found.setdefault(machines[shown["SystemName"]], set()).add(shown["LocationPath"])
        return found

    def settings(self, name, *properties):
        (machine,) = (machine for machine in self.model.machines.values() if machine.name == name)
        return [machine.settings[one] for one in properties]

    @feature("PCI devices (DDA)")
    def test_the_very_device_that_nova_claimed(self):
        image = self.add_image("vhdx")
        for generation in (1, 2):
            said = self.nova(f"""
                rest, pool = instance("x-2", flavor=wants(1)), tracker()
                said = [sorted(device.address for device in pool.pci_devs), claim_by(pool, rest)]
                made = instance("x-1", image_ref="{image}", flavor=wants(2))
                said.append(claim_by(pool, made))
                spawn(made, "vhdx", [vif()], hw_machine_type="hyperv-gen{generation}")
                keep = True
            """)
            self.assertEqual(ADDRESSES, said[0])
            self.assertEqual(set(ADDRESSES), {*said[1], *said[2]})
            paths = {
                address: device.location_path
                for address, device in zip(ADDRESSES, self.facts.pci_devices, strict=True)
            }
            expected = {paths[address] for address in said[2]}
            self.assertEqual({"instance-00000001": expected}, self.assigned())
            self.assertEqual(
                [TURN_OFF, True, 3072, 33280],
                self.settings(
                    "instance-00000001",
                    "AutomaticShutdownAction",
                    "GuestControlledCacheTypes",
                    "LowMmioGapSize",
                    "HighMmioGapSize",
                ),
            )
            said = self.nova("""
                hyperv.reboot(admin, made, [], "HARD")
                hyperv.power_off(made)
                hyperv.power_on(admin, made, [])
                said = [hyperv.get_info(made).state, len(list(tracker().pci_devs))]
                keep = True
            """)
            self.assertEqual([RUNNING, 3], said)
            self.assertEqual({"instance-00000001": expected}, self.assigned())
            self.nova("hyperv.destroy(admin, made, [])")
            self.assertEqual({}, self.assigned())

    @feature("PCI devices (DDA)")
    def test_another_claim_after_a_resize(self):
        image = self.add_image("vhdx")
        said = self.nova(f"""
            made = claim(instance("x-1", image_ref="{image}"), "{ADDRESSES[0]}")
            spawn(made, "vhdx")
            former, resized = made.flavor, flavor(memory_mb=1024)
            hyperv.migrate_disk_and_power_off(admin, made, CONF.my_ip, resized, [])
            made.old_flavor, made.flavor = former, resized
            claim(made, "{ADDRESSES[1]}", "{ADDRESSES[2]}")
            hyperv.finish_migration(admin, None, made, "", [], image_meta("vhdx"), True, {{}})
            keep = True
        """)
        self.assertIsNone(said)
        there = {"instance-00000001": {device.location_path for device in (GPUS[1], OTHER_DOMAIN)}}
        self.assertEqual(there, self.assigned())
        said = self.nova("""
            made.task_state = "resize_reverting"
            hyperv.destroy(admin, made, [])
            made.flavor, made.task_state = former, None
            claim(made, "0000:04:02.0")
            with mock.patch("nova.objects.Instance.image_meta", image_meta("vhdx")):
                hyperv.finish_revert_migration(admin, made, [], None)
            keep = True
        """)
        self.assertIsNone(said)
        self.assertEqual({"instance-00000001": {GPUS[0].location_path}}, self.assigned())
        self.restart()
        said = self.nova("said = [hyperv.get_info(instance('x-1')).state, len(list(tracker().pci_devs))]")
        self.assertEqual([RUNNING, 3], said)
        self.assertEqual({}, self.assigned())

    @feature("PCI devices (DDA)")
    def test_what_such_an_instance_cannot(self):
        image = self.add_image("vhdx")
        said = self.nova(f"""
            CONF.set_override("dynamic_memory_ratio", 2.0, group="hyperv")
            CONF.set_override("instance_automatic_shutdown", True, group="hyperv")
            made = spawn(claim(instance("x-1", image_ref="{image}"), "{ADDRESSES[0]}"), "vhdx")
            CONF.clear_override("dynamic_memory_ratio", group="hyperv")
            CONF.clear_override("instance_automatic_shutdown", group="hyperv")
            said = [hyperv._vmops._vmutils.get_vm_memory_info(made.name)["DynamicMemoryEnabled"]]
            data = objects.HyperVLiveMigrateData(is_shared_instance_path=True)
            for action in (
                lambda: hyperv.suspend(admin, made),
                lambda: hyperv.check_can_live_migrate_source(admin, made, data),
                lambda: spawn(claim(instance("x-2", image_ref="{image}"), "{ADDRESSES[0]}"), "vhdx"),
                lambda: spawn(claim(instance("x-2", image_ref="{image}"), "0000:09:00.0"), "vhdx"),
            ):
                try:
                    action()
                    said.append("done")
                except Exception as error:
                    said.append(f"{{type(error).__name__}}: {{error}}")
            said += [hyperv.get_info(made).state, hyperv.list_instances(), sorted(os.listdir(INSTANCES))]
            keep = True
        """)
        self.assertFalse(said[0])
        self.assertRegex(said[1], "InstanceFaultRollback: .*saves no such virtual machine")
        self.assertRegex(said[2], "MigrationPreCheckError: .*moves no such virtual machine")
        self.assertRegex(said[3], "NovaException: .*0000:04:02.0 to .*: another virtual machine has it")
        self.assertRegex(said[4], "NovaException: .*0000:09:00.0 to .*: it cannot be assigned on this host")
        self.assertEqual([RUNNING, ["instance-00000001"], ["_base", "instance-00000001"]], said[5:])
        self.assertEqual([SHUT_DOWN], self.settings("instance-00000001", "AutomaticShutdownAction"))
        self.nova("hyperv.destroy(admin, made, [])")
