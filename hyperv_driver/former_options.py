# SPDX-License-Identifier: Apache-2.0
"""Options of nova 28's own driver and of compute-hyperv 16 that do nothing here; what does it instead.

Those that have another name today are in ``config``, with the former name beside it.
"""

import nova.conf
from oslo_config import cfg
from oslo_log import log as logging

CONF = nova.conf.CONF
LOG = logging.getLogger(__name__)

# Group → option → its successor, or why it needs none.
FORMER = {
    "hyperv": {
        "config_drive_cdrom": "a config drive is a DVD always, see [DEFAULT] config_drive_format",
        "enable_remotefx": "Windows has no RemoteFX any more",
        "evacuate_task_state_timeout": "this driver does not evacuate its host; see nova's "
        "host-evacuate-live",
        "force_destroy_instances": "an instance's deletion waits for its snapshots, and for nothing else",
        "move_disks_on_cold_migration": "disks move unless both hosts have the same instances_path",
        "power_state_event_polling_interval": "see state_event_interval",
        "qemu_img_cmd": "this driver needs no qemu-img",
        "recreate_ports_on_failover": "adapters are connected anew after every failover",
    },
    "coordination": {"backend_url": "nothing is shared between hosts that takes a lock"},
}

for _group, _options in FORMER.items():
    # As text: that one would be wrong today is no matter.
    CONF.register_opts([cfg.StrOpt(name) for name in _options], group=_group)


def warn():
    """Log a warning for each of them that is set."""
    for group, options in FORMER.items():
        for name, instead in options.items():
            if CONF[group][name] is not None:
                LOG.warning("[%s] %s has no effect any more: %s.", group, name, instead)
