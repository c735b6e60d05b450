# SPDX-License-Identifier: Apache-2.0
"""Volumes of a portal that is another program's: what cinder's backend in the lab is for the hosts."""

from lab.iscsi.portal import Export, Portal
from tests.contract.driver.test_volumes import GIB, ONE, TWO, OnTargetsTest

SECRET = "a secret of 16 b"


class RemoteVolumesTest(OnTargetsTest):
    def setUp(self):
        super().setUp()
        self.portal = Portal("127.0.0.1", 0)
        self.addCleanup(self.portal.server_close)
        self.addCleanup(self.portal.shutdown)
        name = "iqn.2026-01.org.example:far"
        self.export = Export(GIB, "60014050000000000000000000000f01", ("nova", SECRET))
        self.export.initiators.add(self.model.initiator.name)
        self.portal.exports[name] = self.export
        address, port = self.portal.server_address
        volume = (
            f'iscsi_volume(ONE, lun=1, target_iqn="{name}", target_portal="{address}:{port}",'
            ' auth_method="CHAP", auth_username="nova", auth_password="{}")'
        )
        self.volume, self.stranger = volume.format(SECRET), volume.format("another, of 16 b")
        self.nova('made, keep = spawn(instance(image_ref=image), "vhdx"), True')

    def attach(self, volume=None):
        volume = volume or self.volume
        return self.nova(f'keep = True; hyperv.attach_volume(admin, {volume}, made, "/dev/sdb")')

    def detach(self):
        return self.nova(f'keep = True; hyperv.detach_volume(admin, {self.volume}, made, "/dev/sdb")')

    def assert_refused(self, words, volume=None):
        self.assertIn("VolumeAttachFailed", self.attach(volume)["raised"])
        self.errors.seek(0)
        self.assertIn(words, self.errors.read())
        self.assertEqual([], self.drives())
        self.assert_nothing_is_connected()

    def test_attach_extend_and_detach(self):
        self.assertIsNone(self.attach())
        self.assertEqual([(ONE, "SCSI", 1)], self.drives())
        self.export.size = 2 * GIB
        self.assertIsNone(
            self.nova(f"keep = True; hyperv.extend_volume(admin, {self.volume}, made, {2 * GIB})")
        )
        self.detach()
        self.assert_nothing_is_connected()
        self.assertNotIn("iqn.2026-01.org.example:far", self.network.targets)

    def test_two_volumes_of_one_portal(self):
        self.portal.exports["iqn.2026-01.org.example:second"] = Export(
            GIB, "60014050000000000000000000000f02", ("nova", SECRET), {self.model.initiator.name}
        )
        second = self.volume.replace("ONE", repr(TWO)).replace(":far", ":second")
        self.assertIsNone(self.attach())
        self.assertIsNone(self.attach(second))
        self.assertEqual([ONE, TWO], sorted(serial for serial, _bus, _number in self.drives()))

    def test_an_initiator_that_is_not_admitted(self):
        self.export.initiators.clear()
        self.assert_refused("Authorization Failure")

    def test_another_secret(self):
        self.assert_refused("Authentication Failure", self.stranger)

    def test_an_export_that_was_removed(self):
        self.portal.exports.clear()
        self.assert_refused("not found")

    def test_an_export_that_is_removed_takes_its_disk_along(self):
        self.attach()
        self.portal.exports.clear()
        self.model.storage_network.refresh()
        self.assertNotIn(1, self.model.disks)
