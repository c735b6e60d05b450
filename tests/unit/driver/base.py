# SPDX-License-Identifier: Apache-2.0
"""What the driver's unit tests start from: nova's objects, a configuration of their own, a fake host."""

import contextlib
import functools
import pathlib
import subprocess
import tempfile
from unittest import mock

import testtools
from nova import conf, context, objects
from nova.network import model
from oslo_config import fixture as config_fixture
from oslo_utils import uuidutils

from hyperv_driver import driver
from tests.unit.driver import fake_host

MIB, GIB = 1024**2, 1024**3


@functools.cache
def image_file(disk_format, subformat="dynamic", size=20 * MIB):
    """The bytes of a disk image as qemu-img writes it; the disk has nothing but a word at its end."""
    with tempfile.TemporaryDirectory() as folder:
        raw, path = pathlib.Path(folder, "raw"), pathlib.Path(folder, "image")
        with raw.open("wb") as content:
            content.seek(size - 4)
            content.write(b"last")
        options = f"subformat={subformat}" + (",force_size=on" if disk_format == "vhd" else "")
        qemu_format = "vpc" if disk_format == "vhd" else disk_format
        subprocess.run(
            ["qemu-img", "convert", "-f", "raw", "-O", qemu_format, "-o", options, raw, path], check=True
        )
        return path.read_bytes()


def instance(name="instance-00000001", **changes):
    values = {
        "uuid": uuidutils.generate_uuid(),
        "image_ref": uuidutils.generate_uuid(),
        "config_drive": "",
        "launched_at": None,
        "task_state": None,
        "vm_state": "active",
        "numa_topology": None,
        "system_metadata": {},
        "device_metadata": None,
        "trusted_certs": None,
        "pci_devices": objects.PciDeviceList(),
        "pci_requests": objects.InstancePCIRequests(requests=[]),
        "flavor": flavor(),
    } | changes
    made = objects.Instance(context.get_admin_context(), **values)
    # The name comes from a template and the database's id.
    made.id = int(name.rpartition("-")[2], 16)
    return made


def claim(made, *addresses):
    """Have an instance claim the PCI devices at these addresses for its flavor, and no others; returns it."""
    request = objects.InstancePCIRequest(request_id=uuidutils.generate_uuid(), alias_name="device")
    made.pci_requests = objects.InstancePCIRequests(requests=[request])
    made.pci_devices = objects.PciDeviceList(
        objects=[objects.PciDevice(address=address, request_id=request.request_id) for address in addresses]
    )
    return made


def flavor(**changes):
    return objects.Flavor(
        **{"memory_mb": 512, "vcpus": 2, "root_gb": 1, "ephemeral_gb": 0, "swap": 0, "extra_specs": {}}
        | changes
    )


def image_meta(disk_format="vhdx", **properties):
    return objects.ImageMeta.from_dict({"disk_format": disk_format, "properties": properties})


def vif(**changes):
    return model.VIF(
        **{
            "id": uuidutils.generate_uuid(),
            "address": "fa:16:3e:00:00:01",
            "type": model.VIF_TYPE_HYPERV,
            "active": True,
            "details": {},
        }
        | changes
    )


def iscsi_volume(serial, lun=0, **data):
    """A connection_info as cinder's iSCSI drivers give it."""
    portal = {"target_portal": "192.0.2.10:3260", "target_iqn": "iqn.2026-01.org.example:one"}
    found = portal | {"target_lun": lun, "access_mode": "rw", "encrypted": False} | data
    return {"driver_volume_type": "iscsi", "serial": serial, "data": found}


def fibre_channel_volume(serial, lun=0, **data):
    """A connection_info as cinder's Fibre Channel drivers give it."""
    found = {"target_wwn": ["20210002ac00383d"], "target_lun": lun, "access_mode": "rw"} | data
    return {"driver_volume_type": "fibre_channel", "serial": serial, "data": found}


def smb_volume(serial, name="volume-1.vhdx", **data):
    """A connection_info as cinder's SMB driver for Windows gives it."""
    found = {"export": r"\\198.51.100.20\volumes", "name": name, "access_mode": "rw"} | data
    return {"driver_volume_type": "smbfs", "serial": serial, "data": found}


def with_volumes(*connection_infos, boot=False, **block_device_info):
    """A block_device_info with these volumes; if `boot`, the instance boots from the first of them."""
    mappings = [
        {
            "connection_info": connection_info,
            "boot_index": 0 if boot and number == 0 else None,
            "disk_bus": None,
            "mount_device": f"/dev/sd{chr(97 + number)}",
        }
        for number, connection_info in enumerate(connection_infos)
    ]
    return {"block_device_mapping": mappings, "root_device_name": "/dev/sda"} | block_device_info


class Records:
    """nova's records of adapters and disks of one instance, for want of a database: VirtualInterfaces in
    `adapters`, BlockDeviceMappings in `disks`.
    """

    def __init__(self):
        self.adapters, self.disks = [], []
        self.patches = [
            mock.patch("nova.objects.VirtualInterfaceList.get_by_instance_uuid", lambda *_: self.adapters),
            mock.patch(
                "nova.objects.BlockDeviceMappingList.get_by_instance_uuid",
                lambda *_: objects.BlockDeviceMappingList(objects=self.disks),
            ),
            mock.patch(
                "nova.objects.VirtualInterface.get_by_uuid",
                lambda _context, uuid: next((one for one in self.adapters if one.uuid == uuid), None),
            ),
            mock.patch(
                "nova.objects.BlockDeviceMapping.get_by_volume_and_instance",
                lambda _context, volume, _instance: next(
                    (one for one in self.disks if one.volume_id == volume),
                    objects.BlockDeviceMapping(tag=None),
                ),
            ),
        ]

    def add_adapter(self, vif, tag):
        made = objects.VirtualInterface(uuid=vif["id"], address=vif["address"], tag=tag)
        self.adapters.append(made)

    def add_disk(self, tag, source="volume", volume_id=None, guest_format=None):
        destination = "volume" if source == "volume" else "local"
        made = objects.BlockDeviceMapping(
            id=len(self.disks), tag=tag, source_type=source, destination_type=destination,
            volume_id=volume_id, guest_format=guest_format, boot_index=None,
        )  # fmt: skip
        self.disks.append(made)


class FakeVirtAPI:
    """Stands for nova's ComputeVirtAPI: notes what was waited for, and may fail to deliver it."""

    def __init__(self):
        self.awaited = []
        self.failure = None
        self.before = lambda: None

    @contextlib.contextmanager
    def wait_for_instance_event(self, instance, event_names, timeout=300, error_callback=None):
        self.before()
        yield
        self.awaited += event_names
        if self.failure:
            raise self.failure


class DriverTestCase(testtools.TestCase):
    """A driver, self.driver, on a fake host, self.host (its utilities); images in self.glance[id]."""

    def setUp(self):
        super().setUp()
        conf.CONF([], project="nova", default_config_files=[])
        self.config = self.useFixture(config_fixture.Config(conf.CONF)).config
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.instances = pathlib.Path(folder.name, "instances")
        self.instances.mkdir()
        self.config(instances_path=str(self.instances))
        self.config(vswitch_name="external", group="hyperv")
        self.host = fake_host.utilities()
        self.virtapi = FakeVirtAPI()
        self.driver = driver.HyperVDriver(self.virtapi, self.host)
        self.addCleanup(self.driver.cleanup_host, "this")
        self.context = context.get_admin_context()
        self.glance = {}
        self.fetches = []
        self.useFixture_patch("nova.virt.images.fetch", self._fetch)
        self.records = Records()
        for patch in self.records.patches:
            patch.start()
            self.addCleanup(patch.stop)

    def useFixture_patch(self, target, replacement):
        patch = mock.patch(target, replacement)
        patch.start()
        self.addCleanup(patch.stop)

    def spawn(self, made=None, disk_format="vhdx", vifs=(), properties=None, **arguments):
        made = made or instance()
        if disk_format and made.image_ref not in self.glance:
            self.glance[made.image_ref] = image_file(disk_format)
        meta = image_meta(disk_format, **(properties or {}))
        arguments = {"injected_files": [], "admin_password": None, "allocations": {}} | arguments
        self.driver.spawn(self.context, made, meta, network_info=list(vifs), **arguments)
        return made

    def vm(self, made):
        return self.host.vmutils.vms[made.name]

    def _fetch(self, _context, image_href, path, trusted_certs=None):
        self.fetches.append(image_href)
        pathlib.Path(path).write_bytes(self.glance[image_href])
