# SPDX-License-Identifier: Apache-2.0
"""Counts what the driver asks of WMI: ``python -m tests.contract.driver.round_trips`` prints a table.

Each is one call at the layer of ``mi``, PyMI's C module: what on Windows goes to the provider's process and
back. Polls of jobs are counted, as are class definitions, which PyMI and os-win keep: the first spawn fetches
them.
"""

from tests.contract.driver.on_hyperv import OnHyperVTest

COUNT = """
import collections
from mi import connection

class Counted:
    def __enter__(self):
        self.by_operation, self._request = collections.Counter(), connection.request
        def request(computer, namespace, operation, *rest, **parameters):
            self.by_operation[operation] += 1
            return self._request(computer, namespace, operation, *rest, **parameters)
        connection.request = request
        return self

    def __exit__(self, *error):
        connection.request = self._request
        said[name] = dict(self.by_operation)

from nova.compute import provider_tree
(node,) = hyperv.get_available_nodes()
tree = provider_tree.ProviderTree()
tree.new_root(node, "11111111-1111-4111-8111-111111111111")
made = [instance(f"x-{number}", image_ref="IMAGE") for number in (1, 2)]
ports = [vif(), vif(address="fa:16:3e:00:00:02")]
said = {}
for name, action in (
    ("spawn, nothing cached", lambda: spawn(made[0], "vhdx", ports[:1], hw_machine_type="GENERATION")),
    ("spawn", lambda: spawn(made[1], "vhdx", ports[1:], hw_machine_type="GENERATION")),
    ("state of an instance", lambda: hyperv.get_info(made[1])),
    ("resources and inventory", lambda: (
        hyperv.get_available_resource(node), hyperv.update_provider_tree(tree, node))),
    ("destroy", lambda: hyperv.destroy(admin, made[1], ports[1:])),
):
    with Counted():
        action()
"""


class Counting(OnHyperVTest):
    def counts(self, machine_type):
        """Calls by operation of mi, by action."""
        image = self.add_image("vhdx")
        said = self.nova(COUNT.replace("IMAGE", image).replace("GENERATION", machine_type))
        if "raised" in said:
            raise RuntimeError(said["raised"])
        return said


def main():
    Counting.setUpClass()
    try:
        counts = Counting("counts").counts("hyperv-gen2")
    finally:
        Counting.doClassCleanups()
    operations = sorted({operation for counted in counts.values() for operation in counted})
    print(f"{'':26}{'':>8}" + "".join(f"{operation:>13}" for operation in operations))
    for action, counted in counts.items():
        print(
            f"{action:26}{sum(counted.values()):8}"
            + "".join(f"{counted.get(operation, 0):13}" for operation in operations)
        )


if __name__ == "__main__":
    main()
