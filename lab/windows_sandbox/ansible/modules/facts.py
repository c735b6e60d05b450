# SPDX-License-Identifier: Apache-2.0
"""setup: the facts of the subsets that are part of 'min', and those of 'all' that this host can tell.

Of hardware they say what WMI says (inferred: setup.ps1 asks it, or SMBIOS as WMI does).
"""

import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from lab.windows_sandbox.ansible.modules.call import ModuleCall
from lab.windows_sandbox.environment import sid
from lab.windows_sandbox.installation import BUILD, CURRENT_VERSION, SERVICES, SIMULATED

# As the module groups them; a subset with no function below has no facts here.
_MIN = {"date_time", "distribution", "dns", "env", "local", "platform", "powershell_version", "user"}
_ALL = _MIN | {
    "all_ipv4_addresses",
    "all_ipv6_addresses",
    "interfaces",
    "windows_domain",
    "winrm",
    "bios",
    "memory",
    "processor",
    "uptime",
    "virtual",
    "facter",
}
_GROUPS = {
    "min": _MIN,
    "all": _ALL,
    "hardware": {"bios", "memory", "processor", "uptime", "virtual"},
    "network": {"all_ipv4_addresses", "all_ipv6_addresses", "interfaces", "windows_domain", "winrm"},
    "external": {"facter"},
}

_VERSION = f"10.0.{BUILD}.0"


def setup(call: ModuleCall) -> dict[str, Any]:
    wanted = _subsets(call)
    facts: dict[str, Any] = {"gather_subset": call["gather_subset"], "module_setup": True}
    for names, gather in _GATHERERS:
        if wanted & names:
            facts |= {f"ansible_{name}": value for name, value in gather(call).items()}
    return {"ansible_facts": facts}


def _subsets(call: ModuleCall) -> set[str]:
    excluded, explicit = set(), set()
    for item in call["gather_subset"]:
        name = item.removeprefix("!")
        members = _GROUPS.get(name, {name} & _ALL)
        if item.startswith("!"):
            excluded |= _ALL - _MIN if name == "all" else members
        elif members:
            explicit |= members
        else:
            call.warn(f"invalid value {item} specified in gather_subset")
    return (_ALL - excluded) | explicit


def _date_time(_call: ModuleCall) -> dict[str, Any]:
    now = datetime.now(UTC)
    return {
        "date_time": {
            "date": f"{now:%Y-%m-%d}",
            "year": f"{now:%Y}",
            "month": f"{now:%m}",
            "day": f"{now:%d}",
            "time": f"{now:%H:%M:%S}",
            "hour": f"{now:%H}",
            "minute": f"{now:%M}",
            "second": f"{now:%S}",
            "weekday": f"{now:%A}",
            "weekday_number": f"{now:%w}",
            "weeknumber": f"{now:%W}",
            "tz": "UTC",
            "tz_offset": "+00:00",
            "epoch": repr(now.timestamp()),
            "epoch_local": repr(now.timestamp()),
            "epoch_int": int(now.timestamp()),
            "iso8601": f"{now:%Y-%m-%dT%H:%M:%SZ}",
            "iso8601_micro": f"{now:%Y-%m-%dT%H:%M:%S.%fZ}",
            "iso8601_basic": f"{now:%Y%m%dT%H%M%S%f}",
            "iso8601_basic_short": f"{now:%Y%m%dT%H%M%S}",
        }
    }


def _distribution(call: ModuleCall) -> dict[str, Any]:
    registry = call.session.host.registry
    product = "Microsoft " + registry.data(CURRENT_VERSION, "ProductName")
    installed = registry.data(CURRENT_VERSION, "InstallTime") / 10_000_000 - 11_644_473_600
    return {
        "distribution": product,
        "distribution_version": _VERSION,
        "distribution_major_version": "10",
        "os_family": "Windows",
        "os_name": product,
        "os_product_type": "server",
        "os_installation_type": registry.data(CURRENT_VERSION, "InstallationType"),
        "os_install_date": f"{datetime.fromtimestamp(installed, UTC):%Y-%m-%dT%H:%M:%SZ}",
    }


def _platform(call: ModuleCall) -> dict[str, Any]:
    host = call.session.host
    return {
        "domain": "",
        "fqdn": host.name,
        "hostname": host.name,
        "nodename": host.name,
        "netbios_name": host.computer_name,
        "kernel": _VERSION,
        "system": "Win32NT",
        "machine_id": sid("").rsplit("-", 1)[0],
        "owner_name": host.registry.data(CURRENT_VERSION, "RegisteredOwner"),
        "owner_contact": "",
        "system_description": host.registry.data(SERVICES + r"\LanmanServer\Parameters", "srvcomment", ""),
        "system_vendor": SIMULATED,
        "architecture": "64-bit",
        "architecture2": "x86_64",
        "reboot_pending": False,
    }


def _environment(call: ModuleCall) -> dict[str, Any]:
    return {"env": {name: value.rstrip("\\") for name, value in call.session.environment.items()}}


def _user(call: ModuleCall) -> dict[str, Any]:
    session = call.session
    return {
        "user_dir": session.environment.value("USERPROFILE"),
        "user_gecos": "",
        "user_id": session.environment.value("USERNAME"),
        "user_sid": sid(session.user),
    }


def _wmi(call: ModuleCall, class_name: str) -> list[dict[str, Any]]:
    """Return the properties of each instance of a class."""
    instances = call.session.host.wmi("root/cimv2").query(f"SELECT * FROM {class_name}")
    return [{name: value for name, _, value in instance.items()} for instance in instances]


def _memory(call: ModuleCall) -> dict[str, Any]:
    (system,) = _wmi(call, "Win32_OperatingSystem")
    return {
        "memtotal_mb": -(-system["TotalVisibleMemorySize"] // 1024),
        "memfree_mb": -(-system["FreePhysicalMemory"] // 1024),
        "swaptotal_mb": 0,
        # The host has no paging file.
        "pagefiletotal_mb": 0,
        "pagefilefree_mb": 0,
    }


def _processor(call: ModuleCall) -> dict[str, Any]:
    sockets = _wmi(call, "Win32_Processor")
    cores, threads = sockets[0]["NumberOfCores"], sockets[0]["NumberOfLogicalProcessors"]
    count = threads * len(sockets)
    named = [(str(number), sockets[0]["Manufacturer"], sockets[0]["Name"]) for number in range(count)]
    return {
        "processor": [text for each in named for text in each],
        "processor_vcpus": count,
        "processor_count": len(sockets),
        "processor_cores": cores,
        "processor_threads_per_core": threads // cores,
    }


def _uptime(call: ModuleCall) -> dict[str, Any]:
    booted = call.session.host.booted
    return {
        "lastboot": f"{datetime.fromtimestamp(booted, UTC):%Y-%m-%d %H:%M:%SZ}",
        "uptime_seconds": round(time.time() - booted),
    }


_GATHERERS: list[tuple[set[str], Callable[[ModuleCall], dict[str, Any]]]] = [
    ({"date_time"}, _date_time),
    ({"distribution"}, _distribution),
    ({"env"}, _environment),
    ({"platform"}, _platform),
    ({"powershell_version"}, lambda call: {"powershell_version": 5}),
    ({"user"}, _user),
    (
        {"all_ipv4_addresses", "all_ipv6_addresses"},
        lambda call: {"ip_addresses": [call.session.host.address]},
    ),
    (
        {"windows_domain"},
        lambda call: {
            "windows_domain": "WORKGROUP",
            "windows_domain_member": False,
            "windows_domain_role": "Stand-alone server",
        },
    ),
    ({"bios"}, lambda call: {"product_name": _wmi(call, "Win32_ComputerSystem")[0]["Model"]}),
    ({"memory"}, _memory),
    ({"processor"}, _processor),
    ({"uptime"}, _uptime),
    ({"virtual"}, lambda call: {"virtualization_role": "NA", "virtualization_type": "NA"}),
]
