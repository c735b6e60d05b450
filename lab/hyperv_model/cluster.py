# SPDX-License-Identifier: Apache-2.0
"""A failover cluster whose only node is this host: its groups, each a virtual machine. Nothing moves.

What clusapi.dll asks, it asks here; its errors are those of winerror.h.
"""

import uuid

from lab.hyperv_model import errors, power, states
from lab.hyperv_model.errors import CimError
from lab.hyperv_model.machine import VirtualMachine
from lab.hyperv_model.providers import computes, provides, serves

NAMESPACE = "root/MSCluster"
GROUP, RESOURCE = "MSCluster_ResourceGroup", "MSCluster_Resource"
VIRTUAL_MACHINE = 111  # CLUSGROUP_TYPE (documented)
ONLINE, OFFLINE, PENDING = 0, 1, 4  # CLUSTER_GROUP_STATE (documented)
NODES, RESOURCES, GROUPS = 1, 4, 8  # CLUSTER_ENUM (documented)
NO_ENDPOINT, NO_SERVER = 1753, 1722  # EPT_S_NOT_REGISTERED, RPC_S_SERVER_UNAVAILABLE
RESOURCE_NOT_FOUND, GROUP_NOT_FOUND, NODE_NOT_FOUND, INVALID_STATE = 5007, 5013, 5042, 5023
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
    model.store.add(NAMESPACE, "MSCluster_Node", Name=model.name, State=0, Id="1")


@provides("MSCluster_Cluster.AddVirtualMachine")
def add_virtual_machine(model, cluster, VirtualMachine):
    """A group of the machine's name, with a resource for it and one for its configuration (documented for
    Add-ClusterVirtualMachineRole; the resources' names are inferred from os-win).
    """
    machine = _machine(model, VirtualMachine)
    if machine is None:
        raise CimError(errors.NOT_FOUND, f"no virtual machine {VirtualMachine} on {model.name}")
    if model.store.of(NAMESPACE, GROUP, Name=machine.name):
        raise CimError(errors.ALREADY_EXISTS, f"{machine.name} is in the cluster already")
    model.store.add(
        NAMESPACE,
        GROUP,
        Name=machine.name,
        Id=str(uuid.uuid4()),
        OwnerNode=model.name,
        GroupType=VIRTUAL_MACHINE,
        PersistentState=machine.is_active,
        AutoFailbackType=0,
    )
    for kind in ("Virtual Machine", "Virtual Machine Configuration"):
        model.store.add(
            NAMESPACE,
            RESOURCE,
            Id=str(uuid.uuid4()),
            Name=f"{kind} {machine.name}",
            Type=kind,
            OwnerGroup=machine.name,
            OwnerNode=model.name,
        )
    return {}


@provides(f"{GROUP}.DestroyGroup")
def destroy_group(model, group, Options):
    """The machine stays (documented: it is a cluster's no longer)."""
    if Options != DESTROY:
        raise CimError(errors.INVALID_PARAMETER, f"DestroyGroup with Options {Options}, expected {DESTROY}")
    _destroy(model, group)
    return {}


@provides(f"{GROUP}.PutInstance")
def change_group(model, group, values):
    changes = {name: value for name, value in values.items() if value is not None and value != group[name]}
    fixed = sorted(changes.keys() - CHANGEABLE - {"State"})
    if fixed:
        raise CimError(errors.INVALID_PARAMETER, f"{', '.join(fixed)} of a group cannot be changed")
    group.update(**changes)


@computes(GROUP)
def show_state(model, group):
    group["State"] = _state(model, group["Name"])


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
        for found in model.store.of(NAMESPACE, class_name)
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
    open_group(model, name)
    return [_state(model, name), model.name]


@serves("clusapi.ClusterGroupControl")
def group_properties(model, name):
    open_group(model, name)
    return {"GroupType": VIRTUAL_MACHINE, "StatusInformation": 0}


@serves("clusapi.OnlineClusterGroup")
def bring_online(model, name):
    """Starts the machine."""
    _request(model, name, states.ENABLE, ONLINE)


@serves("clusapi.OfflineClusterGroup")
def take_offline(model, name):
    """Saves the machine (documented: the default OfflineAction)."""
    _request(model, name, states.OFFLINE, OFFLINE)


@serves("clusapi.DestroyClusterGroup")
def destroy(model, name):
    _destroy(model, _find(model, GROUP, name, GROUP_NOT_FOUND))


def _destroy(model, group):
    for resource in model.store.of(NAMESPACE, RESOURCE, OwnerGroup=group["Name"]):
        model.store.remove(resource)
    model.store.remove(group)


def _request(model, name, request, wanted):
    open_group(model, name)
    if _state(model, name) == wanted:
        return
    machine = _machine(model, name)
    outputs = power.request_state_change(model, machine.system, request, None)
    if outputs["ReturnValue"] not in (0, 4096):
        raise CimError(INVALID_STATE, f"{name} is {states.TITLES[machine.state]}")


def _find(model, class_name, name, code):
    found = [item for item in model.store.of(NAMESPACE, class_name) if item["Name"].lower() == name.lower()]
    if not found:
        raise CimError(code, f"the cluster has no {name}")
    return found[0]


def _machine(model, name) -> VirtualMachine | None:
    return next((found for found in model.machines.values() if found.name.lower() == name.lower()), None)


def _state(model, name):
    machine = _machine(model, name)
    if machine is None or not machine.is_active:
        return OFFLINE
    return ONLINE if machine.state in (states.RUNNING, states.PAUSED) else PENDING
