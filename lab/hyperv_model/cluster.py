# SPDX-License-Identifier: Apache-2.0
"""The failover cluster that this host is a node of: its groups, each a virtual machine.

What clusapi.dll asks, it asks here; its errors are those of winerror.h. What the nodes do is in `failover`.
"""

import uuid

from lab.hyperv_model import errors, failover, power, states, transfer
from lab.hyperv_model.errors import CimError
from lab.hyperv_model.providers import provides, serves

NAMESPACE = "root/MSCluster"
GROUP, RESOURCE = "MSCluster_ResourceGroup", "MSCluster_Resource"
VIRTUAL_MACHINE = 111  # CLUSGROUP_TYPE (documented)
NODES, RESOURCES, GROUPS = 1, 4, 8  # CLUSTER_ENUM (documented)
NO_ENDPOINT, NO_SERVER = 1753, 1722  # EPT_S_NOT_REGISTERED, RPC_S_SERVER_UNAVAILABLE
RESOURCE_NOT_FOUND, GROUP_NOT_FOUND, NODE_NOT_FOUND = 5007, 5013, 5042
DESTROY = 1  # Options of DestroyGroup
CHANGEABLE = {
    "AutoFailbackType",
    "FailbackWindowEnd",
    "FailbackWindowStart",
    "FailoverPeriod",
    "FailoverThreshold",
    "PersistentState",
    "Priority",
}


def install(model):
    name = model.facts.cluster
    if name is None:
        model.store.hide(NAMESPACE)
        return
    model.store.add(NAMESPACE, "MSCluster_Cluster", Name=name, Caption=name, Fqdn=name)
    model.cluster = failover.Node(model, lambda data: _show(model, data))


def _show(model, data):
    """Have WMI say what the database does."""
    shown = {"MSCluster_Node": [], GROUP: [], RESOURCE: []}
    for name, identifier in data["nodes"].items():
        shown["MSCluster_Node"].append({"Name": name, "Id": identifier, "State": 0})
    for group in data["groups"].values():
        state = failover.PENDING if group["moving"] else group["values"]["State"]
        shown[GROUP].append({**group["values"], "State": state})
        shown[RESOURCE] += group["resources"]
    for class_name, wanted in shown.items():
        (key,) = (item.name for item in model.store.definition(NAMESPACE, class_name).keys)
        wanted = {values[key]: values for values in wanted}
        for instance in model.store.of(NAMESPACE, class_name):
            if instance[key] in wanted:
                instance.update(**wanted.pop(instance[key]))
            else:
                model.store.remove(instance)
        for values in wanted.values():
            model.store.add(NAMESPACE, class_name, **values)


@provides("MSCluster_Cluster.AddVirtualMachine")
def add_virtual_machine(model, cluster, VirtualMachine):
    """A group of the machine's name, with a resource for it and one for its configuration (documented for
    Add-ClusterVirtualMachineRole; the resources' names are inferred from os-win).
    """
    machine = model.cluster.machine(VirtualMachine)
    if machine is None:
        raise CimError(errors.NOT_FOUND, f"no virtual machine {VirtualMachine} on {model.name}")
    with model.cluster.change() as data:
        if machine.name.lower() in map(str.lower, data["groups"]):
            raise CimError(errors.ALREADY_EXISTS, f"{machine.name} is in the cluster already")
        values = model.store.build(
            NAMESPACE,
            GROUP,
            Name=machine.name,
            Id=str(uuid.uuid4()),
            OwnerNode=model.name,
            GroupType=VIRTUAL_MACHINE,
            PersistentState=machine.is_active,
            AutoFailbackType=0,
            State=failover.state_of(machine),
        ).values
        resources = [
            {
                "Id": str(uuid.uuid4()),
                "Name": f"{kind} {machine.name}",
                "Type": kind,
                "OwnerGroup": machine.name,
                "OwnerNode": model.name,
            }
            for kind in ("Virtual Machine", "Virtual Machine Configuration")
        ]
        data["groups"][machine.name] = {
            "values": values,
            "resources": resources,
            "machine": transfer.told(model, machine),
            "placed": True,
            "refused": [],
            "failovers": [],
            "moving": False,
            "changes": 0,
        }
    return {}


@provides(f"{GROUP}.DestroyGroup")
def destroy_group(model, group, Options):
    """The machine stays (documented: it is a cluster's no longer)."""
    if Options != DESTROY:
        raise CimError(errors.INVALID_PARAMETER, f"DestroyGroup with Options {Options}, expected {DESTROY}")
    destroy(model, group["Name"])
    return {}


@provides(f"{GROUP}.PutInstance")
def change_group(model, group, values):
    changes = {name: value for name, value in values.items() if value is not None and value != group[name]}
    fixed = sorted(changes.keys() - CHANGEABLE - {"State"})
    if fixed:
        raise CimError(errors.INVALID_PARAMETER, f"{', '.join(fixed)} of a group cannot be changed")
    changes.pop("State", None)
    with model.cluster.change() as data:
        data["groups"][group["Name"]]["values"].update(changes)


@serves("clusapi.OpenCluster")
def open_cluster(model, name):
    if model.facts.cluster is None:
        raise CimError(NO_ENDPOINT, f"{model.name} is in no cluster")
    if name and name.lower() not in (model.facts.cluster.lower(), model.name.lower()):
        raise CimError(NO_SERVER, f"no cluster {name}")


@serves("clusapi.ClusterOpenEnumEx")
def enumerate_objects(model, kinds):
    """[type, identifier, name] of each object of the kinds."""
    classes = ((NODES, "MSCluster_Node"), (RESOURCES, RESOURCE), (GROUPS, GROUP))
    return [
        [kind, found["Id"], found["Name"]]
        for kind, class_name in classes
        if kinds & kind
        for found in _found(model, class_name)
    ]


@serves("clusapi.OpenClusterGroup")
def open_group(model, name):
    return _find(model, GROUP, name, GROUP_NOT_FOUND)["Name"]


@serves("clusapi.OpenClusterNode")
def open_node(model, name):
    return _find(model, "MSCluster_Node", name, NODE_NOT_FOUND)["Name"]


@serves("clusapi.OpenClusterResource")
def open_resource(model, name):
    return _find(model, RESOURCE, name, RESOURCE_NOT_FOUND)["Name"]


@serves("clusapi.GetClusterGroupState")
def group_state(model, name):
    """[state, owner's name]"""
    group = _find(model, GROUP, name, GROUP_NOT_FOUND)
    return [group["State"], group["OwnerNode"]]


@serves("clusapi.ClusterGroupControl")
def group_properties(model, name):
    open_group(model, name)
    return {"GroupType": VIRTUAL_MACHINE, "StatusInformation": 0}


@serves("clusapi.OnlineClusterGroup")
def bring_online(model, name):
    """Starts the machine."""
    _request(model, name, states.ENABLE, failover.ONLINE)


@serves("clusapi.OfflineClusterGroup")
def take_offline(model, name):
    """Saves the machine (documented: the default OfflineAction)."""
    _request(model, name, states.OFFLINE, failover.OFFLINE)


@serves("clusapi.DestroyClusterGroup")
def destroy(model, name):
    name = open_group(model, name)
    with model.cluster.change() as data:
        del data["groups"][name]


@serves("clusapi.MoveClusterGroupEx")
def move(model, name, node):
    model.cluster.move(open_group(model, name), open_node(model, node))


@serves("clusapi.CancelClusterGroupOperation")
def cancel(model, name):
    model.cluster.cancel(open_group(model, name))


@serves("clusapi.GetClusterNotifyV2")
def watch(model):
    """{group: [state, identifier of its owner, count of moves]}, of which the DLL tells what changes."""
    with model.cluster.change() as data:
        moves = {name: group["changes"] for name, group in data["groups"].items()}
    identifiers = {node["Name"]: node["Id"] for node in model.store.of(NAMESPACE, "MSCluster_Node")}
    return {
        group["Name"]: [group["State"], identifiers[group["OwnerNode"]], moves[group["Name"]]]
        for group in model.store.of(NAMESPACE, GROUP)
    }


def _request(model, name, request, wanted):
    group = _find(model, GROUP, name, GROUP_NOT_FOUND)
    if group["State"] == wanted:
        return
    machine = model.cluster.machine(name)
    if machine is None:
        raise CimError(failover.NOT_OWNER, f"{name} is owned by {group['OwnerNode']}")
    outputs = power.request_state_change(model, machine.system, request, None)
    if outputs["ReturnValue"] not in (0, 4096):
        raise CimError(failover.INVALID_STATE, f"{name} is {states.TITLES[machine.state]}")


def _find(model, class_name, name, code):
    found = [item for item in _found(model, class_name) if item["Name"].lower() == name.lower()]
    if not found:
        raise CimError(code, f"the cluster has no {name}")
    return found[0]


def _found(model, class_name):
    with model.cluster.change():
        pass  # WMI shows now what the other nodes did
    return model.store.of(NAMESPACE, class_name)
