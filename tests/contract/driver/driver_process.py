# SPDX-License-Identifier: Apache-2.0
"""The process of ``on_hyperv``: runs code, a JSON string a line, and prints what that leaves in `said`.

The code sees all names of this module, and of code before it. What it makes is destroyed after it, unless it
sets `keep`: then after the next.
"""

import warnings

warnings.simplefilter("ignore")
from nova import monkey_patch  # noqa: E402

monkey_patch.patch(backend="threading")  # as nova-compute does: from here on, nobody may import eventlet

import json  # noqa: E402
import os  # noqa: E402
import platform  # noqa: E402
import shutil  # noqa: E402
import time  # noqa: E402, F401

from nova import conf, context  # noqa: E402
from nova.virt import images  # noqa: E402

from hyperv_driver import driver  # noqa: E402
from tests.contract.driver.waiting import read_until, wait_for  # noqa: E402, F401
from tests.unit.driver.base import (  # noqa: E402, F401
    FakeVirtAPI,
    Records,
    claim,
    fibre_channel_volume,
    flavor,
    image_meta,
    instance,
    iscsi_volume,
    smb_volume,
    vif,
    with_volumes,
)

CONF = conf.CONF
INSTANCES = os.environ.get("INSTANCES_PATH", r"C:\OpenStack\instances")


def fetch(_context, image_href, path, trusted_certs=None):
    shutil.copyfile(rf"C:\glance\{image_href}", path)


def spawn(made, disk_format, vifs=(), block_device_info=None, **properties):
    meta = image_meta(disk_format, **properties)
    hyperv.spawn(
        admin, made, meta, [], None, {}, network_info=list(vifs), block_device_info=block_device_info
    )
    return made


def boot_from_volume(made, *volumes, **properties):
    meta = image_meta(None, **properties)
    block_device_info = with_volumes(*volumes, boot=True)
    hyperv.spawn(admin, made, meta, [], None, {}, network_info=[], block_device_info=block_device_info)
    return made


def first_to_boot(made, disk):
    """Whether a machine of generation 2 tries this disk first."""
    vmutils = hyperv._vmops._vmutils
    order = vmutils._lookup_vm_check(made.name).BootSourceOrder
    return order[0].lower() == vmutils._drive_to_boot_source(disk).lower()


def run(code):
    names = globals()
    names["said"], names["keep"] = None, False
    try:
        exec(code, names)
    except Exception as error:  # noqa: BLE001  the test decides what it thinks of it
        return {"raised": f"{type(error).__name__}: {error}"}
    finally:
        CONF.clear_override("use_cow_images")
        for name in [] if names["keep"] else hyperv.list_instances():
            hyperv.destroy(admin, instance(name), [])
    return names["said"]


def serve(driver_class, host="this"):
    global hyperv
    os.makedirs(INSTANCES, exist_ok=True)
    hyperv = driver_class(FakeVirtAPI())
    hyperv.init_host(host)
    print("ready", flush=True)
    for line in iter(input, "end"):
        print(json.dumps(run(json.loads(line))), flush=True)
    hyperv.cleanup_host(host)


real, images.fetch = images.fetch, fetch
records = Records()
for patch in records.patches:
    patch.start()
CONF([], project="nova", default_config_files=[])
CONF.set_override("instances_path", INSTANCES)
CONF.set_override("vswitch_name", "external", group="hyperv")
CONF.set_override("state_event_interval", 1, group="hyperv")
CONF.set_override("volume_attach_retry_count", 2, group="hyperv")
CONF.set_override("volume_attach_retry_interval", 1, group="hyperv")
CONF.set_override("my_ip", os.environ.get("HOST_ADDRESS", "192.0.2.7"))
# The name of the test's host, as a contained process has it for its own.
platform.node = lambda: os.environ.get("COMPUTERNAME", "HV1")
admin = context.get_admin_context()
if __name__ == "__main__":
    serve(driver.HyperVDriver)
