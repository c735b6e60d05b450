# SPDX-License-Identifier: Apache-2.0
"""What nova says of a server and of what was done to it, held against what its host has."""

import ntpath

from hyperv_tempest_plugin.host import Machine

# Nova's power states (nova.compute.power_state) in the words of host.STATES.
POWER_STATES = {1: "running", 3: "paused", 4: "off", 6: "crashed", 7: "saved"}


def differences(
    server: dict, flavor: dict, ports: list[dict], machine: Machine | None, cow_images: bool
) -> list[str]:
    """Say each way in which server and machine differ: what nova says, then what the host has.

    :param server: the server as nova shows it to an administrator
    :param flavor: its flavor: vcpus, ram (MiB), OS-FLV-EXT-DATA:ephemeral or ephemeral (GiB)
    :param ports: its Neutron ports
    :param machine: the host's virtual machine of the name that nova gave the server, None when there is none
    :param cow_images: whether a root disk is a difference of its image's file in the cache
    """
    if machine is None:
        return [f"nova says {server['status']}; the host has no virtual machine {instance_name(server)}"]
    found = []

    def compare(what: str, nova: object, host: object) -> None:
        if nova != host:
            found.append(f"{what}: nova says {nova}; the host has {host}")

    power_state = server["OS-EXT-STS:power_state"]
    compare("state", POWER_STATES.get(power_state, f"power state {power_state}"), machine.state)
    compare("vCPUs", flavor["vcpus"], machine.vcpus)
    compare("memory in MiB", flavor["ram"], machine.memory)
    compare(
        "MAC addresses",
        sorted(port["mac_address"] for port in ports),
        sorted(nic.mac for nic in machine.nics),
    )
    found += [
        f"NIC {nic.mac}: nova says it is plugged; the host has it on no switch"
        for nic in machine.nics
        if not nic.connected
    ]
    return found + _disk_differences(server["image"]["id"], flavor, machine, cow_images)


def _disk_differences(image: str, flavor: dict, machine: Machine, cow_images: bool) -> list[str]:
    ephemeral = flavor.get("ephemeral", flavor.get("OS-FLV-EXT-DATA:ephemeral"))
    root = f"a root disk from image {image}"
    expected = f"{root} and an ephemeral disk" if ephemeral else root
    if len(machine.disks) != (2 if ephemeral else 1):
        has = ", ".join(disk.path for disk in machine.disks) or "no disk"
        return [f"disks: nova says {expected}; the host has {has}"]
    if not cow_images:
        return [
            f"disks: nova says copies of images; the host has {disk.path}, a difference to {disk.parents[0]}"
            for disk in machine.disks
            if disk.parents
        ]
    if any(disk.parents and ntpath.basename(disk.parents[-1]).startswith(image) for disk in machine.disks):
        return []
    has = "; ".join(
        f"{disk.path}, whose parents are {', '.join(disk.parents) or 'none'}" for disk in machine.disks
    )
    return [f"disk parents: nova says {expected}; the host has {has}"]


def failed_actions(actions: list[dict]) -> list[str]:
    """Say each event of a server's actions that did not succeed: nova undoes some of them without a trace in
    the server's status (reboot: a failed one ends in ACTIVE, too).

    :param actions: as nova shows each to an administrator (os-instance-actions), with its finished events
    """
    return [
        f"{action['action']}: {event['event']} is {event['result']}: {_cause(event['traceback'])}"
        for action in actions
        for event in action["events"]
        if event["result"] != "Success"
    ]


def _cause(traceback: str | None) -> str:
    return traceback.strip().rpartition("\n")[2].strip() if traceback else "nova has no traceback of it"


def instance_name(server: dict) -> str:
    """Return the name that nova gave the virtual machine of a server that an administrator sees."""
    return server["OS-EXT-SRV-ATTR:instance_name"]
