# SPDX-License-Identifier: Apache-2.0
"""Virtual NUMA: nova's own code reads what flavors ask for, and fits it to what the host reports."""

import textwrap

from lab.hyperv_model.jobs import V2
from tests.contract.driver.on_hyperv import OnHyperVTest
from tests.features import feature

FIT = """
from nova import objects
from nova.virt import hardware
def host():
    (node,) = hyperv.get_available_nodes()
    return objects.NUMATopology.obj_from_db_obj(hyperv.get_available_resource(node)["numa_topology"])
def asked(**extra_specs):
    specs = {f"hw:{name.replace('__', '.')}": value for name, value in extra_specs.items()}
    wanted = flavor(memory_mb=1024, vcpus=4, extra_specs=specs)
    return wanted, hardware.numa_get_constraints(wanted, image_meta("vhdx"))
def fitted(wanted):
    return hardware.numa_fit_instance_to_host(host(), wanted, {"cpu_allocation_ratio": 1.0,
                                                               "ram_allocation_ratio": 1.0})
"""


class NumaTest(OnHyperVTest):
    def nova(self, code):
        return super().nova(FIT + textwrap.dedent(code))

    def nodes(self, name):
        """How many NUMA nodes a machine's guest sees."""
        system = next(machine.system for machine in self.model.machines.values() if machine.name == name)
        (shown,) = self.model.namespace(V2).query(
            f"SELECT NumberOfNumaNodes FROM Msvm_ComputerSystem WHERE Name = '{system['Name']}'"
        )
        return shown["NumberOfNumaNodes"]

    @feature("Virtual NUMA")
    def test_what_the_host_reports(self):
        said = self.nova("""
            said = [[cell.id, sorted(cell.cpuset), cell.memory, cell.memory_usage] for cell in host().cells]
        """)
        self.assertEqual([[0, list(range(8)), 32768, 0], [1, list(range(8, 16)), 32768, 0]], said)

    @feature("Virtual NUMA")
    def test_nodes_that_are_alike(self):
        image = self.add_image("vhdx")
        said = self.nova(f"""
            keep, names, usage = True, [], []
            CONF.set_override("dynamic_memory_ratio", 2.0, group="hyperv")
            for number, nodes in enumerate((None, 1, 2), start=1):
                wanted, topology = asked(**({{"numa_nodes": str(nodes)}} if nodes else {{}}))
                made = instance(f"x-{{number}}", image_ref="{image}", flavor=wanted)
                made.numa_topology = fitted(topology) if topology else None
                # As nova's resource tracker counts.
                used = hardware.numa_usage_from_instance_numa(host(), made.numa_topology)
                usage.append([cell.memory_usage for cell in used.cells])
                spawn(made, "vhdx", hw_machine_type=f"hyperv-gen{{1 + number % 2}}")
                names.append([made.name, hyperv._vmops._vmutils.get_vm_memory_info(made.name)])
            CONF.clear_override("dynamic_memory_ratio", group="hyperv")
            said = [[name, memory["DynamicMemoryEnabled"], memory["Reservation"]] for name, memory in names]
            said.append(usage)
        """)
        self.assertEqual([[0, 0], [1024, 0], [512, 512]], said.pop())
        self.assertEqual([[True, 512], [False, 1024], [False, 1024]], [memory for _name, *memory in said])
        self.assertEqual([1, 1, 2], [self.nodes(name) for name, *_memory in said])
        # After a resize, as the new flavor says.
        self.nova("""
            wanted, topology = asked(numa_nodes="4")
            former = made.flavor
            hyperv.migrate_disk_and_power_off(admin, made, CONF.my_ip, wanted, [])
            made.old_flavor, made.flavor, made.numa_topology = former, wanted, topology
            hyperv.finish_migration(admin, None, made, "", [], image_meta("vhdx"), True, {})
            keep = True
        """)
        self.assertEqual(4, self.nodes("instance-00000003"))
        self.nova("said = None")

    @feature("Virtual NUMA")
    def test_what_hyper_v_cannot(self):
        image = self.add_image("vhdx")
        said = self.nova(f"""
            said = []
            for specs in (
                {{"numa_nodes": "2", "numa_cpus__0": "0", "numa_cpus__1": "1,2,3", "numa_mem__0": "512",
                  "numa_mem__1": "512"}},
                {{"numa_nodes": "2", "numa_cpus__0": "0,1", "numa_cpus__1": "2,3", "numa_mem__0": "256",
                  "numa_mem__1": "768"}},
                {{"cpu_policy": "dedicated"}},
                {{"numa_nodes": "1", "mem_page_size": "2048"}},
            ):
                wanted, topology = asked(**specs)
                made = instance("x-1", image_ref="{image}", flavor=wanted, numa_topology=topology)
                try:
                    spawn(made, "vhdx")
                except Exception as error:
                    said.append([f"{{type(error).__name__}}: {{error}}", fitted(topology) is not None])
            said.append(os.listdir(INSTANCES))
        """)
        for (refused, _fits), reason in zip(
            said[:-1],
            (
                "asks for nodes of 1 CPUs with 512 MiB and of 3 CPUs with 512 MiB",
                "asks for nodes of 2 CPUs with 256 MiB and of 2 CPUs with 768 MiB",
                "pins no virtual processors",
                "hw:mem_page_size",
            ),
            strict=True,
        ):
            self.assertIn("InstanceUnacceptable", refused)
            self.assertIn(reason, refused)
        # nova's scheduler looks for another host for the last two; what nodes are like it does not know.
        self.assertEqual([True, True, False, False], [fits for _refused, fits in said[:-1]])
        self.assertEqual([], [name for name in said[-1] if name != "_base"])
