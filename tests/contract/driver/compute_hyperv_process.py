# SPDX-License-Identifier: Apache-2.0
"""The process of ``compute_hyperv``: what ``driver_process`` is for this driver, as ``round_trips`` needs it.

Of nova only what needs its services is replaced; nothing of that asks WMI.
"""

import contextlib
import json
import os
import platform
import shutil
import warnings

warnings.simplefilter("ignore")
# The driver asks WMI the same from any kind of thread.
os.environ["OS_NOVA_DISABLE_EVENTLET_PATCHING"] = "1"
platform.node = lambda: os.environ.get("COMPUTERNAME", "HV1")

from compute_hyperv.nova import driver  # noqa: E402
from nova import conf, context, objects, rpc  # noqa: E402
from nova.network import model  # noqa: E402
from nova.virt import images  # noqa: E402
from oslo_messaging import transport  # noqa: E402
from oslo_utils import uuidutils  # noqa: E402

CONF = conf.CONF
INSTANCES = r"C:\OpenStack\instances"


class VirtAPI:
    """Stands for nova's ComputeVirtAPI; whatever is waited for has happened."""

    @contextlib.contextmanager
    def wait_for_instance_event(self, *_arguments, **_changes):
        yield


def instance(name, **changes):
    values = {
        "uuid": uuidutils.generate_uuid(), "config_drive": "", "launched_at": None, "task_state": None,
        "vm_state": None, "numa_topology": None, "trusted_certs": None,
        "system_metadata": {"image_disk_format": "vhdx"},
        "pci_requests": objects.InstancePCIRequests(requests=[]),
        "flavor": objects.Flavor(
            memory_mb=512, vcpus=2, root_gb=1, ephemeral_gb=0, swap=0, extra_specs={}
        ),
    }  # fmt: skip
    made = objects.Instance(admin, **values | changes)
    made.id = int(name.rpartition("-")[2], 16)
    return made


def vif(**changes):
    values = {"id": uuidutils.generate_uuid(), "address": "fa:16:3e:00:00:01", "active": True}
    return model.VIF(type=model.VIF_TYPE_HYPERV, **values | changes)


def spawn(made, disk_format, vifs, **properties):
    image = {"id": made.image_ref, "disk_format": disk_format, "properties": properties}
    hyperv._image_api.get = lambda _context, _image_id: image
    devices = {
        "root_device_name": "/dev/sda", "ephemerals": [], "block_device_mapping": [], "swap": None,
        "image": [],
    }  # fmt: skip
    hyperv.spawn(admin, made, objects.ImageMeta(id=made.image_ref), [], None, {}, vifs, devices)


def fetch(_context, image_href, path, trusted_certs=None):
    shutil.copyfile(rf"C:\glance\{image_href}", path)


def run(code):
    names = globals()
    names["said"] = None
    try:
        exec(code, names)
    except Exception as error:  # noqa: BLE001  the caller decides what it thinks of it
        return {"raised": f"{type(error).__name__}: {error}"}
    return names["said"]


images.fetch = fetch
objects.register_all()
objects.Instance.save = lambda *_arguments, **_changes: None
objects.VirtualInterfaceList.get_by_instance_uuid = lambda *_arguments: []
objects.BlockDeviceMappingList.get_by_instance_uuid = lambda *_arguments: []
CONF([], project="nova", default_config_files=[])
CONF.set_override("instances_path", INSTANCES)
CONF.set_override("my_ip", "192.0.2.7")
CONF.register_opts(transport._transport_opts)
CONF.set_override("transport_url", "fake:/")
rpc.init(CONF)
os.makedirs(INSTANCES, exist_ok=True)
admin = context.get_admin_context()
hyperv = driver.HyperVDriver(VirtAPI())
hyperv.init_host("this")
print("ready", flush=True)
for line in iter(input, "end"):
    print(json.dumps(run(json.loads(line))), flush=True)
os._exit(0)
