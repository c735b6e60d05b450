# SPDX-License-Identifier: Apache-2.0
from nova import exception, objects

from tests.unit.driver import base
from tests.unit.driver.base import instance


def cell(number, cpus=(0, 1), memory=256, **changes):
    values = {"id": number, "cpuset": set(cpus), "pcpuset": set(), "memory": memory, "pagesize": None}
    return objects.InstanceNUMACell(**values | changes)


class NumaTest(base.DriverTestCase):
    def with_nodes(self, *cells):
        return instance(numa_topology=objects.InstanceNUMATopology(cells=list(cells)))

    def refusal(self, *cells):
        error = self.assertRaises(exception.InstanceUnacceptable, self.spawn, self.with_nodes(*cells))
        return str(error)

    def test_nodes(self):
        self.config(dynamic_memory_ratio=2.0, group="hyperv")
        made = self.spawn(self.with_nodes(cell(0), cell(1, (2, 3), pagesize=4)))
        self.assertEqual(((2, 256), 1), (self.vm(made)["numa node"], self.vm(made)["memory_ratio"]))
        made = self.spawn(instance("x-2"))
        self.assertEqual((None, 2.0), (self.vm(made)["numa node"], self.vm(made)["memory_ratio"]))

    def test_refusals(self):
        for expected, *cells in (
            ("nodes of 1 CPUs with 256 MiB and of 2 CPUs with 256 MiB", cell(0), cell(1, (2,))),
            ("nodes of 2 CPUs with 128 MiB and of 2 CPUs with 256 MiB", cell(0), cell(1, (2, 3), 128)),
            ("pins no virtual processors", cell(0, (), pcpuset={0, 1})),
            ("hw:mem_page_size", cell(0, pagesize=2048)),
        ):
            self.assertIn(expected, self.refusal(*cells))
