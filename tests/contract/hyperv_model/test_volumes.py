# SPDX-License-Identifier: Apache-2.0
"""What os-win has for volumes: the iSCSI initiator, disks of the host, physical drives, shares."""

import dataclasses

from lab.hyperv_model import storage
from lab.hyperv_model.storage_network import FibreChannelTarget, Lun, Share, Target
from tests.contract.hyperv_model.os_win_case import ENABLED, OsWinCase, OsWinError
from tests.unit.hyperv_model.case import FAST

IQN = "iqn.2026-01.org.example:one"
PORTAL = "192.0.2.10:3260"
UID = "60014050000000000000000000000001"


class VolumesCase(OsWinCase):
    def setUp(self):
        super().setUp()
        self.lun = Lun(1 << 30, UID)
        self.target = self.model.storage_network.add(Target(IQN, luns={3: self.lun}))
        self.diskutils, self.iscsi_initiator_utils = self.os_win.diskutils, self.os_win.iscsi_initiator_utils

    def log_in(self, **changes):
        arguments = {"target_lun": 3, "target_iqn": IQN, "target_portal": PORTAL} | changes
        self.iscsi_initiator_utils.login_storage_target(**arguments)


class InitiatorCase(VolumesCase):
    def test_what_the_initiator_is_called(self):
        self.assertEqual("iqn.1991-05.com.microsoft:hv1", self.iscsi_initiator_utils.get_iscsi_initiator())
        self.assertEqual([r"Root\ISCSIPRT\0000_0"], self.iscsi_initiator_utils.get_iscsi_initiators())

    def test_a_login_brings_the_disk_and_a_logout_takes_it(self):
        self.assertEqual([], self.iscsi_initiator_utils.get_targets())
        self.log_in()
        self.log_in()
        self.assertEqual(1, len(self.model.initiator.sessions))
        self.assertEqual([IQN], self.iscsi_initiator_utils.get_targets())
        self.assertEqual(
            [1, r"\\.\PHYSICALDRIVE1"], self.iscsi_initiator_utils.get_device_number_and_path(IQN, 3)
        )
        self.assertEqual(1, self.iscsi_initiator_utils.get_device_number_for_target(IQN, 3))
        self.assertEqual(
            ([3], 1),
            (
                self.iscsi_initiator_utils.get_target_luns(IQN),
                self.iscsi_initiator_utils.get_target_lun_count(IQN),
            ),
        )
        with self.assertRaisesRegex(OsWinError, "ISCSILunNotAvailable"):
            self.iscsi_initiator_utils.ensure_lun_available(IQN, 4)
        self.iscsi_initiator_utils.logout_storage_target(IQN)
        self.assertEqual(
            ([], []),
            (self.iscsi_initiator_utils.get_targets(), self.iscsi_initiator_utils.get_target_luns(IQN)),
        )
        self.assertEqual(({}, []), (self.model.initiator.sessions, self.model.initiator.persistent))

    def test_several_sessions_are_told_apart(self):
        names = [f"iqn.2026-01.org.example:{number}" for number in range(5)]
        for number, name in enumerate(names):
            self.model.storage_network.add(Target(name, luns={number: Lun(1 << 30, f"{number:032}")}))
            self.log_in(target_iqn=name, target_lun=number)
        self.assertEqual(
            [[number] for number in range(5)],
            [self.iscsi_initiator_utils.get_target_luns(name) for name in names],
        )

    def test_chap(self):
        self.target.chap = ("nova", "swordfish-1234")
        with self.assertRaisesRegex(OsWinError, "Authentication Failure"):
            self.log_in()
        with self.assertRaisesRegex(OsWinError, "Authentication Failure"):
            self.log_in(auth_username="nova", auth_password="swordfish-12345")
        self.log_in(auth_username="nova", auth_password="swordfish-1234")

    def test_a_portal_that_is_not_there(self):
        with self.assertRaisesRegex(OsWinError, "Connection Failed"):
            self.log_in(target_portal="192.0.2.99:3260")


class DiskCase(VolumesCase):
    def setUp(self):
        super().setUp()
        self.log_in()

    def test_what_a_disk_is_called(self):
        self.assertEqual([UID, 3], self.diskutils.get_disk_uid_and_uid_type(1))
        self.assertEqual([1], self.diskutils.get_disk_numbers_by_unique_id(UID, 3))
        name = self.diskutils.get_device_name_by_device_number(1)
        self.assertEqual("1", self.diskutils.get_device_number_from_device_name(name))
        self.assertFalse(self.diskutils.is_mpio_disk(1))
        self.assertEqual([], self.diskutils.get_attached_virtual_disk_files())
        with self.assertRaisesRegex(OsWinError, "DiskNotFound"):
            self.diskutils.get_disk_size(2)

    def test_a_disk_that_grows(self):
        self.lun.size = 2 << 30
        self.assertEqual(1 << 30, self.diskutils.get_disk_size(1))
        self.diskutils.refresh_disk(1)
        self.assertEqual(2 << 30, self.diskutils.get_disk_size(1))
        self.lun.size = 3 << 30
        self.diskutils.rescan_disks()
        self.assertEqual(3 << 30, self.diskutils.get_disk_size(1))

    def test_states_of_a_disk(self):
        (disk,) = self.model.store.of("root/microsoft/windows/storage", "MSFT_Disk", Number=1)
        self.diskutils.set_disk_online(1)
        self.diskutils.set_disk_readonly_status(1, True)
        self.assertEqual((False, True), (disk["IsOffline"], disk["IsReadOnly"]))
        self.diskutils.set_disk_offline(1)
        self.assertTrue(disk["IsOffline"])

    def test_the_policy_for_new_disks(self):
        self.assertEqual(2, self.diskutils.get_new_disk_policy())
        self.diskutils.set_new_disk_policy(1)
        self.assertEqual(1, self.diskutils.get_new_disk_policy())


class PhysicalDriveCase(VolumesCase):
    def test_a_drive_passes_a_disk_through(self):
        self.target.luns[4] = Lun(1 << 30, UID[:-1] + "2")
        self.log_in()
        machine = self.create()
        self.vmutils.create_scsi_controller("vm-1")
        controller = self.vmutils.get_vm_scsi_controller("vm-1")
        first, second = (self.vmutils.get_mounted_disk_by_drive_number(number) for number in (1, 2))
        self.assertIsNone(self.vmutils.get_mounted_disk_by_drive_number(7))
        self.vmutils.attach_volume_to_controller("vm-1", controller, 5, first, serial="volume-1")
        (drive,) = machine.of(storage.RASD, storage.PHYSICAL_DRIVE)
        self.assertEqual(("volume-1", "5"), (drive["ElementName"], drive["AddressOnParent"]))
        found = self.vmutils.get_vm_physical_disk_mapping("vm-1")["volume-1"]
        self.assertEqual(first, found["mounted_disk_path"])
        self.vmutils.set_disk_host_res(found["resource_path"], second)
        self.assertEqual([second], list(self.vmutils.get_controller_volume_paths(controller).values()))
        self.vmutils.set_vm_state("vm-1", ENABLED)
        with self.assertRaisesRegex(OsWinError, "HostResource cannot be changed"):
            self.vmutils.set_disk_host_res(found["resource_path"], first)
        self.vmutils.detach_vm_disk("vm-1", serial="volume-1")
        self.assertEqual([], machine.of(storage.RASD, storage.PHYSICAL_DRIVE))


class ShareCase(VolumesCase):
    def setUp(self):
        super().setUp()
        self.smbutils = self.os_win.smbutils
        (self.root / "share").mkdir()
        share = Share("198.51.100.20", "vols", self.root / "share", {"nova": "right"})
        self.path = self.model.storage_network.share(share).path

    def test_a_share_is_mapped_and_unmapped(self):
        self.assertFalse(self.smbutils.check_smb_mapping(self.path))
        self.smbutils.mount_smb_share(self.path, "nova", "right")
        self.assertTrue(self.smbutils.check_smb_mapping(self.path))
        self.smbutils.unmount_smb_share(self.path)
        self.assertFalse(self.smbutils.check_smb_mapping(self.path))
        with self.assertRaisesRegex(OsWinError, "SMBException.*another user name or password"):
            self.smbutils.mount_smb_share(self.path, "nova", "wrong")

    def test_whose_share_it_is(self):
        self.assertFalse(self.smbutils.is_local_share(self.path))
        self.assertTrue(self.smbutils.is_local_share(r"\\localhost\vols"))
        self.assertIsNone(self.smbutils.get_smb_share_path("vols"))


class FibreChannelCase(OsWinCase):
    facts = dataclasses.replace(FAST, fibre_channel=(("50000000000000A0", "50000000000000A1"),))

    def test_adapters_and_what_they_reach(self):
        luns = {2: Lun(1 << 30, UID)}
        far = FibreChannelTarget("20000000000000F0", "20000000000000F2", {9: Lun(1 << 30, UID)}, frozenset())
        self.model.storage_network.fabric += [
            FibreChannelTarget("20000000000000F0", "20000000000000F1", luns),
            far,
        ]
        fc_utils = self.os_win.fc_utils
        fc_utils.refresh_hba_configuration()
        ports = [{"node_name": "50000000000000A0", "port_name": "50000000000000A1"}]
        self.assertEqual((1, ports), (fc_utils.get_fc_hba_count(), fc_utils.get_fc_hba_ports()))
        self.assertEqual([], fc_utils.get_fc_target_mappings("50000000000000A0"))
        self.os_win.diskutils.rescan_disks()
        (mapping,) = fc_utils.get_fc_target_mappings("50000000000000A0")
        self.assertEqual(
            ("20000000000000F1", 2, 2), tuple(mapping[key] for key in ("port_name", "lun", "fcp_lun"))
        )
        self.assertIn("PHYSICALDRIVE1", mapping["device_name"])
        names = "50000000000000A0", "50000000000000A1", "20000000000000F1"
        (identifier,) = fc_utils.get_scsi_device_identifiers(*names, 2)
        self.assertEqual((UID, 3), (identifier["id"], identifier["type"]))
        with self.assertRaisesRegex(OsWinError, "FCWin32Exception"):
            fc_utils.get_scsi_device_identifiers(*names, 3)
        luns.clear()
        self.os_win.diskutils.rescan_disks()
        self.assertEqual([], fc_utils.get_fc_target_mappings("50000000000000A0"))


class NoFibreChannelCase(OsWinCase):
    def test_a_host_without_adapters(self):
        fc_utils = self.os_win.fc_utils
        self.assertEqual((0, []), (fc_utils.get_fc_hba_count(), fc_utils.get_fc_hba_ports()))
