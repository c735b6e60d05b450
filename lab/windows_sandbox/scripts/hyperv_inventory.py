# SPDX-License-Identifier: Apache-2.0
"""Counterpart of roles/hyperv-inventory/files/hyperv-inventory.ps1."""

import re
from typing import Any

from lab.windows_sandbox.scripts.ansible_variable import AnsibleVariable
from lab.windows_sandbox.session import Session

GUID = re.compile(r"[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}")
OF_MACHINE = re.compile(rf"Microsoft:({GUID.pattern})\\")


def inventory(session: Session, ansible: AnsibleVariable) -> list[Any]:
    """List what Hyper-V has on this host, a thing a line, sorted."""
    windows = session.host.wmi("root/cimv2")
    hyperv = session.host.wmi("root/virtualization/v2")
    (system,) = windows.query("SELECT * FROM Win32_OperatingSystem")
    lines = [f"host {system['CSName']}: {system['Caption']}, {system['Version']}"]
    for switch in hyperv.query("SELECT * FROM Msvm_VirtualEthernetSwitch"):
        lines.append(f"switch {switch['ElementName']}")
    for machine in hyperv.query("SELECT * FROM Msvm_ComputerSystem"):
        if GUID.fullmatch(machine["Name"]):
            lines.append(
                f"machine {machine['ElementName']} {machine['Name']}, state {machine['EnabledState']}"
            )
    for settings in hyperv.query("SELECT * FROM Msvm_VirtualSystemSettingData"):
        if (settings["VirtualSystemType"] or "").startswith("Microsoft:Hyper-V:Snapshot:"):
            lines.append(f"checkpoint {settings['ElementName']} of {settings['VirtualSystemIdentifier']}")
    for disk in hyperv.query("SELECT * FROM Msvm_StorageAllocationSettingData"):
        if match := OF_MACHINE.match(disk["InstanceID"]):
            lines.append(f"disk {', '.join(disk['HostResource'] or [])} of {match[1]}")
    for port in hyperv.query("SELECT * FROM Msvm_SyntheticEthernetPortSettingData"):
        if match := OF_MACHINE.match(port["InstanceID"]):
            lines.append(f"port {port['ElementName']} {port['Address'] or ''} of {match[1]}")
    ansible.changed = False
    ansible.result = {"lines": sorted(lines)}
    return []
