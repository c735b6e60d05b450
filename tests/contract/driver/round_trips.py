# SPDX-License-Identifier: Apache-2.0
"""What this driver asks of WMI, against what compute-hyperv 16.0.0 asks of the same simulated host.

``python -m tests.contract.driver.round_trips`` prints a table. A round trip is one call of ``mi.Session``, of
PyMI's C module: what on Windows goes to the provider's process and back. All caches are cold: each action is
the first of a process whose driver has just started. Looks at jobs are counted, and definitions of classes,
which PyMI keeps as long as a connection. The port is one that an agent wires, as all of compute-hyperv's are.
"""

from tests.contract.driver.compute_hyperv import OnComputeHyperVTest
from tests.contract.driver.on_hyperv import OnHyperVTest

COUNT = """
import collections, mi, threading
counted = collections.Counter()
acting = threading.current_thread()
def counting(name):
    call = getattr(mi.Session, name)
    def counting_call(session, *arguments, **named):
        # PyMI writes in lower case what asks for the instances of a class by their values.
        enumerates = named.get("query", "").startswith("select ")
        # The driver's listener starts at some time after the driver, and is none of the action.
        if threading.current_thread() is acting:
            counted["enumerate" if enumerates else name] += 1
        return call(session, *arguments, **named)
    return counting_call
made = instance("x-1", image_ref="IMAGE")
keep = True
calls = {name: call for name, call in vars(mi.Session).items() if not name.startswith("_")}
for name in calls:
    setattr(mi.Session, name, counting(name))
ACTION
for name, call in calls.items():
    setattr(mi.Session, name, call)
said = counted
"""

PORT = "vif(details={'hyperv_wired_by_agent': True})"
ACTIONS = {
    "spawn": f"spawn(made, 'vhdx', [{PORT}], hw_machine_type='GENERATION')",
    "resource update": "update()",
    "destroy": f"hyperv.destroy(admin, made, [{PORT}])",
}
UPDATE = """
from nova.compute import provider_tree
def update():
    (node,) = hyperv.get_available_nodes()
    tree = provider_tree.ProviderTree()
    tree.new_root(node, "11111111-1111-4111-8111-111111111111")
    hyperv.get_available_resource(node)
    hyperv.update_provider_tree(tree, node)
"""
# Column: the methods of ``mi.Session`` that it has.
COLUMNS = {
    "enumerations": ("enumerate",),
    "queries": ("exec_query", "get_associators"),
    "instances": ("get_instance",),
    "invocations": ("invoke_method",),
    "classes": ("get_class",),
}


def counts(case, machine_type):
    """The round trips of a driver.

    :param case: the OnHyperVTest whose driver it is
    :param machine_type: the image's hw_machine_type
    :returns: the number of calls by column, by action
    """
    found = {}
    case.setUpClass()
    try:
        test = case("counts")
        image = test.add_image("vhdx")
        for action, code in ACTIONS.items():
            code = (UPDATE + COUNT).replace("ACTION", code)
            said = test.nova(code.replace("IMAGE", image).replace("GENERATION", machine_type))
            if "raised" in said:
                raise RuntimeError(f"{case.program}: {action}: {said['raised']}")
            found[action] = {
                column: sum(said.pop(name, 0) for name in names) for column, names in COLUMNS.items()
            }
            if said:
                raise RuntimeError(f"{case.program}: {action}: no column for {', '.join(said)}")
            case.restart()
    finally:
        case.doClassCleanups()
    return found


class ThisDriver(OnHyperVTest):
    counts = None


class ComputeHyperV(OnComputeHyperVTest):
    counts = None


def main():
    for machine_type in ("hyperv-gen1", "hyperv-gen2"):
        print(f"{machine_type:35}" + "".join(f"{column:>13}" for column in (*COLUMNS, "all", "ratio")))
        theirs, ours = (counts(case, machine_type) for case in (ComputeHyperV, ThisDriver))
        for action in ACTIONS:
            whole = sum(theirs[action].values())
            for name, found in (("compute-hyperv", theirs[action]), ("this driver", ours[action])):
                cells = (*found.values(), sum(found.values()), f"{sum(found.values()) / whole:.2f}")
                print(f"{action:20}{name:15}" + "".join(f"{cell:>13}" for cell in cells))


if __name__ == "__main__":
    main()
