# SPDX-License-Identifier: Apache-2.0
from unittest import mock

from nova import exception, objects
from nova.compute import power_state

from hyperv_driver import iso9660, oswin
from tests.unit.driver import base
from tests.unit.driver.base import instance, iscsi_volume, with_volumes

GENERATION_2 = {"hw_machine_type": "hyperv-gen2"}
RESCUE_IMAGE = "77777777-0000-4000-8000-000000000000"
ISO = iso9660.image("rescue", {"a": b"b"})


class RescueTest(base.DriverTestCase):
    def setUp(self):
        super().setUp()
        self.glance[RESCUE_IMAGE] = base.image_file("vhdx")
        metadata = mock.Mock()
        metadata.return_value.metadata_for_config_drive.return_value = [("a", b"b")]
        self.useFixture_patch("nova.api.metadata.base.InstanceMetadata", metadata)
        self.metadata = metadata

    def rescue(self, made, disk_format="vhdx", **properties):
        meta = base.image_meta(disk_format, **properties)
        meta.id = RESCUE_IMAGE
        self.driver.rescue(self.context, made, [], meta, "secret", None, [])

    def drives(self, made):
        return [(bus, path.rpartition("/")[2]) for bus, path in self.vm(made)["disks"]]

    def slot(self, made, name):
        return self.vm(made)["places"][str(self.instances / made.name / name)][2]

    def files(self, made):
        return {path.name for path in (self.instances / made.name).iterdir()} - {"console.log"}

    def state(self, made):
        return self.driver.get_info(made).state

    def test_boots_another_disk_with_its_own_beside_it(self):
        made = self.spawn(block_device_info={"ephemerals": [{"size": 1}]})
        before = self.files(made)
        self.rescue(made)
        self.assertEqual(power_state.RUNNING, self.state(made))
        self.assertEqual(
            {("scsi", "ephemeral0.vhdx"), ("ide", "rescue.vhdx"), ("ide", "root.vhdx")},
            set(self.drives(made)),
        )
        self.assertEqual([0, 1], [self.slot(made, name) for name in ("rescue.vhdx", "root.vhdx")])
        self.driver.unrescue(self.context, made)
        self.assertEqual(power_state.RUNNING, self.state(made))
        self.assertEqual({("scsi", "ephemeral0.vhdx"), ("ide", "root.vhdx")}, set(self.drives(made)))
        self.assertEqual(0, self.slot(made, "root.vhdx"))
        self.assertEqual(before, self.files(made))

    def test_generation_2(self):
        made = self.spawn(properties=GENERATION_2)
        folder = self.instances / made.name
        self.host.vmutils.set_boot_order(made.name, [str(folder / "root.vhdx"), "network"])
        self.rescue(made, **GENERATION_2)
        self.assertEqual(str(folder / "rescue.vhdx"), self.vm(made)["boot"][0])
        self.driver.unrescue(self.context, made)
        self.assertEqual([str(folder / "root.vhdx"), "network"], self.vm(made)["boot"])
        self.assertEqual([("scsi", "root.vhdx")], self.drives(made))

    def test_dvd_leaves_the_disks_where_they_are(self):
        self.glance[RESCUE_IMAGE] = ISO
        for number, (properties, bus) in enumerate((({}, "ide"), (GENERATION_2, "scsi"))):
            made = self.spawn(instance(f"x-{number}", config_drive="True"), properties=properties)
            before = self.vm(made)["disks"][:]
            slot = bus == "ide" and self.slot(made, "root.vhdx")
            self.rescue(made, "iso", hw_rescue_device="cdrom", hw_rescue_bus=bus)
            dvds = {(bus, "rescue.iso"), (bus, "configdrive-rescue.iso")}
            self.assertEqual({(bus, "root.vhdx"), *dvds}, set(self.drives(made)))
            if bus == "ide":
                self.assertEqual((slot, 0), (self.slot(made, "root.vhdx"), self.slot(made, "rescue.iso")))
            else:
                self.assertIn("rescue.iso", self.vm(made)["boot"][0])
            self.driver.unrescue(self.context, made)
            self.assertEqual(sorted(before), sorted(self.vm(made)["disks"]))
            self.assertEqual({"root.vhdx", "configdrive.iso"}, self.files(made))

    def test_instance_that_boots_from_a_dvd(self):
        for number, (properties, rescue_format) in enumerate(
            (given, rescue_format) for given in ({}, GENERATION_2) for rescue_format in ("iso", "vhdx")
        ):
            self.glance[RESCUE_IMAGE] = ISO if rescue_format == "iso" else base.image_file("vhdx")
            made = instance(f"x-{number}")
            self.glance[made.image_ref] = ISO
            self.spawn(made, "iso", properties=properties)
            before, order = self.vm(made)["disks"][:], self.vm(made).get("boot")
            self.rescue(made, rescue_format)
            if order:
                self.assertIn(f"rescue.{rescue_format}", self.vm(made)["boot"][0])
            else:
                self.assertNotIn(("ide", "boot.iso"), self.drives(made))
            self.driver.unrescue(self.context, made)
            self.assertEqual(sorted(before), sorted(self.vm(made)["disks"]))
            self.assertEqual(order, self.vm(made).get("boot") or None)

    def test_config_drive_with_the_rescue_password(self):
        made = self.spawn(instance(config_drive="True"), admin_password="first")
        self.rescue(made)
        self.assertEqual({"admin_pass": "secret"}, self.metadata.call_args.kwargs["extra_md"])
        self.assertIn(("ide", "configdrive-rescue.iso"), self.drives(made))
        self.assertNotIn(("ide", "configdrive.iso"), self.drives(made))
        self.assertEqual(2, len(self.host.access.restricted))
        self.driver.unrescue(self.context, made)
        self.assertEqual({("ide", "root.vhdx"), ("ide", "configdrive.iso")}, set(self.drives(made)))
        self.assertEqual({"root.vhdx", "configdrive.iso"}, self.files(made))

    def test_image_of_its_own(self):
        made = self.spawn(disk_format="vhd")
        self.driver.rescue(self.context, made, [], objects.ImageMeta.from_dict({}), "", None, [])
        self.assertEqual({("ide", "rescue.vhd"), ("ide", "root.vhd")}, set(self.drives(made)))

    def test_image_that_cannot_boot_it(self):
        made = self.spawn(properties=GENERATION_2)
        before = self.drives(made)
        for words, disk_format, properties in (
            ("rescue image is qcow2", "qcow2", {}),
            ("cannot have VHD disks", "vhd", {}),
            ("hw_machine_type is hyperv-gen1", "vhdx", {"hw_machine_type": "hyperv-gen1"}),
            ("hw_rescue_bus is ide, expected scsi", "vhdx", {"hw_rescue_bus": "ide"}),
            ("hw_rescue_device cdrom, expected disk", "vhdx", {"hw_rescue_device": "cdrom"}),
            ("hw_rescue_device disk, expected cdrom", "iso", {"hw_rescue_device": "disk"}),
        ):
            error = self.assertRaises(
                exception.InstanceNotRescuable, self.rescue, made, disk_format, **properties
            )
            self.assertIn(words, str(error))
        self.assertEqual((before, power_state.RUNNING), (self.drives(made), self.state(made)))

    def test_image_that_it_may_not_have(self):
        made = self.spawn()
        before = self.drives(made)
        for image, refusal, words in (
            (
                base.image_file("vhdx", size=2 * base.GIB),
                exception.InstanceNotRescuable,
                "root disk 1073741824",
            ),
            (base.image_file("vhd"), exception.ImageUnacceptable, "its content is vhd"),
        ):
            self.glance[RESCUE_IMAGE] = image
            error = self.assertRaises(refusal, self.rescue, made)
            self.assertIn(words, str(error))
            self.assertEqual((before, power_state.RUNNING), (self.drives(made), self.state(made)))
            for path in (self.instances / "_base").glob(f"{RESCUE_IMAGE}*"):
                path.unlink()

    def test_instance_that_boots_from_a_volume(self):
        for name, properties, bus in (("x-1", {}, "ide"), ("x-2", GENERATION_2, "scsi")):
            volumes = with_volumes(iscsi_volume("root", lun=1), iscsi_volume("data", lun=2), boot=True)
            made = self.spawn(instance(name), None, properties=properties, block_device_info=volumes)
            before = self.drives(made)
            meta = base.image_meta("vhdx", hw_rescue_device="disk", hw_rescue_bus=bus)
            meta.id = RESCUE_IMAGE
            self.driver.rescue(self.context, made, [], meta, "secret", volumes, [])
            self.assertEqual({*before, (bus, "rescue.vhdx")}, set(self.drives(made)))
            if bus == "ide":
                self.assertEqual(1, self.vm(made)["places"]["Msvm_DiskDrive 1"][2])
            self.driver.unrescue(self.context, made)
            self.assertEqual(sorted(before), sorted(self.drives(made)))
            self.assertEqual({"root", "data"}, set(self.vm(made)["volumes"]))
            if bus == "ide":
                self.assertEqual(0, self.vm(made)["places"]["Msvm_DiskDrive 1"][2])
            else:
                self.assertEqual("Msvm_DiskDrive 1", self.vm(made)["boot"][0])
            self.driver.destroy(self.context, made, [], volumes)

    def test_failure_gives_its_own_disk_back(self):
        made = self.spawn(instance(config_drive="True"))
        before = set(self.drives(made))
        failure = oswin.exceptions.HyperVException("no memory")
        with mock.patch("hyperv_driver.powerops.PowerOps.power_on", side_effect=failure):
            self.assertRaises(exception.NovaException, self.rescue, made)
        self.assertEqual(before, set(self.drives(made)))
        self.assertEqual({"root.vhdx", "configdrive.iso"}, self.files(made))

    def test_unrescue_of_an_instance_that_was_not(self):
        made = self.spawn(properties=GENERATION_2)
        self.driver.unrescue(self.context, made)
        self.assertEqual([("scsi", "root.vhdx")], self.drives(made))
        self.assertEqual(power_state.RUNNING, self.state(made))
