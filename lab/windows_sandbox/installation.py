# SPDX-License-Identifier: Apache-2.0
r"""What Setup leaves behind: the folders of C:\ and the registry of a freshly installed Windows Server 2022.

Names and values are documented ones; what a real host would also hold, and nothing here reads, is left out.
"""

import os
import time

from lab.windows_sandbox.filesystem import FileSystem
from lab.windows_sandbox.registry import Registry

# Says what it is wherever its name shows (../shared/design.md).
SIMULATED = "simulated by hyperv-ci"
PRODUCT = f"Windows Server 2022 Standard ({SIMULATED})"
BUILD = "20348"

CONTROL = r"HKLM\SYSTEM\CurrentControlSet\Control"
MACHINE_ENVIRONMENT = CONTROL + r"\Session Manager\Environment"
COMPUTER_NAME = CONTROL + r"\ComputerName\ComputerName"
TIME_ZONE = CONTROL + r"\TimeZoneInformation"
# What Server Manager knows to be installed.
FEATURES = r"HKLM\SOFTWARE\Microsoft\ServerManager\ServicingStorage\ServerComponentCache"
SERVICES = r"HKLM\SYSTEM\CurrentControlSet\Services"
CURRENT_VERSION = r"HKLM\SOFTWARE\Microsoft\Windows NT\CurrentVersion"

FOLDERS = (
    r"C:\Windows\System32\config\systemprofile",
    r"C:\Windows\System32\drivers\etc",
    r"C:\Windows\System32\winevt\Logs",
    r"C:\Windows\Temp",
    r"C:\Program Files\Common Files",
    r"C:\Program Files (x86)\Common Files",
    r"C:\ProgramData",
    r"C:\Users\Public",
)

# Services that are the host itself: part of Windows, always running here, and not to be stopped.
BUILT_IN_SERVICES = {
    "EventLog": (
        "Windows Event Log",
        r"%SystemRoot%\System32\svchost.exe -k LocalServiceNetworkRestricted -p",
    ),
    "Winmgmt": ("Windows Management Instrumentation", r"%SystemRoot%\system32\svchost.exe -k netsvcs -p"),
    "WinRM": (
        "Windows Remote Management (WS-Management)",
        r"%SystemRoot%\System32\svchost.exe -k NetworkService -p",
    ),
    # Of which a real one begins stopped (documented); here whoever asks for it finds it running.
    "MSiSCSI": ("Microsoft iSCSI Initiator Service", r"%SystemRoot%\system32\svchost.exe -k netsvcs -p"),
    "vmms": ("Hyper-V Virtual Machine Management", r"%SystemRoot%\system32\vmms.exe"),
}


HOSTS = r"C:\Windows\System32\drivers\etc\hosts"
_HOSTS = (
    "# This is a HOSTS file used by Microsoft TCP/IP for Windows.\r\n"
    "# localhost name resolution is handled within DNS itself.\r\n"
)


def install(filesystem: FileSystem, registry: Registry, name: str) -> None:
    """Make the folders and, in an empty registry, the keys that Windows and its users expect."""
    for folder in FOLDERS:
        filesystem.local(folder).mkdir(parents=True, exist_ok=True)
    hosts = filesystem.local(HOSTS)
    if not hosts.exists():
        hosts.write_text(_HOSTS, newline="")
    if registry.key_exists(CONTROL):
        return
    registry.update(
        {
            COMPUTER_NAME: {"ComputerName": ("REG_SZ", name.upper()[:15])},
            TIME_ZONE: {"TimeZoneKeyName": ("REG_SZ", "UTC")},
            FEATURES + r"\Hyper-V": {"InstallState": ("REG_DWORD", 1)},
            MACHINE_ENVIRONMENT: {
                "ComSpec": ("REG_EXPAND_SZ", r"%SystemRoot%\system32\cmd.exe"),
                "NUMBER_OF_PROCESSORS": ("REG_SZ", str(os.cpu_count())),
                "OS": ("REG_SZ", "Windows_NT"),
                "Path": ("REG_EXPAND_SZ", r"%SystemRoot%\system32;%SystemRoot%;%SystemRoot%\System32\Wbem"),
                "PATHEXT": ("REG_SZ", ".COM;.EXE;.BAT;.CMD;.VBS;.VBE;.JS;.JSE;.WSF;.WSH;.MSC"),
                "PROCESSOR_ARCHITECTURE": ("REG_SZ", "AMD64"),
                "TEMP": ("REG_EXPAND_SZ", r"%SystemRoot%\TEMP"),
                "TMP": ("REG_EXPAND_SZ", r"%SystemRoot%\TEMP"),
                "USERNAME": ("REG_SZ", "SYSTEM"),
                "windir": ("REG_EXPAND_SZ", "%SystemRoot%"),
            },
            CURRENT_VERSION: {
                "CurrentBuild": ("REG_SZ", BUILD),
                "CurrentMajorVersionNumber": ("REG_DWORD", 10),
                "CurrentMinorVersionNumber": ("REG_DWORD", 0),
                "InstallTime": ("REG_QWORD", int((time.time() + 11_644_473_600) * 10_000_000)),
                "InstallationType": ("REG_SZ", "Server"),
                "ProductName": ("REG_SZ", PRODUCT),
                "RegisteredOwner": ("REG_SZ", "hyperv-ci"),
                "SystemRoot": ("REG_SZ", r"C:\Windows"),
            },
            SERVICES + r"\LanmanServer\Parameters": {"srvcomment": ("REG_SZ", SIMULATED)},
        }
        | {
            f"{SERVICES}\\{service}": {
                "DisplayName": ("REG_SZ", display_name),
                "ErrorControl": ("REG_DWORD", 1),
                "ImagePath": ("REG_EXPAND_SZ", path),
                "ObjectName": ("REG_SZ", "LocalSystem"),
                "Start": ("REG_DWORD", 2),
                "Type": ("REG_DWORD", 0x10),
            }
            for service, (display_name, path) in BUILT_IN_SERVICES.items()
        }
    )
