# SPDX-License-Identifier: Apache-2.0
import os
from unittest import mock

from nova import exception
from nova.compute import power_state, task_states

from hyperv_driver import oswin
from tests.unit.driver import base
from tests.unit.driver.base import GIB, MIB, flavor, instance, vif

SMALL = flavor(root_gb=1, memory_mb=512, ephemeral_gb=1)
LARGE = flavor(root_gb=3, memory_mb=1024, ephemeral_gb=2)
EPHEMERAL = {"ephemerals": [{"size": 1}]}


class ResizeTest(base.DriverTestCase):
    def setUp(self):
        super().setUp()
        self.config(my_ip="192.0.2.7")

    def made(self, disk_format="vhdx", block_device_info=EPHEMERAL, **arguments):
        made = instance(flavor=SMALL)
        return self.spawn(made, disk_format, block_device_info=block_device_info, **arguments)

    def set_aside(self, made, to=LARGE, dest="192.0.2.7", timeout=0):
        return self.driver.migrate_disk_and_power_off(
            self.context, made, dest, to, [], None, timeout, retry_interval=10
        )

    def finish(self, made, to=LARGE, disk_format="vhdx", block_device_info=EPHEMERAL, power_on=True, vifs=()):
        made.old_flavor, made.flavor = made.flavor, to
        self.driver.finish_migration(
            self.context, None, made, "", list(vifs), base.image_meta(disk_format), True, {},
            block_device_info, power_on,
        )  # fmt: skip

    def revert(self, made, block_device_info=EPHEMERAL):
        made.task_state = task_states.RESIZE_REVERTING
        self.driver.destroy(self.context, made, [], block_device_info)
        made.flavor = SMALL
        with mock.patch("nova.objects.Instance.image_meta", base.image_meta("vhdx")):
            self.driver.finish_revert_migration(self.context, made, [], None, block_device_info)

    def disk(self, made, name):
        return self.host.vhdutils.disks[str(self.instances / made.name / name)]

    def drives(self, made):
        return [(bus, os.path.basename(path)) for bus, path in self.vm(made)["disks"]]

    def folders(self):
        return sorted(name for name in os.listdir(self.instances) if name != "_base")

    def test_larger_and_confirmed(self):
        port = vif()
        made = self.made(vifs=[port])
        self.assertEqual("", self.set_aside(made))
        self.assertEqual([], self.driver.list_instances())
        self.finish(made, vifs=[port])
        self.assertEqual(power_state.RUNNING, self.driver.get_info(made).state)
        self.assertEqual(1024, self.vm(made)["memory_mb"])
        self.assertEqual([port["id"]], list(self.vm(made)["nics"]))
        self.assertEqual([("ide", "root.vhdx"), ("scsi", "ephemeral0.vhdx")], self.drives(made))
        self.assertEqual(3 * GIB, self.disk(made, "root.vhdx")["size"])
        self.assertEqual(2 * GIB, self.disk(made, "ephemeral0.vhdx")["size"])
        self.driver.confirm_migration(self.context, None, made, [])
        self.assertEqual([made.name], self.folders())

    def test_reverted(self):
        made = self.made()
        self.set_aside(made)
        self.finish(made)
        self.revert(made)
        self.assertEqual(512, self.vm(made)["memory_mb"])
        self.assertEqual(GIB, self.disk(made, "root.vhdx")["size"])
        self.assertEqual([("ide", "root.vhdx"), ("scsi", "ephemeral0.vhdx")], self.drives(made))
        self.assertEqual([made.name], self.folders())

    def test_vhd_that_is_a_difference_becomes_a_disk_of_its_own(self):
        made = self.made("vhd", None)
        self.assertIsNotNone(self.disk(made, "root.vhd")["parent"])
        self.set_aside(made)
        self.finish(made, disk_format="vhd", block_device_info=None)
        self.assertEqual({"size": 3 * GIB, "parent": None}, self.disk(made, "root.vhd"))

    def test_ephemeral_disk_of_less_than_the_flavors(self):
        made = self.spawn(instance(flavor=LARGE), block_device_info=EPHEMERAL)
        self.assertEqual(GIB, self.disk(made, "ephemeral0.vhdx")["size"])
        self.set_aside(made)
        self.finish(made)
        self.assertEqual(GIB, self.disk(made, "ephemeral0.vhdx")["size"])

    def test_same_flavor(self):
        made = self.made("vhd", None)
        self.set_aside(made, SMALL)
        self.finish(made, SMALL, "vhd", None)
        self.assertEqual(GIB, self.disk(made, "root.vhd")["size"])

    def test_stopped_stays_so(self):
        made = self.made()
        self.driver.power_off(made)
        self.set_aside(made)
        self.finish(made, power_on=False)
        self.assertEqual(power_state.SHUTDOWN, self.driver.get_info(made).state)

    def test_guest_is_asked_to_shut_down(self):
        made = self.made()
        self.set_aside(made, timeout=60)
        self.assertIn(("soft_shutdown_vm", made.name), self.host.vmutils.calls)

    def test_swap_is_new_and_the_config_drive_kept(self):
        with mock.patch("nova.api.metadata.base.InstanceMetadata") as metadata:
            metadata.return_value.metadata_for_config_drive.return_value = [("a", b"b")]
            made = self.spawn(
                instance(flavor=SMALL, config_drive="True"),
                block_device_info={"swap": {"device_name": "/dev/sdb", "swap_size": 64}},
            )
        drive = self.instances / made.name / "configdrive.iso"
        content = drive.read_bytes()
        self.host.access.restricted.clear()
        self.set_aside(made)
        self.finish(made, block_device_info={"swap": {"device_name": "/dev/sdb", "swap_size": 128}})
        self.assertEqual(128 * MIB, self.disk(made, "swap.vhdx")["size"])
        self.assertEqual(content, drive.read_bytes())
        self.assertEqual({str(drive): 0}, self.host.access.restricted)
        self.assertIn(("ide", "configdrive.iso"), self.drives(made))

    def test_refused_before_anything_happens(self):
        made = self.made()
        for words, to, dest in (
            ("its ephemeral disks have 1 GiB, the flavor 0", flavor(root_gb=1), "192.0.2.7"),
            ("cannot be reached", LARGE, "192.0.2.8"),
        ):
            error = self.assertRaises(exception.InstanceFaultRollback, self.set_aside, made, to, dest)
            self.assertIn(words, str(error))
        self.assertEqual(power_state.RUNNING, self.driver.get_info(made).state)

    def test_smaller_disk(self):
        made = self.spawn(instance(flavor=LARGE))
        error = self.assertRaises(exception.InstanceFaultRollback, self.set_aside, made, flavor(root_gb=1))
        self.assertIn("its root disk has 3 GiB, the flavor 1", str(error))

    def test_disk_that_hyperv_still_merges(self):
        made = self.made()
        self.host.vmutils.take_vm_snapshot(made.name)
        error = self.assertRaises(exception.InstanceFaultRollback, self.set_aside, made)
        self.assertIn("still merges", str(error))

    def test_failure_keeps_the_disks_aside(self):
        made = self.made()
        self.set_aside(made)
        failure = oswin.exceptions.HyperVException("no memory")
        with mock.patch.object(self.host.vmutils, "build_vm", side_effect=failure):
            self.assertRaises(exception.NovaException, self.finish, made)
        self.assertEqual([f"{made.name}_aside"], self.folders())
        self.finish(made)

    def test_deletion_leaves_nothing_aside(self):
        made = self.made()
        self.set_aside(made)
        self.driver.destroy(self.context, made, [])
        self.assertEqual([], self.folders())

    def revert_at_start(self, made, power_on=True):
        """What nova asks for when it starts and finds that it died while it put the instance aside."""
        with mock.patch("nova.objects.Instance.image_meta", base.image_meta("vhdx")):
            self.driver.finish_revert_migration(self.context, made, [], None, EPHEMERAL, power_on)

    def die(self, made, step):
        class Died(BaseException):
            pass

        owner, name = step
        with mock.patch.object(owner, name, side_effect=Died):
            self.assertRaises(Died, self.set_aside, made)

    def test_died_wherever(self):
        vmutils, pathutils = self.host.vmutils, self.host.pathutils
        for step in (
            (vmutils, "destroy_vm"),
            (self.driver._volumeops, "disconnect_all"),
            (pathutils, "rename"),
        ):
            made = self.made()
            (self.instances / f"{made.name}_aside").mkdir()  # of an earlier resize
            (self.instances / f"{made.name}_aside" / "root.vhdx").write_text("old")
            self.die(made, step)
            self.revert_at_start(made)
            self.assertEqual(power_state.RUNNING, self.driver.get_info(made).state)
            self.assertEqual([("ide", "root.vhdx"), ("scsi", "ephemeral0.vhdx")], self.drives(made))
            self.assertNotEqual("old", (self.instances / made.name / "root.vhdx").read_text())
            self.assertEqual([made.name], self.folders())
            self.driver.destroy(self.context, made, [])

    def test_died_with_the_machine_powered_off(self):
        made = self.made()
        self.die(made, (self.host.vmutils, "destroy_vm"))
        self.revert_at_start(made, power_on=False)
        self.assertEqual(power_state.SHUTDOWN, self.driver.get_info(made).state)

    def test_died_when_all_was_aside(self):
        made = self.made()
        self.set_aside(made)
        self.revert_at_start(made)
        self.assertEqual([("ide", "root.vhdx"), ("scsi", "ephemeral0.vhdx")], self.drives(made))
        self.assertEqual([made.name], self.folders())
