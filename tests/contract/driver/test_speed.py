# SPDX-License-Identifier: Apache-2.0
import testtools
from nova.compute import power_state

from tests.contract.driver import round_trips
from tests.contract.driver.on_hyperv import OnHyperVTest
from tests.features import feature

# What ``round_trips`` counted of compute-hyperv 16.0.0.
COMPUTE_HYPERV = {
    "hyperv-gen1": {"spawn": 51, "resource update": 93, "destroy": 29},
    "hyperv-gen2": {"spawn": 57, "resource update": 93, "destroy": 29},
}


class RoundTripsTest(testtools.TestCase):
    def test_at_most_half_of_compute_hypervs(self):
        for machine_type, theirs in COMPUTE_HYPERV.items():
            ours = round_trips.counts(round_trips.ThisDriver, machine_type)
            for action, whole in theirs.items():
                self.assertLessEqual(sum(ours[action].values()), whole / 2, (machine_type, ours[action]))


class ManyServersTest(OnHyperVTest):
    @feature("Many builds at once on native threads")
    def test_fifty_at_once(self):
        image = self.add_image("vhdx")
        said = self.nova(f"""
            from concurrent import futures
            small = flavor(memory_mb=64, vcpus=1)
            made = [instance(f"x-{{number:x}}", image_ref="{image}", flavor=small) for number in range(1, 51)]
            ports = [vif(address=f"fa:16:3e:00:00:{{number:02x}}", details={{"vlan": 7}})
                     for number in range(50)]
            vmutils = hyperv._vmops._vmutils
            def spawn_one(one, port):
                spawn(one, "vhdx", [port], hw_machine_type=f"hyperv-gen{{1 + one.id % 2}}")
            def seen(one):
                files = [os.path.dirname(path) for path in vmutils.get_vm_storage_paths(one.name)[0]]
                return [hyperv.get_info(one).state, files == [os.path.join(INSTANCES, one.name)],
                        vmutils.get_instance_uuid(one.name) == one.uuid]
            # As nova's max_concurrent_builds of 16.
            with futures.ThreadPoolExecutor(16) as pool:
                list(pool.map(spawn_one, made, ports))
                said = [sorted(hyperv.list_instances()) == sorted(one.name for one in made)]
                said += [seen(one) for one in made]
                adapters = [vmutils.get_vm_nic_names(one.name) for one in made]
                said += [adapters == [[port["id"]] for port in ports]]
                list(pool.map(lambda one, port: hyperv.destroy(admin, one, [port]), made, ports))
            said += [hyperv.list_instances(), os.listdir(INSTANCES)]
        """)
        self.assertEqual([True, *50 * [[power_state.RUNNING, True, True]], True, [], ["_base"]], said)
        self.assertEqual({}, self.model.machines)
