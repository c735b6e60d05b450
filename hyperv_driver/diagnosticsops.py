# SPDX-License-Identifier: Apache-2.0
"""What Hyper-V measures of a running instance, as nova's diagnostics want it told.

Hyper-V counts no bytes per disk or adapter unless its resource metering is on, which is the operator's
choice: those fields are empty, their number is right.
"""

from nova import objects
from nova.objects import fields

from hyperv_driver import powerops


class DiagnosticsOps:
    def __init__(self, vmutils, hostutils):
        self._vmutils = vmutils
        self._hostutils = hostutils

    def of(self, instance):
        """A nova.objects.Diagnostics of an instance."""
        measured = self._vmutils.get_vm_summary_info(instance.name)
        made = objects.Diagnostics(
            state=powerops.NOVA_STATES[measured["EnabledState"]],
            driver=fields.HypervisorDriver.HYPERV,
            hypervisor=fields.HVType.HYPERV,
            hypervisor_os=f"Windows {self._hostutils.get_windows_version()}",
            uptime=_seconds(measured["UpTime"]),
            config_drive=bool(instance.config_drive),
            memory_details=objects.MemoryDiagnostics(
                maximum=instance.flavor.memory_mb, used=measured["MemoryUsage"]
            ),
        )
        for number in range(measured["NumberOfProcessors"]):
            made.add_cpu(id=number)
        for vif in instance.get_network_info() or ():  # null until nova first asked Neutron
            made.add_nic(mac_address=vif["address"])
        for _disk in self._disks(instance.name):
            made.add_disk()
        return made

    def as_dictionary(self, instance):
        """The same for clients of before nova 2.48; the names are this driver's."""
        measured = self._vmutils.get_vm_summary_info(instance.name)
        return {
            "cpus": measured["NumberOfProcessors"],
            "memory_mb": instance.flavor.memory_mb,
            "memory_used_mb": measured["MemoryUsage"],
            "uptime_seconds": _seconds(measured["UpTime"]),
            "disks": len(self._disks(instance.name)),
        }

    def _disks(self, name):
        files, volumes = self._vmutils.get_vm_storage_paths(name)
        return [*(path for path in files if not path.lower().endswith(".iso")), *volumes]


def _seconds(milliseconds):
    return None if milliseconds is None else milliseconds // 1000
