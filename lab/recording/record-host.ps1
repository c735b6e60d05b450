# SPDX-License-Identifier: Apache-2.0
<#
.SYNOPSIS
Records how Hyper-V, WMI, WinRM and cmd.exe behave on this host, in one archive without personal data.
.DESCRIPTION
Needs Windows PowerShell 5 on Windows Server 2022 or 2025 with the Hyper-V role, and an administrator; nothing else. It makes virtual
machines and files whose names begin with hyperv-ci-recording, and removes them before it ends, whatever happens. Nothing else of the
host is changed. It takes some ten minutes.
.PARAMETER Archive
The file to make, with the ending .zip.
.EXAMPLE
.\record-host.ps1 -Archive C:\recording.zip
#>
[CmdletBinding()]
param ([Parameter(Mandatory)] [ValidatePattern('\.zip$')] [string] $Archive)

Set-StrictMode -Version 3.0
$ErrorActionPreference = 'Stop'

# What is asked of the host. lab/recording/model.py reads this text too, and asks the same of the model.
$plan = @'
{
  "namespaces": ["root/virtualization/v2", "root/cimv2", "root/microsoft/windows/storage",
    "root/microsoft/windows/smb", "root/wmi", "root/standardcimv2"],
  "states": {"off": [], "running": [2], "paused": [2, 9], "saved": [2, 6]},
  "requests": [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 32768, 32769],
  "calls": [
    {"name": "destroy a machine", "state": "running", "on": "management", "method": "DestroySystem",
     "arguments": {"AffectedSystem": "<machine>"}},
    {"name": "destroy a machine", "state": "saved", "on": "management", "method": "DestroySystem",
     "arguments": {"AffectedSystem": "<machine>"}},
    {"name": "inject an interrupt into a machine", "state": "off", "on": "machine", "method": "InjectNonMaskableInterrupt",
     "arguments": {}},
    {"name": "take a checkpoint of a machine, of a type that is not there", "state": "off", "on": "snapshots",
     "method": "CreateSnapshot", "arguments": {"AffectedSystem": "<machine>", "SnapshotSettings": "", "SnapshotType": 17}},
    {"name": "define a machine from text that is no instance", "state": "off", "on": "management", "method": "DefineSystem",
     "arguments": {"SystemSettings": "nothing"}},
    {"name": "modify a machine by text that is no instance", "state": "off", "on": "management", "method": "ModifySystemSettings",
     "arguments": {"SystemSettings": "nothing"}},
    {"name": "ask for a disk that is not there", "state": "off", "on": "images", "method": "GetVirtualHardDiskSettingData",
     "arguments": {"Path": "<folder>\\none.vhdx"}},
    {"name": "ask for a disk that is a text", "state": "off", "on": "images", "method": "GetVirtualHardDiskSettingData",
     "arguments": {"Path": "<folder>\\text.vhdx"}},
    {"name": "validate a disk that is not there", "state": "off", "on": "images", "method": "ValidateVirtualHardDisk",
     "arguments": {"Path": "<folder>\\none.vhdx"}},
    {"name": "resize a disk that is not there", "state": "off", "on": "images", "method": "ResizeVirtualHardDisk",
     "arguments": {"Path": "<folder>\\none.vhdx", "MaxInternalSize": 33554432}}
  ],
  "commands": ["ver", "exit 3", "cd C:\\hyperv-ci-recording", "dir C:\\hyperv-ci-recording", "type C:\\hyperv-ci-recording",
    "del C:\\hyperv-ci-recording", "rd C:\\hyperv-ci-recording", "hyperv-ci-recording", "set hyperv-ci-recording",
    "findstr x C:\\hyperv-ci-recording", "sc query hyperv-ci-recording", "net user hyperv-ci-recording",
    "net start hyperv-ci-recording", "taskkill /pid 999999", "taskkill /im hyperv-ci-recording.exe"],
  "winrm": ["MaxEnvelopeSizekb", "MaxTimeoutms", "Shell\\IdleTimeout", "Shell\\MaxConcurrentUsers", "Shell\\MaxProcessesPerShell",
    "Shell\\MaxShellsPerUser", "Service\\AllowUnencrypted", "Service\\MaxConcurrentOperationsPerUser"]
}
'@ | ConvertFrom-Json

$virtualization = @{ Namespace = 'root/virtualization/v2' }
$prefix = 'hyperv-ci-recording'
$folder = Join-Path $env:TEMP "$prefix-$PID"
$services = @{}

function Get-Schema([string] $Namespace) {
    $classes = [ordered]@{}
    foreach ($class in Get-CimClass -Namespace $Namespace | Sort-Object CimClassName) {
        $properties = [ordered]@{}
        foreach ($property in $class.CimClassProperties) {
            $properties[$property.Name] = [ordered]@{
                type = "$($property.CimType)".ToLowerInvariant()
                key = [bool] ($property.Flags -band [Microsoft.Management.Infrastructure.CimFlags]::Key)
            }
        }
        $methods = [ordered]@{}
        foreach ($method in $class.CimClassMethods) {
            $parameters = [ordered]@{}
            foreach ($parameter in $method.Parameters) {
                $parameters[$parameter.Name] = [ordered]@{
                    type = "$($parameter.CimType)".ToLowerInvariant()
                    directions = @($parameter.Qualifiers | ForEach-Object { $_.Name.ToLowerInvariant() } |
                        Where-Object { $_ -in 'in', 'out' } | Sort-Object)
                }
            }
            $methods[$method.Name] = $parameters
        }
        $classes[$class.CimClassName] = [ordered]@{
            parent = $class.CimSuperClassName; properties = $properties; methods = $methods
        }
    }
    $classes
}

function ConvertTo-Text([CimInstance] $Instance) {
    $serializer = [Microsoft.Management.Infrastructure.Serialization.CimSerializer]::Create()
    $none = [Microsoft.Management.Infrastructure.Serialization.InstanceSerializationOptions]::None
    [Text.Encoding]::Unicode.GetString($serializer.Serialize($Instance, $none))
}

function Invoke-Recorded([CimInstance] $Target, [string] $Method, [hashtable] $Arguments, [string] $Name, [string] $State) {
    # What came of a call, its job included, and how long that took.
    $watch = [Diagnostics.Stopwatch]::StartNew()
    $outcome = [ordered]@{ name = $Name; state = $State }
    try {
        $result = Invoke-CimMethod -InputObject $Target -MethodName $Method -Arguments $Arguments
        $outcome.return = $result.ReturnValue
        if ($result.ReturnValue -eq 4096) {
            # New, starting or running.
            while (($job = Get-CimInstance -InputObject $result.Job).JobState -in 2, 3, 4) { Start-Sleep -Milliseconds 50 }
            $outcome.job = [ordered]@{ state = $job.JobState; error = $job.ErrorCode }
        }
    }
    catch [Microsoft.Management.Infrastructure.CimException] {
        $outcome.exception = '0x{0:X8}' -f $_.Exception.StatusCode
    }
    $outcome.seconds = [Math]::Round($watch.Elapsed.TotalSeconds, 3)
    $outcome
}

function New-Machine([int[]] $Requests) {
    $name = "$prefix-$([guid]::NewGuid())"
    $class = Get-CimClass @virtualization -ClassName Msvm_VirtualSystemSettingData
    $settings = New-CimInstance -CimClass $class -ClientOnly -Property @{ ElementName = $name; ConfigurationDataRoot = $folder }
    $defined = Invoke-Recorded $services.management DefineSystem @{ SystemSettings = ConvertTo-Text $settings }
    $machine = Get-CimInstance @virtualization -ClassName Msvm_ComputerSystem -Filter "ElementName = '$name'"
    if (-not $machine) { throw "Hyper-V made no machine: $($defined | ConvertTo-Json -Compress)" }
    foreach ($request in $Requests) {
        [void] (Invoke-Recorded $machine RequestStateChange @{ RequestedState = [uint16] $request })
    }
    Get-CimInstance -InputObject $machine
}

function Remove-Machine([CimInstance] $Machine) {
    [void] (Invoke-Recorded $Machine RequestStateChange @{ RequestedState = [uint16] 3 })
    $removed = Invoke-Recorded $services.management DestroySystem @{ AffectedSystem = [ref] $Machine }
    if (Get-CimInstance @virtualization -ClassName Msvm_ComputerSystem -Filter "Name = '$($Machine.Name)'") {
        Write-Warning "$($Machine.ElementName) is still there: $($removed | ConvertTo-Json -Compress)"
    }
}

function Get-Call([psobject] $Call) {
    $machine = New-Machine $plan.states.($Call.state)
    try {
        $target = if ($Call.on -eq 'machine') { $machine } else { $services.($Call.on) }
        $arguments = @{}
        foreach ($argument in $Call.arguments.PSObject.Properties) {
            $declared = $target.CimClass.CimClassMethods[$Call.method].Parameters[$argument.Name].CimType
            $arguments[$argument.Name] = switch -Wildcard ($argument.Value) {
                '<machine>' { [ref] $machine }
                '<folder>*' { $_.Replace('<folder>', $folder) }
                default { $argument.Value -as [type] "$declared" }
            }
        }
        Invoke-Recorded $target $Call.method $arguments $Call.name $Call.state
    }
    finally { Remove-Machine $machine }
}

function Get-Transition([string] $State, [int] $Request) {
    $machine = New-Machine $plan.states.$State
    try {
        $arguments = @{ RequestedState = [uint16] $Request }
        Invoke-Recorded $machine RequestStateChange $arguments "request state $Request of a machine" $State
    }
    finally { Remove-Machine $machine }
}

function Get-Outcome([string] $Line) {
    $output = & $env:ComSpec /d /c "$Line 2>&1"
    [ordered]@{ command = $Line; exit = $LASTEXITCODE; output = Protect-Text ($output -join "`n") }
}

function Protect-Text([string] $Text) {
    $Text = $Text -replace 'S-1-5-21(-\d+){4}', 'S-1-5-21-0-0-0-0' -replace '([0-9A-Fa-f]{2}-){5}[0-9A-Fa-f]{2}', '00-00-00-00-00-00'
    foreach ($secret in $env:COMPUTERNAME, $env:USERNAME, $env:USERDOMAIN, $env:USERDNSDOMAIN) {
        if ($secret) { $Text = $Text -replace [regex]::Escape($secret), 'X' }
    }
    $Text
}

function Write-Part([string] $Name, $Value) {
    $text = ConvertTo-Json -InputObject $Value -Depth 10 -Compress
    # .NET's own writer: Set-Content of Windows PowerShell would begin the file with a byte order mark.
    [IO.File]::WriteAllText((Join-Path $folder "archive\$Name.json"), $text)
    Write-Host "recorded: $Name"
}

if (Test-Path $Archive) { throw "$Archive is there already" }
[void] (New-Item -ItemType Directory "$folder\archive")
try {
    [IO.File]::WriteAllText("$folder\text.vhdx", 'no disk')
    foreach ($service in @{
            management = 'Msvm_VirtualSystemManagementService'; images = 'Msvm_ImageManagementService'
            snapshots = 'Msvm_VirtualSystemSnapshotService'
        }.GetEnumerator()) {
        $services[$service.Key] = Get-CimInstance @virtualization -ClassName $service.Value
    }
    $system = Get-CimInstance -Namespace root/cimv2 -ClassName Win32_OperatingSystem
    Write-Part about ([ordered]@{
            format = 1; caption = $system.Caption; version = $system.Version; powershell = "$($PSVersionTable.PSVersion)"
            hyperv = (Get-Item "$env:SystemRoot\System32\vmms.exe").VersionInfo.ProductVersion
            culture = (Get-Culture).Name; recorded = [DateTime]::UtcNow.ToString('yyyy-MM-ddTHH:mm:ssZ')
        })
    $schema = [ordered]@{}
    foreach ($namespace in $plan.namespaces) { $schema[$namespace] = Get-Schema $namespace }
    Write-Part classes $schema
    $calls = @(
        foreach ($state in $plan.states.PSObject.Properties.Name) {
            foreach ($request in $plan.requests) { Get-Transition $state $request }
        }
        foreach ($call in $plan.calls) { Get-Call $call }
    )
    Write-Part calls $calls
    Write-Part commands @(foreach ($line in $plan.commands) { Get-Outcome $line })
    $winrm = [ordered]@{}
    foreach ($setting in $plan.winrm) { $winrm[$setting] = "$((Get-Item "WSMan:\localhost\$setting").Value)" }
    Write-Part winrm $winrm
    Compress-Archive -Path "$folder\archive\*" -DestinationPath $Archive
}
finally {
    foreach ($machine in Get-CimInstance @virtualization -ClassName Msvm_ComputerSystem -Filter "ElementName LIKE '$prefix-%'") {
        Remove-Machine $machine
    }
    Remove-Item -Recurse -Force $folder
}
Write-Host "made: $Archive"
