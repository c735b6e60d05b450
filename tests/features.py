# SPDX-License-Identifier: Apache-2.0
"""What nova's Hyper-V drivers can do, and the tests that say it of this one.

A test of ``tests/contract/driver`` (the driver on os-win and the simulated host) that proves a feature is
decorated with ``@feature("its name")``. ``python -m tests.features > doc/source/features.rst`` makes the
table; a unit test fails while the file there is another. What no test proves has its reason in ``REASONS``.
"""

import ast
import pathlib

ROOT = pathlib.Path(__file__).parents[1]
PROOFS = ROOT / "tests" / "contract" / "driver"
YES, NO = "yes", "no"

# Feature: (nova 28's own driver, compute-hyperv 16), from their sources.
FEATURES = {
    "Spawn and destroy, generation 1": (YES, YES),
    "Spawn and destroy, generation 2": (YES, YES),
    "OpenStack named to guests (chassis asset tag)": (YES, YES),
    "VHD and VHDX images, copy-on-write": (YES, YES),
    "VHD and VHDX images, copied": (YES, YES),
    "Trusted image certificates": (NO, YES),
    "Images inspected before Hyper-V sees them": (NO, NO),
    "Ephemeral disks": (YES, YES),
    "Swap disks": (NO, NO),
    "Boot from ISO": (NO, YES),
    "Config drive": (YES, YES),
    "Power on and off, soft and hard reboot": (YES, YES),
    "Pause and unpause": (YES, YES),
    "Suspend and resume": (YES, YES),
    "Resume on host boot": (YES, YES),
    "Snapshot of a running instance": (YES, YES),
    "Shelve and unshelve": (YES, YES),
    "Quiesced snapshots (os_require_quiesce)": (NO, NO),
    "Rescue": (YES, YES),
    "Rescue from an ISO image, all disks in their places (stable rescue)": (NO, NO),
    "Rescue of instances that boot from a volume": (NO, NO),
    "Resize on the same host": (YES, YES),
    "Cold migration on the same host": (NO, NO),
    "Cold migration between hosts": (YES, YES),
    "Live migration": (YES, YES),
    "Abort a live migration": (NO, NO),
    "Force a live migration to complete": (NO, NO),
    "Evacuate": (NO, YES),
    "Attach and detach interfaces": (YES, YES),
    "Bandwidth of ports, by QoS policies": (NO, NO),
    "Bursts of ports, by QoS policies": (NO, NO),
    "Minimum bandwidth of ports in Placement": (NO, NO),
    "Trunks": (NO, NO),
    "Attach and detach volumes": (YES, YES),
    "Boot from volume": (YES, YES),
    "Volumes over iSCSI": (YES, YES),
    "Volumes over SMB": (YES, YES),
    "Volumes over Fibre Channel": (YES, YES),
    "Volumes over several paths (MPIO)": (YES, YES),
    "Extend a volume": (NO, NO),
    "Multiattach volumes": (NO, NO),
    "Encrypted volumes": (NO, NO),
    "Volume QoS": (YES, YES),
    "Volumes exchanged for others (swap_volume)": (NO, NO),
    "Snapshots of attached volumes over SMB": (NO, YES),
    "Shares of Manila": (NO, NO),
    "Console log": (YES, YES),
    "Serial console": (YES, YES),
    "Serial ports of console and log, by the image": (YES, YES),
    "Device tagging": (YES, YES),
    "Diagnostics": (NO, NO),
    "Clean up after a crash": (NO, NO),
    "Restart of the host, of WMI and of nova-compute": (YES, YES),
    "Metrics": (YES, YES),
    "Crash dump (NMI)": (NO, NO),
    "Set the administrator's password": (NO, NO),
    "Secure boot": (YES, YES),
    "Dynamic memory": (YES, YES),
    "Virtual NUMA": (YES, YES),
    "CPUs of an instance's own (PCPU)": (NO, NO),
    "PCI devices (DDA)": (YES, YES),
    "Virtual TPM": (NO, YES),
    "Shielded instances": (NO, YES),
    "Nested virtualization": (NO, YES),
    "Disk QoS": (YES, YES),
    "Lifecycle events": (YES, YES),
    "Image cache": (YES, YES),
    "Images fetched ahead (cache_image)": (NO, YES),
    "RemoteFX": (YES, YES),
    "Host resources in placement": (YES, YES),
    "Host uptime": (YES, YES),
    "Host power": (YES, YES),
    "Host maintenance mode": (NO, YES),
    "Failover cluster": (NO, YES),
    "Many builds at once on native threads": (NO, NO),
}

# Why this driver does not have a feature that no test proves.
REASONS = {
    "Multiattach volumes": "Hyper-V gives a disk to one machine at a time; several share a VHD set only, "
    "which no driver of cinder makes",
    "Encrypted volumes": "os-brick has encryptors for Linux only",
    "Volumes exchanged for others (swap_volume)": "Hyper-V copies no disk that it passes through, and moves "
    "no virtual disk to a file that is there already, as cinder makes it",
    "Cold migration on the same host": "who migrates a server wants it off its host, so that nova is told no "
    "(supports_migrate_to_same_host) and asks the scheduler for another",
    "Bursts of ports, by QoS policies": "Hyper-V's class has BurstLimit and BurstSize, and its documentation "
    "no unit for them; neutron refuses such rules for ports of this driver",
    "CPUs of an instance's own (PCPU)": "Hyper-V's WMI classes place no virtual processor; who asks for it "
    "(hw:cpu_policy) is refused, and no PCPU is reported",
    "Shares of Manila": "nova attaches them by virtio-fs, which Hyper-V does not have",
    "RemoteFX": "Windows has it no more since the updates of April 2021",
    "Force a live migration to complete": "Hyper-V has no switch for it: it stops the guest itself when few "
    "pages are left to copy",
    "Set the administrator's password": "Hyper-V sets none; cloudbase-init does, at the guest's first boot",
    "Quiesced snapshots (os_require_quiesce)": "Hyper-V freezes a guest's file systems within its own "
    "checkpoints alone, and nova wants them frozen until it says so; such an instance is powered off first",
    "Host maintenance mode": "nova's API has it no more since microversion 2.43; a service is disabled, and "
    "its servers are migrated, by two commands",
    "Shielded instances": "Windows provisions them on a host that a Host Guardian Service attests, by "
    "classes (root/msps) of which we found no reference, so that a simulated host could only guess what "
    "they refuse; images that ask for it are refused, and a virtual TPM takes none of that",
}


def feature(*names):
    """Decorator of a test that proves these features."""
    unknown = [name for name in names if name not in FEATURES]
    if unknown:
        raise ValueError(f"no such feature: {', '.join(unknown)}; expected one of tests.features.FEATURES")
    return lambda test: test


def proofs():
    """Tests by feature, read from the sources."""
    found = {name: [] for name in FEATURES}
    for path in sorted(PROOFS.glob("test_*.py")):
        for case in ast.parse(path.read_text()).body:
            for test in case.body if isinstance(case, ast.ClassDef) else ():
                for decorator in getattr(test, "decorator_list", ()):
                    if isinstance(decorator, ast.Call) and getattr(decorator.func, "id", None) == "feature":
                        for name in decorator.args:
                            found[name.value].append(f"{path.stem}.{case.name}.{test.name}")
    return found


def table():
    title = "What the drivers do"
    lines = [
        title,
        "=" * len(title),
        "",
        ".. Made by ``python -m tests.features``: do not edit.",
        "",
        "The first two columns are what the sources of nova 28's own driver and of compute-hyperv 16 have. A "
        "feature of this",
        "driver counts when tests in ``tests/contract/driver`` prove it, on os-win and a simulated Hyper-V: "
        "they are named.",
        "",
        ".. list-table::",
        "   :header-rows: 1",
        "   :widths: 30 10 14 46",
        "",
        "   * - Feature",
        "     - nova 28",
        "     - compute-hyperv 16",
        "     - hyperv-driver",
    ]
    for name, tests in proofs().items():
        ours = ", ".join(f"``{test}``" for test in tests)
        lines += [
            f"   * - {name}",
            *(f"     - {theirs}" for theirs in FEATURES[name]),
            f"     - {ours or f'{NO}: {REASONS[name]}'}",
        ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    print(table(), end="")
