# SPDX-License-Identifier: Apache-2.0
import os

from nova import exception

from tests.unit.driver import base
from tests.unit.driver.base import flavor, image_meta, instance, iscsi_volume, smb_volume, with_volumes


class QuotasTest(base.DriverTestCase):
    def limited(self, name="instance-00000001", **limits):
        specs = {f"quota:disk_{limit}": value for limit, value in limits.items()}
        return instance(name, flavor=flavor(extra_specs=specs))

    def limits(self):
        return {os.path.basename(path): limit for path, limit in self.host.vmutils.limits.items() if limit}

    def test_each_own_hard_disk(self):
        self.spawn(
            self.limited(total_iops_sec="500"), block_device_info=with_volumes(ephemerals=[{"size": 1}])
        )
        self.assertEqual({"root.vhdx": 500, "ephemeral0.vhdx": 500}, self.limits())

    def test_bytes_are_operations_of_8_kib(self):
        self.spawn(self.limited(total_bytes_sec="8193"))
        self.assertEqual({"root.vhdx": 2}, self.limits())

    def test_limits_that_hyperv_does_not_have_are_refused(self):
        for limit, value in (("read_iops_sec", "5"), ("total_iops_sec", "many")):
            error = self.assertRaises(
                exception.InstanceUnacceptable, self.spawn, self.limited(**{limit: value})
            )
            self.assertIn("its flavor limits its disks: ", str(error))
        self.assertEqual({}, self.host.vmutils.vms)

    def test_rescue_keeps_it(self):
        made = self.spawn(self.limited(total_iops_sec="500"))
        self.driver.rescue(self.context, made, [], image_meta("vhdx"), "secret", None, [])
        self.driver.unrescue(self.context, made)
        self.assertEqual({"root.vhdx": 500}, self.limits())

    def test_volumes_that_are_files(self):
        made = self.spawn()
        qos = {"total_iops_sec": "100"}
        self.driver.attach_volume(self.context, iscsi_volume("v-2", qos_specs=qos), made, "/dev/sdc")
        self.driver.attach_volume(self.context, smb_volume("v-1", qos_specs=qos), made, "/dev/sdb")
        self.assertEqual([100], list(self.limits().values()))
        wrong = smb_volume("v-3", "v3.vhdx", qos_specs={"read_iops_sec": "1"})
        error = self.assertRaises(
            exception.VolumeAttachFailed, self.driver.attach_volume, self.context, wrong, made, "/dev/sdd"
        )
        self.assertIn("Hyper-V has no limit read_iops_sec", str(error))

    def test_volume_of_a_new_instance(self):
        volumes = with_volumes(smb_volume("v-1", qos_specs={"total_bytes_sec": "16384"}), boot=True)
        self.spawn(block_device_info=volumes)
        self.assertEqual([2], list(self.limits().values()))
