# SPDX-License-Identifier: Apache-2.0
"""The iSCSI initiator, the disks that it brings, and machines that have them."""

import dataclasses
import time

from lab.hyperv_model import checkpoints, iscsi, storage
from lab.hyperv_model.errors import CimError
from lab.hyperv_model.jobs import Fault
from lab.hyperv_model.storage_network import Lun, Target
from tests.unit.hyperv_model.case import FAST, ModelCase, xml

NAME = "iqn.2026-01.org.example:one"
FIRST, SECOND = ("192.0.2.10", 3260), ("192.0.2.11", 3260)
STORAGE = "root/microsoft/windows/storage"


class IscsiCase(ModelCase):
    def setUp(self):
        super().setUp()
        self.network = self.model.storage_network
        self.lun = Lun(1 << 30, "60014050000000000000000000000001")
        self.target = self.network.add(Target(NAME, (FIRST, SECOND), {0: self.lun}))
        self.model.call("iscsidsc.AddIScsiStaticTargetW", {"target": NAME})

    def log_in(self, portal=FIRST, flags=0, user=None, secret=None, persistent=False, target=NAME):
        arguments = {"target": target, "portal": portal and list(portal), "flags": flags}
        arguments |= {"user": user, "secret": secret, "persistent": persistent}
        return self.model.call("iscsidsc.LoginIScsiTargetW", arguments)

    def refused(self, code, function, *arguments, **named):
        error = self.assertRaises(CimError, function, *arguments, **named)
        self.assertEqual(hex(code), hex(error.code))
        return error

    def assertRaises(self, kind, function, *arguments, **named):
        with super().assertRaises(kind) as caught:
            function(*arguments, **named)
        return caught.exception

    def log_out(self, session):
        self.model.call("iscsidsc.LogoutIScsiTarget", {"session": session})

    def rescan(self):
        self.model.namespace(STORAGE).invoke("MSFT_StorageSetting", "UpdateHostStorageCache", {})

    def disks(self):
        found = self.model.namespace(STORAGE).query("SELECT * FROM MSFT_Disk WHERE BusType = 9")
        return [disk["Number"] for disk in found]

    def drive_path(self, number=1):
        return self.wmi.query(f"SELECT * FROM Msvm_DiskDrive WHERE DriveNumber = {number}")[0].path

    def wait_for(self, condition):
        deadline = time.monotonic() + 5
        while not condition():
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.005)


class InitiatorTest(IscsiCase):
    def test_a_session_brings_its_disks_and_takes_them_along(self):
        session = self.log_in()
        self.assertEqual([1], self.disks())
        self.assertTrue(
            self.model.namespace(STORAGE).query("SELECT * FROM MSFT_Disk WHERE Number = 1")[0]["IsOffline"]
        )
        self.refused(iscsi.TARGET_ALREADY_LOGGED_IN, self.log_in)
        self.log_out(session)
        self.assertEqual([], self.disks())
        self.refused(iscsi.INVALID_SESSION_ID, self.log_out, session)

    def test_logins_that_are_refused(self):
        self.refused(iscsi.TARGET_NOT_FOUND, self.log_in, target="iqn.2026-01.org.example:other")
        self.refused(iscsi.CONNECTION_FAILED, self.log_in, ("192.0.2.99", 3260))
        self.target.initiators = frozenset({"iqn.1991-05.com.microsoft:hv2"})
        self.refused(iscsi.AUTHORIZATION_FAILURE, self.log_in)
        self.target.initiators |= {"iqn.1991-05.com.microsoft:hv1"}
        self.target.chap = ("nova", "swordfish-1234")
        self.refused(iscsi.AUTHENTICATION_FAILURE, self.log_in)
        error = self.refused(iscsi.AUTHENTICATION_FAILURE, self.log_in, user="nova", secret="swordfish-123")
        self.assertNotIn("swordfish", str(error))
        self.refused(iscsi.INVALID_INITIATOR_CHAP_SECRET, self.log_in, user="nova", secret="short")
        self.log_in(user="nova", secret="swordfish-1234")

    def test_fault_rules(self):
        self.model.faults.append(
            Fault("iscsidsc.LoginIScsiTargetW", "no", iscsi.CONNECTION_FAILED, seconds=0.05)
        )
        began = time.monotonic()
        self.refused(iscsi.CONNECTION_FAILED, self.log_in)
        self.assertGreaterEqual(time.monotonic() - began, 0.05)
        self.log_in()

    def test_a_portal_that_is_cut_off(self):
        session = self.log_in()
        self.network.cut(FIRST)
        self.assertEqual([], self.disks())
        (told,) = self.model.call("iscsidsc.GetIScsiSessionListW", {})
        self.assertEqual((session, None), (told["session"], told["portal"]))
        self.network.mend(FIRST)
        self.assertEqual([1], self.disks())

    def test_luns_come_and_go_with_a_rescan(self):
        self.log_in()
        self.target.luns[1] = Lun(1 << 30, "60014050000000000000000000000002", late=0.05)
        self.assertEqual([1], self.disks())
        self.rescan()
        self.assertEqual([1], self.disks())
        self.wait_for(lambda: self.disks() == [1, 2])
        del self.target.luns[0]
        self.rescan()
        self.assertEqual([2], self.disks())

    def test_a_lun_that_grows_is_seen_after_a_refresh(self):
        self.log_in()
        self.lun.size = 2 << 30
        storage_namespace = self.model.namespace(STORAGE)
        disk = storage_namespace.query("SELECT * FROM MSFT_Disk WHERE Number = 1")[0]
        self.assertEqual(1 << 30, disk["Size"])
        storage_namespace.invoke(disk.path, "Refresh", {})
        self.assertEqual(2 << 30, storage_namespace.at(disk.path)["Size"])

    def test_two_paths_are_two_disks_without_mpio(self):
        self.log_in(flags=iscsi.MULTIPATH_ENABLED)
        self.log_in(SECOND, flags=iscsi.MULTIPATH_ENABLED)
        self.assertEqual([1, 2], self.disks())

    def test_persistent_logins_are_made_at_boot(self):
        self.assertEqual(0, self.log_in(persistent=True))
        self.assertEqual([], self.disks())
        self.model.initiator.log_in_again()
        self.assertEqual([1], self.disks())
        remove = {"target": NAME, "portal": list(FIRST)}
        self.model.call("iscsidsc.RemoveIScsiPersistentTargetW", remove)
        self.refused(
            iscsi.PERSISTENT_LOGIN_NOT_REMOVED,
            self.model.call,
            "iscsidsc.RemoveIScsiPersistentTargetW",
            remove,
        )


class MultipathTest(IscsiCase):
    facts = dataclasses.replace(FAST, mpio=True)

    def test_two_paths_are_one_disk(self):
        sessions = [self.log_in(portal, iscsi.MULTIPATH_ENABLED) for portal in (FIRST, SECOND)]
        self.assertEqual([1], self.disks())
        disk = self.model.namespace(STORAGE).query("SELECT * FROM MSFT_Disk WHERE Number = 1")[0]
        self.assertTrue(disk["Path"].startswith(r"\\?\mpio#"))
        self.log_out(sessions[0])
        self.assertEqual([1], self.disks())
        self.log_out(sessions[1])
        self.assertEqual([], self.disks())


class PassThroughTest(IscsiCase):
    def setUp(self):
        super().setUp()
        self.session = self.log_in()
        self.vm = self.define()
        self.controller = self.add(self.vm, storage.RASD, "Synthetic SCSI Controller")

    def settings(self, slot=0, path=None, controller=None):
        return {
            "ResourceSubType": storage.PHYSICAL_DRIVE,
            "Parent": controller or self.controller,
            "AddressOnParent": slot,
            "HostResource": [path or self.drive_path()],
        }

    def attach(self, vm=None, **changes):
        settings = self.settings(**changes)
        settings["ResourceSubType"] = settings["ResourceSubType"].rpartition(":")[2]
        return self.add(vm or self.vm, storage.RASD, settings.pop("ResourceSubType"), **settings)

    def refuse(self, text, **changes):
        self.fail_with(
            text,
            self.service,
            "AddResourceSettings",
            AffectedConfiguration=self.vm.settings.path,
            ResourceSettings=[xml(storage.RASD, **self.settings(**changes))],
        )

    def test_what_cannot_be_attached(self):
        self.refuse("not found", path=self.drive_path().replace("\\\\1", "\\\\9"))
        self.refuse("is online, needs Offline", path=self.drive_path(0))
        self.refuse("expected 0 to 63", slot=64)
        self.attach()
        self.refuse("slot 0 of the controller is occupied")

    def test_a_running_machine_keeps_its_disk(self):
        self.request(self.vm, 2)
        drive = self.attach()
        self.refused(iscsi.DEVICE_BUSY_ON_SESSION, self.log_out, self.session)
        other = self.define("other")
        self.attach_to_other(other)
        self.fail_with("is used by 'vm'", other.system.path, "RequestStateChange", RequestedState=2)
        self.succeed(self.service, "RemoveResourceSettings", ResourceSettings=[drive])
        self.request(other, 2)

    def attach_to_other(self, other):
        self.request(self.vm, 3)
        controller = self.add(other, storage.RASD, "Synthetic SCSI Controller")
        self.attach(other, controller=controller)
        self.request(self.vm, 2)

    def test_a_machine_whose_disk_is_gone_does_not_start(self):
        self.attach()
        self.log_out(self.session)
        self.fail_with("not found", self.vm.system.path, "RequestStateChange", RequestedState=2)

    def test_no_checkpoints(self):
        self.attach()
        service = self.wmi.query(f"SELECT * FROM {checkpoints.SERVICE}")[0].path
        self.fail_with(
            "there are no checkpoints", service, "CreateSnapshot",
            AffectedSystem=self.vm.system.path, SnapshotType=2,
        )  # fmt: skip
