# SPDX-License-Identifier: Apache-2.0
# Allows live migration from and to this host, over any of its networks, for services too.
$before = Get-VMHost -ErrorAction Stop
$Ansible.Changed = -not ($before.VirtualMachineMigrationEnabled -and $before.UseAnyNetworkForMigration `
    -and $before.VirtualMachineMigrationAuthenticationType -eq 'Kerberos')
if ($Ansible.Changed) {
    Enable-VMMigration -ErrorAction Stop
    Set-VMHost -UseAnyNetworkForMigration $true -VirtualMachineMigrationAuthenticationType Kerberos -ErrorAction Stop
}
