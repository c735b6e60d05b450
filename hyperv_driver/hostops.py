# SPDX-License-Identifier: Apache-2.0
"""What this host is and has, as nova and placement want it told."""

import datetime
import socket
import sys

import nova.conf
import os_resource_classes as orc
import os_traits
from nova import exception, objects
from nova.objects import fields
from oslo_serialization import jsonutils
from oslo_utils import versionutils

from hyperv_driver import oswin
from hyperv_driver.oswin import constants

CONF = nova.conf.CONF

# Win32_Processor.Manufacturer → the trait of a processor whose virtualization Hyper-V hands on to guests, and
# the first build of Windows that does (source: Microsoft's "What is Nested Virtualization").
VIRTUALIZATION = {
    "GenuineIntel": os_traits.HW_CPU_X86_VMX,
    "AuthenticAMD": os_traits.HW_CPU_X86_SVM,
}
FIRST_BUILD = {"GenuineIntel": 14393, "AuthenticAMD": 20348}

# Windows Server 2016 (version and build), the first with what os-win's VMUtils10 asks of Hyper-V.
OLDEST = (10, 0, 14393)

POWER_ACTIONS = (constants.HOST_POWER_ACTION_REBOOT, constants.HOST_POWER_ACTION_SHUTDOWN)

KIB, MIB, GIB = 1024, 1024**2, 1024**3
PAGE_KB = 4  # of memory, on every processor that Windows runs on

# Win32_Processor.Architecture; Hyper-V runs on these two.
ARCHITECTURES = {
    constants.ARCH_X86_64: fields.Architecture.X86_64,
    12: fields.Architecture.AARCH64,
}
GUEST_ARCHITECTURES = {
    fields.Architecture.X86_64: (fields.Architecture.I686, fields.Architecture.X86_64),
    fields.Architecture.AARCH64: (fields.Architecture.AARCH64,),
}


class HostOps:
    def __init__(self, hostutils, diskutils, pciops, tpmops):
        self._hostutils = hostutils
        self._diskutils = diskutils
        self._pciops = pciops
        self._tpmops = tpmops
        # nova takes a new name for another host: it stays what it was when nova-compute started.
        self.node_name = socket.gethostname()

    def check_version(self):
        """:raises nova.exception.HypervisorTooOld:"""
        if not self._hostutils.check_min_windows_version(*OLDEST):
            raise exception.HypervisorTooOld(version="Windows Server 2016")

    def available_resource(self):
        """What nova's resource tracker asks for; sizes in MiB and GiB."""
        processors = self._hostutils.get_cpus_info()
        memory_mb, free_memory_mb = self._memory_mb()
        disk_size, disk_free = self._disk()
        version = self._hostutils.get_windows_version()
        architecture = _architecture(processors)
        return {
            "hypervisor_hostname": self.node_name,
            "hypervisor_type": fields.HVType.HYPERV,
            "hypervisor_version": versionutils.convert_version_to_int(version),
            "vcpus": _logical_processors(processors),
            "vcpus_used": 0,  # nova counts what it gave away
            "memory_mb": memory_mb,
            "memory_mb_used": memory_mb - free_memory_mb,
            "local_gb": disk_size // GIB,
            "local_gb_used": (disk_size - disk_free) // GIB,
            "disk_available_least": disk_free // GIB,
            "cpu_info": jsonutils.dumps(self._cpu_info(processors, architecture)),
            "supported_instances": [
                (guest, fields.HVType.HYPERV, fields.VMMode.HVM)
                for guest in GUEST_ARCHITECTURES[architecture]
            ],
            "pci_passthrough_devices": self._pciops.passthrough_devices(),
            "numa_topology": self._numa_topology()._to_json(),
        }

    def inventory(self, allocation_ratios, reserved_disk_gb):
        """Placement's inventory of this host: resource class → record."""
        totals = {
            orc.VCPU: (_logical_processors(self._hostutils.get_cpus_info()), CONF.reserved_host_cpus),
            orc.MEMORY_MB: (self._memory_mb()[0], CONF.reserved_host_memory_mb),
            orc.DISK_GB: (self._disk()[0] // GIB, reserved_disk_gb),
        }
        return {
            resource_class: {
                "total": total,
                "reserved": reserved,
                "min_unit": 1,
                "max_unit": total,
                "step_size": 1,
                "allocation_ratio": allocation_ratios[resource_class],
            }
            for resource_class, (total, reserved) in totals.items()
        }

    def traits(self):
        """{trait: whether this host has it}, of those that this driver looks for."""
        processors = self._hostutils.get_cpus_info()
        made_by = processors[0]["Manufacturer"]
        build = int(self._hostutils.get_windows_version().split(".")[2])
        nests = build >= FIRST_BUILD.get(made_by, sys.maxsize)
        return {
            **{trait: nests and maker == made_by for maker, trait in VIRTUALIZATION.items()},
            # Of generation 1, which a processor of Arm's has none of, and of generation 2.
            os_traits.COMPUTE_FIRMWARE_BIOS: _architecture(processors) == fields.Architecture.X86_64,
            os_traits.COMPUTE_FIRMWARE_UEFI: True,
            **self._tpmops.traits(),
        }

    def uptime(self):
        """As uptime(1) begins; Windows counts neither users nor load as Unix does, so it ends there."""
        up = datetime.timedelta(milliseconds=self._hostutils.get_host_tick_count64())
        return (
            f"{datetime.datetime.now():%H:%M:%S} up {up.days} days, {datetime.timedelta(seconds=up.seconds)}"
        )

    def power(self, action):
        """Shut this host down, or reboot it, whatever runs on it.

        :raises NotImplementedError: any other action
        """
        if action not in POWER_ACTIONS:
            raise NotImplementedError(
                f"host power action {action}, expected one of: {', '.join(POWER_ACTIONS)}"
            )
        self._hostutils.host_power_action(action)

    def _numa_topology(self):
        """The host's NUMA nodes as nova's objects.NUMATopology.

        Without CPUs to pin (pcpuset), and with the smallest pages alone: Hyper-V has no others to choose, so
        that no instance that asks for them comes here.
        """
        return objects.NUMATopology(
            cells=[
                objects.NUMACell(
                    id=number,
                    cpuset=processors,
                    pcpuset=set(),
                    memory=memory_mb,
                    cpu_usage=0,  # nova counts what it gave away
                    memory_usage=0,
                    pinned_cpus=set(),
                    siblings=[],
                    mempages=[
                        objects.NUMAPagesTopology(
                            size_kb=PAGE_KB, total=memory_mb * KIB // PAGE_KB, used=0, reserved=0
                        )
                    ],
                    socket=None,
                    network_metadata=objects.NetworkMetadata(physnets=set(), tunneled=False),
                )
                for number, processors, memory_mb in oswin.numa_nodes(self._hostutils)
            ]
        )

    def _memory_mb(self):
        total_kb, free_kb = self._hostutils.get_memory_info()
        return total_kb // KIB, free_kb // KIB

    def _disk(self):
        """(bytes, free bytes) of the volume that holds the instances."""
        return self._diskutils.get_disk_capacity(CONF.instances_path)

    def _cpu_info(self, processors, architecture):
        first = processors[0]
        threads_per_core = first["NumberOfLogicalProcessors"] // first["NumberOfCores"]
        return {
            "arch": architecture,
            "vendor": first["Manufacturer"],
            "model": first["Name"],
            "topology": {
                "sockets": len(processors),
                "cores": first["NumberOfCores"],
                "threads": threads_per_core,
            },
            "features": [
                name
                for number, name in constants.PROCESSOR_FEATURE.items()
                if self._hostutils.is_cpu_feature_present(number)
            ],
        }


def _architecture(processors):
    architecture = processors[0]["Architecture"]
    if architecture not in ARCHITECTURES:
        raise NotImplementedError(
            f"processor architecture {architecture}, expected one of {sorted(ARCHITECTURES)}"
        )
    return ARCHITECTURES[architecture]


def _logical_processors(processors):
    return sum(processor["NumberOfLogicalProcessors"] for processor in processors)
