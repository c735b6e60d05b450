# SPDX-License-Identifier: Apache-2.0
# Writes the newest events of some logs as text, one event a line, oldest first, in UTC.
param (
    [Parameter(Mandatory)] [string[]] $LogName,
    [Parameter(Mandatory)] [int] $Newest,
    [Parameter(Mandatory)] [string] $Path
)

$events = foreach ($name in $LogName) {
    try {
        Get-WinEvent -LogName $name -MaxEvents $Newest -ErrorAction Stop
    }
    catch {
        # An empty log is an error to Get-WinEvent, and to nobody else.
        if ($_.FullyQualifiedErrorId -notlike 'NoMatchingEventsFound*') { throw }
    }
}
$lines = foreach ($event in $events | Sort-Object TimeCreated) {
    '{0:yyyy-MM-dd HH:mm:ss.fff} {1,-11} {2} {3} {4}: {5}' -f $event.TimeCreated.ToUniversalTime(), $event.LevelDisplayName,
        $event.LogName, $event.ProviderName, $event.Id, ($event.Message -replace '\s+', ' ')
}
# .NET's own writer: Set-Content of Windows PowerShell would begin the file with a byte order mark.
[IO.File]::WriteAllLines($Path, [string[]] @($lines))

$Ansible.Result = @{ path = $Path; events = @($lines).Count }
