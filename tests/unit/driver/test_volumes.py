# SPDX-License-Identifier: Apache-2.0
import contextlib
import threading
from concurrent import futures
from unittest import mock

from nova import exception
from os_brick import exception as brick_exception

from hyperv_driver import volumeops
from hyperv_driver.oswin import constants
from tests.unit.driver import base
from tests.unit.driver.base import GIB, instance, iscsi_volume, smb_volume, with_volumes

GENERATION_2 = {"hw_machine_type": "hyperv-gen2"}


class VolumesTest(base.DriverTestCase):
    def attach(self, made, volume, **arguments):
        self.driver.attach_volume(self.context, volume, made, "/dev/sdb", **arguments)

    def connected(self):
        return self.host.connectors.connected

    def test_attached_as_physical_disk_under_its_id(self):
        made = self.spawn()
        self.attach(made, iscsi_volume("one", lun=4))
        self.assertEqual(("scsi", "Msvm_DiskDrive 4"), self.vm(made)["disks"][-1])
        self.assertEqual({"one": "Msvm_DiskDrive 4"}, self.vm(made)["volumes"])
        self.driver.detach_volume(self.context, iscsi_volume("one", lun=4), made, "/dev/sdb")
        self.assertEqual(([], {}), (self.connected(), self.vm(made)["volumes"]))

    def test_what_it_cannot_have_is_refused_before_it_is_connected(self):
        made = self.spawn()
        other = {"driver_volume_type": "rbd", "serial": "one", "data": {}}
        for words, volume, arguments in (
            ("handler for rbd", other, {}),
            ("encryption is not supported", iscsi_volume("one", encrypted=True), {}),
            ("encryption is not supported", iscsi_volume("one"), {"encryption": {"provider": "luks"}}),
            ("read-only", iscsi_volume("one", access_mode="ro"), {}),
            ("the bus virtio, expected scsi", iscsi_volume("one"), {"disk_bus": "virtio"}),
            ("expected one name", smb_volume("one", r"..\C$\Windows\x.vhdx"), {}),
            ("expected one name", smb_volume("one", "../x.vhdx"), {}),
        ):
            error = self.assertRaises(exception.NovaException, self.attach, made, volume, **arguments)
            self.assertIn(words, str(error))
        self.assertEqual([], self.connected())

    def test_instances_with_such_volumes_are_refused_before_anything_is_made(self):
        volumes = with_volumes(iscsi_volume("one"), iscsi_volume("two", access_mode="ro"))
        self.assertRaises(exception.VolumeAttachFailed, self.spawn, block_device_info=volumes)
        self.assertEqual(([], [], []), (self.connected(), self.fetches, self.driver.list_instances()))

    def test_full_controller(self):
        self.host.vmutils.slots = 0
        made = self.spawn()
        self.assertRaises(exception.TooManyDiskDevices, self.attach, made, iscsi_volume("one"))
        self.assertEqual([], self.connected())

    def test_connection_that_fails_tells_no_secret(self):
        made = self.spawn()
        volume = iscsi_volume("one", auth_password="swordfish")
        self.host.connectors.failure = brick_exception.BrickException(f"no session for {volume['data']}")
        self.host.connectors.disconnect_volume = lambda data: None
        error = self.assertRaises(exception.VolumeAttachFailed, self.attach, made, volume)
        self.assertIn("no session for", str(error))
        self.assertNotIn("swordfish", str(error))
        self.assertIsNone(error.__cause__)
        self.assertTrue(error.__suppress_context__)

    def test_one_at_a_time_with_each_target(self):
        made = self.spawn()
        for other, meet in (("iqn.2026-01.org.example:one", False), ("iqn.2026-01.org.example:two", True)):
            barrier = threading.Barrier(2, timeout=5 if meet else 0.2)
            met = []

            def connect_volume(data, barrier=barrier, met=met):
                with contextlib.suppress(threading.BrokenBarrierError):
                    met.append(barrier.wait())
                return {"number": data["target_lun"]}

            volumes = iscsi_volume("1", lun=1), iscsi_volume("2", lun=2, target_iqn=other)
            with mock.patch.object(self.host.connectors, "connect_volume", connect_volume):
                with futures.ThreadPoolExecutor() as pool:
                    list(pool.map(lambda volume: self.attach(made, volume), volumes))
            self.assertEqual(meet, len(met) == 2)

    def test_host_that_would_mount_the_disks(self):
        made = self.spawn()
        self.host.diskutils.new_disk_policy = constants.DISK_POLICY_ONLINE_ALL
        error = self.assertRaises(exception.VolumeAttachFailed, self.attach, made, iscsi_volume("one"))
        self.assertIn("NewDiskPolicy is 1", str(error))

    def test_hyperv_sees_a_disk_after_windows(self):
        made = self.spawn()
        self.host.vmutils.unseen = 3
        with mock.patch("time.sleep"):
            self.attach(made, iscsi_volume("one"))
        self.assertEqual(["one"], list(self.vm(made)["volumes"]))
        self.host.vmutils.unseen = 1000
        with mock.patch("time.sleep"), mock.patch.object(volumeops, "DRIVE_TIMEOUT", -1):
            error = self.assertRaises(
                exception.VolumeAttachFailed, self.attach, made, iscsi_volume("two", lun=5)
            )
        self.assertIn("no Msvm_DiskDrive for disk 5", str(error))
        self.assertEqual([0], self.connected())

    def test_boot_from_volume(self):
        for name, bus, properties in (("x-1", "ide", {}), ("x-2", "scsi", GENERATION_2)):
            volumes = with_volumes(iscsi_volume("data", lun=2), iscsi_volume("root"))
            data, root = volumes["block_device_mapping"]
            root["boot_index"] = 0
            made = self.spawn(instance(name), None, properties=properties, block_device_info=volumes)
            disks = [(bus, "Msvm_DiskDrive 0"), ("scsi", "Msvm_DiskDrive 2")]
            self.assertEqual(disks, self.vm(made)["disks"])
            if properties:
                self.assertEqual(["Msvm_DiskDrive 0"], self.vm(made)["boot"])
            self.driver.destroy(self.context, made, [], volumes)
            self.assertEqual([], self.connected())
        self.assertEqual([], self.fetches)

    def test_failed_spawn_disconnects(self):
        volumes = with_volumes(iscsi_volume("one"))
        failing = mock.patch("hyperv_driver.consoleops.ConsoleOps.start", side_effect=exception.NovaException)
        with failing:
            self.assertRaises(exception.NovaException, self.spawn, block_device_info=volumes)
        self.assertEqual([], self.connected())

    def test_what_cannot_be_disconnected_keeps_no_instance(self):
        volumes = with_volumes(iscsi_volume("one", auth_password="swordfish"))
        made = self.spawn(block_device_info=volumes)
        text = str(volumes["block_device_mapping"][0]["connection_info"]["data"])
        self.host.connectors.failure = brick_exception.BrickException(text)
        with self.assertLogs("hyperv_driver.volumeops", "WARNING") as logs:
            self.driver.destroy(self.context, made, [], volumes)
        self.assertEqual([], self.driver.list_instances())
        self.assertIn("Volume one stays connected", logs.output[0])
        self.assertNotIn("swordfish", logs.output[0])

    def test_started_where_the_disk_is_by_now(self):
        volumes = with_volumes(iscsi_volume("one", lun=1), iscsi_volume("two", lun=2))
        made = self.spawn(block_device_info=volumes)
        moved = with_volumes(iscsi_volume("one", lun=1), iscsi_volume("two", lun=3))
        starts = (
            lambda: self.driver.power_on(self.context, made, [], moved),
            lambda: self.driver.reboot(self.context, made, [], "HARD", moved),
            lambda: self.driver.resume_state_on_host_boot(self.context, made, [], [], moved),
        )
        for start in starts:
            self.driver.power_off(made)
            self.vm(made)["volumes"]["two"] = "Msvm_DiskDrive 2"
            self.host.vmutils.calls.clear()
            start()
            changes = [call for call in self.host.vmutils.calls if call[0] == "set_disk_host_res"]
            self.assertEqual([("set_disk_host_res", made.name, "two", "Msvm_DiskDrive 3")], changes)

    def test_share_stays_mapped_as_long_as_any_machine_has_a_file_of_it(self):
        first, second = self.spawn(), self.spawn(instance("x-2"))
        one, two = smb_volume("one"), smb_volume("two", "Other.vhdx", export="//198.51.100.20/Volumes")
        self.attach(first, one)
        self.attach(second, two)
        self.driver.power_off(second)
        self.driver.detach_volume(self.context, one, first, "/dev/sdb")
        self.assertEqual(["volume-1.vhdx", "Other.vhdx"], self.connected())
        self.driver.detach_volume(self.context, two, second, "/dev/sdb")
        self.assertEqual(["volume-1.vhdx"], self.connected())

    def test_start_with_a_volume_that_has_no_drive(self):
        made = self.spawn(power_on=False)
        error = self.assertRaises(
            exception.DiskNotFound,
            self.driver.power_on, self.context, made, [], with_volumes(iscsi_volume("one")),
        )  # fmt: skip
        self.assertIn("the drive of volume one in instance-00000001", str(error))

    def test_extend(self):
        made = self.spawn()
        self.host.connectors.sizes = {4: GIB}
        volume = iscsi_volume("one", lun=4)
        self.driver.extend_volume(self.context, volume, made, 2 * GIB)
        error = self.assertRaises(
            exception.VolumeExtendFailed, self.driver.extend_volume, self.context, volume, made, 4 * GIB
        )
        self.assertIn(f"finds {3 * GIB} bytes on its disk, expected {4 * GIB}", str(error))

    def test_volume_on_a_share_is_a_virtual_disk(self):
        made, volume = self.spawn(), smb_volume("one")
        path = r"\\198.51.100.20\volumes\volume-1.vhdx"
        self.host.diskutils.new_disk_policy = constants.DISK_POLICY_ONLINE_ALL
        self.attach(made, volume)
        self.assertEqual(("scsi", path), self.vm(made)["disks"][-1])
        self.assertRaises(
            exception.ExtendVolumeNotSupported, self.driver.extend_volume, self.context, volume, made, GIB
        )
        self.driver.detach_volume(self.context, volume, made, "/dev/sdb")
        self.assertEqual(([], 1), (self.connected(), len(self.vm(made)["disks"])))
        for name, bus, properties in (("x-2", "ide", {}), ("x-3", "scsi", GENERATION_2)):
            volumes = with_volumes(volume, boot=True)
            made = self.spawn(instance(name), None, properties=properties, block_device_info=volumes)
            self.assertEqual([(bus, path)], self.vm(made)["disks"])
            self.driver.power_on(self.context, made, [], volumes)
            self.driver.destroy(self.context, made, [], volumes)

    def test_volume_on_a_share_of_which_cinder_names_a_disk_that_was_merged(self):
        snapshot = "aaaaaaaa-0000-4000-8000-000000000001"
        for record, drive, found in (
            (f"volume-1.{snapshot}.vhdx", "Volume-1.VHDX", True),
            ("volume-1.vhdx", f"volume-1.{snapshot}.vhdx", True),
            (f"volume-1.{snapshot}.vhdx", "volume-10.vhdx", False),
            ("volume-1.vhdx", "volume-1.backup.vhdx", False),
        ):
            made = self.spawn(instance("x-1"))
            self.attach(made, smb_volume("one", drive))
            self.driver.detach_volume(self.context, smb_volume("one", record), made, "/dev/sdb")
            self.assertEqual(1 if found else 2, len(self.vm(made)["disks"]), (record, drive))
            self.driver.destroy(self.context, made, [])

    def test_connector(self):
        found = self.driver.get_volume_connector(instance())
        self.assertEqual("iqn.1991-05.com.microsoft:this", found["initiator"])
