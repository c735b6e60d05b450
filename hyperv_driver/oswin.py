# SPDX-License-Identifier: Apache-2.0
"""os-win as this driver uses it: imported without eventlet, its utilities made once and passed around."""

import dataclasses
from typing import Any

from nova import exception
from oslo_config import cfg
from oslo_log import log as logging
from oslo_utils import units, uuidutils

from hyperv_driver import batches
from hyperv_driver.without_eventlet import without_eventlet

with without_eventlet():
    from os_win import constants, exceptions, utilsfactory
    from os_win.utils import _wqlutils

    # utilsfactory imports these by name, when first asked: import here all those that import eventlet.
    from os_win.utils.compute import clusterutils
    from os_win.utils.network import networkutils  # noqa: F401

__all__ = [
    "ClusterUtilities", "Utilities", "adapters", "attached_files", "bandwidth", "constants", "enable_tpm",
    "exceptions", "external_switches", "has_spoofing", "identified_instances", "inject_nmi", "instances",
    "iops_limit", "is_elsewhere", "network_utilities", "numa_nodes", "planned_machines",
    "reserves_bandwidth", "set_merged_parent",
]  # fmt: skip

# Not nova's, which the agent does not have.
CONF = cfg.CONF
LOG = logging.getLogger(__name__)

_ABSOLUTE = 2  # BandwidthReservationMode


def network_utilities():
    """os-win's networkutils, which keep no objects of adapters, whatever the host's configuration says.

    They would take the adapter of a machine that was made anew for the former one, which is connected.
    """
    if CONF.os_win.cache_temporary_wmi_objects:
        LOG.warning("[os_win] cache_temporary_wmi_objects has no effect: adapters are made anew at a resize.")
        CONF.set_override("cache_temporary_wmi_objects", False, group="os_win")
    return utilsfactory.get_networkutils()


def instances(vmutils):
    """(name, uuid) of each virtual machine that is an instance of nova's: the uuid is its note."""
    for name, notes in vmutils.list_instance_notes():
        if notes and uuidutils.is_uuid_like(notes[0]):
            yield name, notes[0]


def identified_instances(vmutils):
    """(name, uuid, identifier) of each that is an instance of nova's, for which os-win has no method.

    A machine that is made anew, of the same instance, has another identifier.
    """
    realized = vmutils._conn.Msvm_VirtualSystemSettingData(
        ["ElementName", "Notes", "VirtualSystemIdentifier"],
        VirtualSystemType=vmutils._VIRTUAL_SYSTEM_TYPE_REALIZED,
    )
    for settings in realized:
        if settings.Notes and uuidutils.is_uuid_like(settings.Notes[0]):
            yield settings.ElementName, settings.Notes[0], settings.VirtualSystemIdentifier


def planned_machines(vmutils):
    """(name, uuid) of each virtual machine that is yet to come, for which os-win has no method.

    :returns: None for the uuid of one that is no instance of nova's
    """
    planned = vmutils._conn.Msvm_VirtualSystemSettingData(
        ["ElementName", "Notes"], VirtualSystemType=vmutils._VIRTUAL_SYSTEM_TYPE_PLANNED
    )
    for settings in planned:
        (note, *_others) = settings.Notes or (None,)
        yield settings.ElementName, note if note and uuidutils.is_uuid_like(note) else None


def adapters(networkutils):
    """Return the host's adapters, names and identities, of which os-win's get_vnic_ids gives the names alone.

    An adapter that is made anew under its name has another identity.
    """
    found = networkutils._conn.Msvm_SyntheticEthernetPortSettingData()
    return {adapter.ElementName: adapter.InstanceID for adapter in found}


def external_switches(networkutils):
    """The names of the host's virtual switches that have a network card of it, of which os-win lists none."""
    for switch in networkutils._conn.Msvm_VirtualEthernetSwitch(["ElementName"]):
        if networkutils.get_vswitch_external_network_name(switch.ElementName):
            yield switch.ElementName


def reserves_bandwidth(networkutils, switch):
    """Whether a virtual switch's ports can have bits a second of their own: only in absolute mode, says the
    page of New-VMSwitch.
    """
    (settings,) = networkutils._conn.Msvm_VirtualEthernetSwitchSettingData(ElementName=switch)
    return settings.BandwidthReservationMode == _ABSOLUTE


def bandwidth(networkutils, port_id):
    """Return the bandwidth of a port as set_port_qos_rule takes it, which os-win only sets."""
    port, _found = networkutils._get_switch_port_allocation(port_id)
    setting = networkutils._get_bandwidth_setting_data_from_port_alloc(port)
    if not setting:
        return {}
    kbps = {"max_kbps": setting.Limit // units.Ki, "min_kbps": setting.Reservation // units.Ki}
    return {name: value for name, value in kbps.items() if value}


def is_elsewhere(networkutils, port_id, switch):
    """Whether a port is on another virtual switch, where os-win's connect_vnic_to_vswitch leaves it."""
    port, found = networkutils._get_switch_port_allocation(port_id, expected=False)
    connected = found and port.HostResource and port.HostResource[0]
    return bool(connected) and networkutils.get_vswitch_id(switch) not in connected


def has_spoofing(networkutils, port_id):
    """Whether a port's guest may send from other MAC addresses than its adapter's, which os-win only sets."""
    port, _found = networkutils._get_switch_port_allocation(port_id)
    setting = networkutils._get_security_setting_data_from_port_alloc(port)
    return bool(setting) and setting.AllowMacSpoofing


def inject_nmi(vmutils, name):
    """Give a running virtual machine a non-maskable interrupt, for which os-win has no method."""
    machine = vmutils._lookup_vm_check(name, as_vssd=False)
    job, result = machine.InjectNonMaskableInterrupt()
    vmutils._jobutils.check_ret_val(result, job)


def enable_tpm(vmutils, name, key_protector):
    """Give a virtual machine a TPM, of which os-win has a method for shielding data files only.

    :param key_protector: the bytes that its state is encrypted by
    """
    machine = vmutils._lookup_vm_check(name)
    (security,) = _wqlutils.get_element_associated_class(
        vmutils._conn, vmutils._SECURITY_SETTING_DATA, element_uuid=machine.ConfigurationID
    )
    security.TpmEnabled = True
    text = security.GetText_(1)
    job, code = vmutils._sec_svc.SetKeyProtector(KeyProtector=key_protector, SecuritySettingData=text)
    vmutils._jobutils.check_ret_val(code, job)
    job, code = vmutils._sec_svc.ModifySecuritySettings(SecuritySettingData=text)
    vmutils._jobutils.check_ret_val(code, job)


def attached_files(vmutils):
    """The files in the drives of all virtual machines, for which os-win has no method."""
    disks = vmutils._conn.Msvm_StorageAllocationSettingData(["HostResource"])
    return [path for disk in disks for path in disk.HostResource or ()]


def set_merged_parent(vmutils, child, parent):
    """Tell a virtual disk that its parent has been merged into that one's own.

    os-win's reconnect_parent_vhd is for the disk that it was made from, at another path; the page of
    SetParentVirtualHardDisk has IgnoreIDMismatch for one with another identifier, which this one has.
    """
    (service,) = vmutils._conn.Msvm_ImageManagementService()
    job, code = service.SetParentVirtualHardDisk(ChildPath=child, ParentPath=parent, IgnoreIDMismatch=True)
    vmutils._jobutils.check_ret_val(code, job)


def numa_nodes(hostutils):
    """(number, set of processors, MiB of memory) of each NUMA node of the host.

    os-win's get_numa_nodes fetches every processor for that, one by one, and takes free memory for used.
    """
    memory = {bank.DeviceID: bank.NumberOfBlocks for bank in hostutils._conn.Msvm_Memory()}
    for node in hostutils._conn.Msvm_NumaNode():
        processors, blocks = set(), 0
        for dependency in hostutils._conn.Msvm_HostedDependency(Antecedent=node.path_()):
            # As an attribute it would be fetched; its keys are here already.
            _name, _type, part = dependency.get_wrapped_object().get_element("Dependent")
            if part.get_class_name() == "Msvm_Processor":
                processors.add(int(part.get_element("DeviceID")[2].rpartition("\\")[2]))
            elif part.get_class_name() == "Msvm_Memory":
                blocks += memory[part.get_element("DeviceID")[2]]  # of 1 MiB
        yield int(node.NodeID.rpartition("\\")[2]), processors, blocks


def iops_limit(vmutils, path):
    """How many operations a second an attached hard disk does at most, which os-win only sets; 0: all."""
    return vmutils._get_mounted_disk_resource_from_path(path, is_physical=False).IOPSLimit or 0


@dataclasses.dataclass(frozen=True)
class Utilities:
    """The os-win objects that the ops work with, one each for this process; and what else knows Windows,
    ``access.FileAccess``, ``connectors.Connectors`` and ``serial_pipe.SerialPipe``.
    """

    vmutils: Any
    vhdutils: Any
    diskutils: Any
    networkutils: Any
    hostutils: Any
    pathutils: Any
    livemigrationutils: Any
    metricsutils: Any
    access: Any
    connectors: Any
    open_pipe: Any

    @classmethod
    def of_this_host(cls, **more):
        """:raises os_win.exceptions.OSWinException: this is no Windows that os-win knows."""
        # pywin32 is there on Windows only.
        from hyperv_driver import access, connectors, serial_pipe

        return cls(
            vmutils=batches.VMUtils(),
            vhdutils=utilsfactory.get_vhdutils(),
            diskutils=utilsfactory.get_diskutils(),
            networkutils=network_utilities(),
            hostutils=utilsfactory.get_hostutils(),
            pathutils=utilsfactory.get_pathutils(),
            livemigrationutils=utilsfactory.get_livemigrationutils(),
            metricsutils=utilsfactory.get_metricsutils(),
            access=access.FileAccess(),
            connectors=connectors.Connectors(),
            open_pipe=serial_pipe.SerialPipe,
            **more,
        )


@dataclasses.dataclass(frozen=True)
class ClusterUtilities(Utilities):
    """Those of a host that is a node of a failover cluster."""

    clusterutils: Any

    @classmethod
    def of_this_host(cls):
        """:raises nova.exception.InvalidConfiguration: it is no node, or its cluster service does not run"""
        try:
            # [os_win] connect_cluster_timeout says how long it waits for a service that still starts.
            connected = clusterutils.ClusterUtils()
        except (exceptions.OSWinException, exceptions.x_wmi) as error:
            raise exception.InvalidConfiguration(
                f"HyperVClusterDriver takes a node of a failover cluster, which this host is not: {error}"
            ) from error
        return super().of_this_host(clusterutils=connected)
