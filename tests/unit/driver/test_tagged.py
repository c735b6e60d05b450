# SPDX-License-Identifier: Apache-2.0
from unittest import mock

from tests.unit.driver import base
from tests.unit.driver.base import instance, iscsi_volume, smb_volume, vif, with_volumes


class TaggedTest(base.DriverTestCase):
    def setUp(self):
        super().setUp()
        self.useFixture_patch("nova.objects.Instance.save", lambda _instance: None)
        self.described = []
        self.useFixture_patch("nova.api.metadata.base.InstanceMetadata", self._metadata)

    def _metadata(self, instance, **_arguments):
        self.described.append(devices(instance))
        return mock.Mock(metadata_for_config_drive=lambda: [("ec2/meta", b"{}")])

    def test_no_tags(self):
        self.assertIsNone(self.spawn(vifs=[vif()]).device_metadata)

    def test_of_a_new_instance(self):
        port = vif()
        self.records.add_adapter(port, "nic")
        self.records.add_disk("root", "image")
        self.records.add_disk(None, "blank")
        self.records.add_disk("second", "blank")
        self.records.add_disk("swap", "blank", guest_format="swap")
        self.records.add_disk("iscsi", volume_id="v-1")
        self.records.add_disk("smb", volume_id="v-2")
        volumes = with_volumes(
            iscsi_volume("v-1", lun=3), smb_volume("v-2"), ephemerals=[{"size": 1}, {"size": 1}],
            swap={"device_name": "/dev/sdz", "swap_size": 64},
        )  # fmt: skip
        made = self.spawn(instance(config_drive="True"), vifs=[port], block_device_info=volumes)
        expected = [
            ("fa:16:3e:00:00:01", "PCIDeviceBus", None, "nic"),
            (None, "IDEDeviceBus", "0:0", "root"),
            *((None, "SCSIDeviceBus", "0:0:0:0", tag) for tag in ("second", "swap")),
            ("v-1", "SCSIDeviceBus", "0:0:0:0", "iscsi"),
            (None, "SCSIDeviceBus", "0:0:0:0", "smb"),
        ]
        found = devices(made)
        expected[-1] = ("v-2", *expected[-1][1:])
        self.assertEqual(expected, found)
        self.assertEqual([found], self.described)  # the config drive has them, and is attached
        drive = str(self.instances / made.name / "configdrive.iso")
        self.assertIn(("ide", drive), self.vm(made)["disks"])

    def test_of_what_comes_later(self):
        made, port = self.spawn(), vif()
        self.driver.power_off(made)
        self.records.add_adapter(port, "nic")
        self.records.add_disk("disk", volume_id="v-1")
        self.driver.attach_interface(self.context, made, None, port)
        self.driver.attach_volume(self.context, iscsi_volume("v-1"), made, "/dev/sdb")
        self.driver.attach_volume(self.context, iscsi_volume("v-2", lun=1), made, "/dev/sdc")
        self.assertEqual(["nic", "disk"], [tag for *_others, tag in devices(made)])


def devices(made):
    return [
        (
            getattr(device, "serial", None) if "serial" in device else device.mac,
            type(device.bus).__name__,
            device.bus.address if "address" in device.bus else None,
            *device.tags,
        )
        for device in made.device_metadata.devices
    ]
