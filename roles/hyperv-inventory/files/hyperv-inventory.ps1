# SPDX-License-Identifier: Apache-2.0
# Lists what Hyper-V has on this host, a thing a line, in an order in which two lists can be compared.
$virtualization = @{ Namespace = 'root/virtualization/v2'; ErrorAction = 'Stop' }
$guid = '[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}'

$system = Get-CimInstance -Namespace root/cimv2 -ClassName Win32_OperatingSystem -ErrorAction Stop
$lines = @(
    'host {0}: {1}, {2}' -f $system.CSName, $system.Caption, $system.Version
    foreach ($switch in Get-CimInstance @virtualization -ClassName Msvm_VirtualEthernetSwitch) {
        'switch {0}' -f $switch.ElementName
    }
    foreach ($machine in Get-CimInstance @virtualization -ClassName Msvm_ComputerSystem) {
        # The host is a computer system too; only machines have a GUID for a name.
        if ($machine.Name -match "^$guid$") {
            'machine {0} {1}, state {2}' -f $machine.ElementName, $machine.Name, $machine.EnabledState
        }
    }
    foreach ($settings in Get-CimInstance @virtualization -ClassName Msvm_VirtualSystemSettingData) {
        if ($settings.VirtualSystemType -like 'Microsoft:Hyper-V:Snapshot:*') {
            'checkpoint {0} of {1}' -f $settings.ElementName, $settings.VirtualSystemIdentifier
        }
    }
    # Settings of a machine or checkpoint are named after it; templates of settings are named otherwise.
    foreach ($disk in Get-CimInstance @virtualization -ClassName Msvm_StorageAllocationSettingData) {
        if ($disk.InstanceID -match "^Microsoft:($guid)\\") {
            'disk {0} of {1}' -f ($disk.HostResource -join ', '), $Matches[1]
        }
    }
    foreach ($port in Get-CimInstance @virtualization -ClassName Msvm_SyntheticEthernetPortSettingData) {
        if ($port.InstanceID -match "^Microsoft:($guid)\\") {
            'port {0} {1} of {2}' -f $port.ElementName, $port.Address, $Matches[1]
        }
    }
)
[Array]::Sort($lines, [StringComparer]::Ordinal)

$Ansible.Changed = $false
$Ansible.Result = @{ lines = $lines }
