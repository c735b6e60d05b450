# SPDX-License-Identifier: Apache-2.0
"""os-win's VMUtils with fewer round trips to WMI.

Hyper-V's methods take lists, and os-win calls them once for each resource; it looks for a virtual machine
before each change of it, and reads a job's class with each look at the job. Here a virtual machine is made
with one call for all that can be added at once: a drive needs its controller, and a disk its drive. Sources:
Microsoft's documentation of Msvm_VirtualSystemManagementService, and what os-win asks of Hyper-V.
"""

import dataclasses
import functools
import re
import time
import uuid

from hyperv_driver.without_eventlet import without_eventlet

with without_eventlet():
    from os_win import _utils, constants, exceptions
    from os_win.utils import _wqlutils, jobutils
    from os_win.utils.compute import vmutils10

MEMORY, PROCESSOR = "Microsoft:Hyper-V:Memory", "Microsoft:Hyper-V:Processor"
NETWORK_ADAPTER = "Microsoft:Hyper-V:Synthetic Ethernet Port"
PCI_EXPRESS_PORT = "Microsoft:Hyper-V:Virtual Pci Express Port"
DATA_ROOTS = (
    "ConfigurationDataRoot", "LogDataRoot", "SnapshotDataRoot", "SuspendDataRoot", "SwapFileDataRoot"
)  # fmt: skip
# RequestStateChange's answer where there is no way from the present state, be it the wanted one.
INVALID_STATE = 32775
# Seconds until the first look at a job, as between os-win's looks, and between two at one that takes long.
FIRST_LOOK, LAST_LOOKS = 0.1, 1


@dataclasses.dataclass(frozen=True)
class Drive:
    """A drive with a file in it.

    :ivar path: of the file
    :ivar is_dvd: whether it is a DVD drive, rather than a hard disk
    :ivar iops_limit: most operations of 8 KiB that it does in a second; 0: any number
    :ivar ide: its (controller, slot); None: it is on the SCSI controller, in the next slot
    """

    path: str
    is_dvd: bool = False
    ide: tuple | None = None
    iops_limit: int = 0


@dataclasses.dataclass(frozen=True)
class Machine:
    """A virtual machine to make.

    :ivar notes: what it bears as its notes, a list
    :ivar generation: os-win's VM_GEN_1 or VM_GEN_2
    :ivar folder: where Hyper-V keeps its configuration
    :ivar memory_mb: its memory, in MiB
    :ivar memory_ratio: how many times what it starts with that is; more than 1: Hyper-V adds as is needed
    :ivar limit_cpu_features: whether it can move to hosts with other processors of the same make
    :ivar is_host: whether it can have virtual machines of its own
    :ivar serial_pipes: the paths of the pipes that its serial ports are, by the ports' numbers, 1 and 2
    :ivar drives: its Drives
    :ivar asset_tag: what its firmware tells the guest as the chassis' asset tag
    :ivar shuts_down_with_host: whether the host's shutdown shuts its guest down; else it saves its state, or
        turns it off if it has devices
    :ivar numa_node: most (processors, MiB of memory) of each of its NUMA nodes; None: it has one for all
    :ivar devices: paths of the host's Msvm_PciExpress that it has for itself
    :ivar mmio_mb: address space for their registers and memory, in MiB: (below 4 GiB, above)
    :ivar boot_order: paths of the files that a machine of generation 2 boots from, the first one first
    """

    name: str
    notes: list
    generation: int
    folder: str
    memory_mb: int
    memory_ratio: float
    vcpus: int
    limit_cpu_features: bool
    serial_pipes: dict
    drives: list
    boot_order: list
    asset_tag: str
    shuts_down_with_host: bool = False
    is_host: bool = False
    numa_node: tuple | None = None
    devices: list = ()
    mmio_mb: tuple = ()


class JobUtils(jobutils.JobUtils):
    def _wait_for_job(self, job_path):
        instance_id = re.search('InstanceID="([^"]+)"', job_path)[1]
        pause = FIRST_LOOK
        while True:
            time.sleep(pause)
            jobs = self._conn.query(f"SELECT * FROM Msvm_ConcreteJob WHERE InstanceID = '{instance_id}'")
            if not jobs or self._is_job_completed(jobs[0]):
                break
            pause = min(pause * 1.5, LAST_LOOKS)
        if jobs and jobs[0].JobState == constants.JOB_STATE_COMPLETED and not jobs[0].ErrorCode:
            return jobs[0]
        return super()._wait_for_job(job_path)  # which says what went wrong


class VMUtils(vmutils10.VMUtils10):
    def __init__(self, host="."):
        super().__init__(host)
        self._jobutils = JobUtils(host)

    def get_vm_state(self, vm_name):
        vm = self._lookup_vm_check(vm_name, as_vssd=False)
        return self._enabled_states_map.get(vm.EnabledState, constants.HYPERV_VM_STATE_ENABLED)

    @_utils.retry_decorator(exceptions=exceptions.WMIJobFailed)
    def set_vm_state(self, vm_name, req_state):
        """Change the state of a virtual machine.

        :returns: whether Hyper-V changed it; else it is there already, or there is no way from where it is.
        """
        vm = self._lookup_vm_check(vm_name, as_vssd=False)
        job, code = vm.RequestStateChange(self._vm_power_states_map[req_state])
        self._jobutils.check_ret_val(code, job, [0, INVALID_STATE])
        return code != INVALID_STATE

    def build_vm(self, machine):
        """Make a virtual machine, with its devices; it is off.

        :param machine: the Machine
        :returns: what adds its network adapters: called with their MAC addresses, by their names
        :raises os_win.exceptions.HyperVException: something of it cannot be had; what is there by then stays.
        """
        settings = self._define(machine)
        parts = _wqlutils.get_element_associated_class(
            self._conn, self._CIM_RES_ALLOC_SETTING_DATA_CLASS, element_instance_id=settings.InstanceID
        )
        self._modify(_configured(parts, machine, self._SERIAL_PORT_RES_SUB_TYPE))
        templates = self._templates()
        drives = self._add_devices(settings, machine, parts, templates)
        if machine.generation == constants.VM_GEN_2 and machine.boot_order:
            self._boot_from(machine, [drives[path] for path in machine.boot_order])
        return functools.partial(self._add_adapters, settings, templates[NETWORK_ADAPTER])

    def _define(self, machine):
        wanted = self._conn.Msvm_VirtualSystemSettingData.new()
        wanted.ElementName, wanted.Notes = machine.name, machine.notes
        wanted.ChassisAssetTag = machine.asset_tag
        wanted.AutomaticStartupAction = self._AUTOMATIC_STARTUP_ACTION_NONE
        if machine.shuts_down_with_host:
            wanted.AutomaticShutdownAction = constants.HOST_SHUTDOWN_ACTION_SHUTDOWN
        elif machine.devices:
            wanted.AutomaticShutdownAction = constants.HOST_SHUTDOWN_ACTION_TURN_OFF
        if machine.devices:
            wanted.GuestControlledCacheTypes = True
            wanted.LowMmioGapSize, wanted.HighMmioGapSize = machine.mmio_mb
        wanted.VirtualNumaEnabled = machine.numa_node is not None
        if machine.generation == constants.VM_GEN_2:
            wanted.VirtualSystemSubType = self._VIRTUAL_SYSTEM_SUBTYPE_GEN2
            wanted.SecureBootEnabled = False
        for data_root in DATA_ROOTS:
            setattr(wanted, data_root, machine.folder)
        job, _system, code = self._vs_man_svc.DefineSystem(
            ResourceSettings=[], ReferenceConfiguration=None, SystemSettings=wanted.GetText_(1)
        )
        self._jobutils.check_ret_val(code, job)
        return self._lookup_vm_check(machine.name)

    def _add_devices(self, settings, machine, parts, templates):
        """Add the SCSI controller, the host's devices, and the drives.

        :returns: the drives, by the paths of the files in them
        """
        controller = _text(templates[self._SCSI_CTRL_RES_SUB_TYPE], VirtualSystemIdentifiers=[_new_guid()])
        devices = [_text(templates[PCI_EXPRESS_PORT], HostResource=[path]) for path in machine.devices]
        added = self._add(settings, [controller, *devices])
        (scsi,) = [path for path in added if f":{self._RESOURCE_ALLOC_SETTING_DATA_CLASS}." in path]
        if not machine.drives:
            return {}
        ide = {
            part.Address: part.path_()
            for part in parts
            if part.ResourceSubType == self._IDE_CTRL_RES_SUB_TYPE
        }
        on_scsi = [drive for drive in machine.drives if not drive.ide]
        places = [
            (ide[str(drive.ide[0])], drive.ide[1]) if drive.ide else (scsi, on_scsi.index(drive))
            for drive in machine.drives
        ]
        self._add(
            settings,
            [
                _text(
                    templates[
                        self._DVD_DRIVE_RES_SUB_TYPE if drive.is_dvd else self._DISK_DRIVE_RES_SUB_TYPE
                    ],
                    Parent=controller,
                    Address=slot,
                    AddressOnParent=slot,
                )
                for drive, (controller, slot) in zip(machine.drives, places, strict=True)
            ],
        )
        drives = self._found(settings, places)
        self._add(
            settings,
            [
                _text(
                    templates[self._DVD_DISK_RES_SUB_TYPE if drive.is_dvd else self._HARD_DISK_RES_SUB_TYPE],
                    Parent=found.path_(),
                    HostResource=[drive.path],
                    **({"IOPSLimit": drive.iops_limit} if drive.iops_limit else {}),
                )
                for drive, found in zip(machine.drives, drives, strict=True)
            ],
        )
        return dict(zip([drive.path for drive in machine.drives], drives, strict=True))

    def _add_adapters(self, settings, template, addresses):
        adapters = [
            _text(
                template,
                ElementName=name,
                VirtualSystemIdentifiers=[_new_guid()],
                Address=address.replace(":", ""),
                StaticMacAddress=True,
            )
            for name, address in addresses.items()
        ]
        if adapters:
            self._add(settings, adapters)

    def _templates(self):
        """What Hyper-V gives to copy, one of each kind of resource; by kind.

        They are asked for each time: who changes one keeps it.
        """
        found = self._conn.query(
            f"SELECT * FROM {self._CIM_RES_ALLOC_SETTING_DATA_CLASS} WHERE InstanceID LIKE '%\\Default'"
        )
        return {template.ResourceSubType: template for template in found}

    def _found(self, settings, places):
        """The drives in these places: in which order Hyper-V names new ones is not said.

        :param places: (path of controller, slot) of each
        """
        resources = _wqlutils.get_element_associated_class(
            self._conn, self._RESOURCE_ALLOC_SETTING_DATA_CLASS, element_instance_id=settings.InstanceID
        )
        found = {
            (resource.Parent.lower(), int(resource.AddressOnParent)): resource
            for resource in resources
            if resource.Parent and resource.AddressOnParent
        }
        return [found[controller.lower(), slot] for controller, slot in places]

    def _boot_from(self, machine, drives):
        sources = [
            source.path_()
            for drive in drives
            for source in drive.associators(wmi_association_class="Msvm_LogicalIdentity")
        ]
        settings = self._lookup_vm_check(machine.name)
        # Their paths differ in case, depending on where Hyper-V names them.
        first = {source.upper() for source in sources}
        others = [source for source in settings.BootSourceOrder if source.upper() not in first]
        settings.BootSourceOrder = [*sources, *others]
        self._modify_virtual_system(settings)

    def _add(self, settings, texts):
        """Add resources; not tried again, as os-win does with one: some of them may be there."""
        job, added, code = self._vs_man_svc.AddResourceSettings(settings.path_(), texts)
        self._jobutils.check_ret_val(code, job)
        return added

    @_utils.retry_decorator(exceptions=exceptions.HyperVException)
    def _modify(self, texts):
        job, _changed, code = self._vs_man_svc.ModifyResourceSettings(ResourceSettings=texts)
        self._jobutils.check_ret_val(code, job)


def _configured(parts, machine, serial_port):
    """The texts of those parts that a new machine comes with, as this one is to have them."""
    (memory,) = [part for part in parts if part.ResourceSubType == MEMORY]
    (processor,) = [part for part in parts if part.ResourceSubType == PROCESSOR]
    ports = [part for part in parts if part.ResourceSubType == serial_port]
    ports.sort(key=lambda port: port.InstanceID)
    at_start = machine.memory_mb
    if machine.memory_ratio > 1:
        at_start = int(machine.memory_mb / machine.memory_ratio) // 2 * 2  # Hyper-V takes even numbers only
    return [
        _text(
            memory,
            Limit=machine.memory_mb,
            DynamicMemoryEnabled=machine.memory_ratio > 1,
            Reservation=at_start,
            VirtualQuantity=at_start,
            **({"MaxMemoryBlocksPerNumaNode": machine.numa_node[1]} if machine.numa_node else {}),
        ),
        _text(
            processor,
            VirtualQuantity=machine.vcpus,
            Reservation=machine.vcpus,
            Limit=100_000,  # thousandths of a per cent
            LimitProcessorFeatures=machine.limit_cpu_features,
            ExposeVirtualizationExtensions=machine.is_host,
            **({"MaxProcessorsPerNumaNode": machine.numa_node[0]} if machine.numa_node else {}),
        ),
        *(_text(ports[number - 1], Connection=[pipe]) for number, pipe in machine.serial_pipes.items()),
    ]


def _text(part, **values):
    """A part with these values, as Hyper-V's methods take it."""
    part.set(**values)
    return part.GetText_(1)


def _new_guid():
    return f"{{{uuid.uuid4()}}}"
