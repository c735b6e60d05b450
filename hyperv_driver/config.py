# SPDX-License-Identifier: Apache-2.0
"""The ``[hyperv]`` options: nova 29 removed its own."""

import nova.conf
from oslo_config import cfg

CONF = nova.conf.CONF

OPTIONS = [
    cfg.StrOpt(
        "vswitch_name",
        help="Name of the virtual switch that instances' adapters are connected to. Empty: the host's first "
        "external one.",
    ),
    cfg.StrOpt(
        "instances_path_share",
        help="Name of the share that every host has of its instances_path, for what moves between hosts. "
        "Empty: the administrative share of the disk, such as C$.",
    ),
    cfg.BoolOpt(
        "limit_cpu_features",
        default=False,
        help="Hide CPU features from guests, so that instances can move between hosts with different CPUs.",
    ),
    cfg.FloatOpt(
        "dynamic_memory_ratio",
        default=1.0,
        min=1.0,
        help="An instance starts with its flavor's memory divided by this, and Hyper-V gives and takes as "
        "the guest needs, up to the flavor's. 1.0: it has all of it, always.",
    ),
    cfg.IntOpt(
        "soft_reboot_timeout",
        deprecated_name="wait_soft_reboot_seconds",
        default=60,
        min=0,
        help="Seconds that a guest has to shut down in a soft reboot; then it is rebooted the hard way.",
    ),
    cfg.BoolOpt(
        "config_drive_inject_password",
        default=True,
        help="Put the administrator's password that nova made into the config drive.",
    ),
    cfg.BoolOpt(
        "enable_instance_metrics_collection",
        default=False,
        help="Have Hyper-V measure what instances use of processors, memory and disks, for programs that ask "
        "it for that (Measure-VM).",
    ),
    cfg.BoolOpt(
        "instance_automatic_shutdown",
        default=False,
        help="When the host shuts down, have guests shut down rather than saved to disk (or turned off, if "
        "they have PCI devices of it). It holds for instances that are made from now on.",
    ),
    cfg.IntOpt(
        "pci_low_mmio_mb",
        default=3072,
        min=128,
        max=3584,
        help="Address space below 4 GiB, in MiB, that an instance with PCI devices of its host has for their "
        "registers and memory. Its guest loses as much of what 32 bits can address.",
    ),
    cfg.IntOpt(
        "pci_high_mmio_mb",
        default=33280,
        min=512,
        help="The same above 4 GiB; what a device takes shows Microsoft's script SurveyDDA.ps1.",
    ),
    cfg.BoolOpt(
        "use_multipath_io",
        default=False,
        help="Connect volumes over all of their paths. Takes Windows' feature Multipath I/O, set up to claim "
        "iSCSI disks.",
    ),
    cfg.ListOpt(
        "iscsi_initiator_list",
        default=[],
        help="iSCSI initiators to log in with; with use_multipath_io, each of them is a path. Empty: Windows "
        "chooses.",
    ),
    cfg.IntOpt(
        "volume_attach_retry_count",
        deprecated_name="mounted_disk_query_retry_count",
        default=10,
        min=0,
        help="How often to look again for the disk of a volume after the login to its target.",
    ),
    cfg.IntOpt(
        "volume_attach_retry_interval",
        deprecated_name="mounted_disk_query_retry_interval",
        default=5,
        min=0,
        help="Seconds between two of these looks.",
    ),
    cfg.IntOpt(
        "state_event_interval",
        deprecated_name="power_state_check_timeframe",
        default=5,
        min=1,
        help="Seconds between two looks of Windows for virtual machines that changed their state: the delay "
        "with which nova learns that a guest shut itself down.",
    ),
    # HyperVClusterDriver only.
    cfg.IntOpt(
        "cluster_event_check_interval",
        default=2,
        min=1,
        help="Seconds between two looks for instances that the failover cluster brought to this node.",
    ),
    cfg.IntOpt(
        "max_failover_count",
        default=1,
        min=1,
        help="How often the failover cluster restarts an instance on another node within failover_period; "
        "then the instance stays failed. It holds for instances that are made from now on.",
    ),
    cfg.IntOpt(
        "failover_period",
        default=6,
        min=1,
        help="Hours in which max_failover_count counts.",
    ),
    cfg.BoolOpt(
        "auto_failback",
        default=True,
        help="Have the failover cluster bring an instance back to its preferred node, if an administrator "
        "gave it one, once that node is there again.",
    ),
    cfg.IntOpt(
        "instance_live_migration_timeout",
        default=300,
        min=0,
        help="Seconds after which a live migration by the failover cluster is cancelled. 0: never.",
    ),
]

CONF.register_opts(OPTIONS, group="hyperv")


def list_opts():
    """For oslo.config's sample generator."""
    return [("hyperv", OPTIONS)]
