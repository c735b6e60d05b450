# SPDX-License-Identifier: Apache-2.0
from unittest import mock

from nova import exception
from nova.objects import migrate_data

from hyperv_driver import oswin
from hyperv_driver.oswin import constants
from tests.unit.driver import base
from tests.unit.driver.base import flavor, instance, with_volumes

FAILED = oswin.exceptions.WMIJobFailed("no switch", job_state=constants.JOB_STATE_EXCEPTION)
KILLED = oswin.exceptions.WMIJobFailed("killed", job_state=constants.JOB_STATE_KILLED)


class LiveMigrationTest(base.DriverTestCase):
    def setUp(self):
        super().setUp()
        self.livemigrationutils = self.host.livemigrationutils
        self.data = migrate_data.HyperVLiveMigrateData(is_shared_instance_path=True)
        self.post, self.recover = mock.Mock(), mock.Mock()

    def migrate(self, made):
        self.driver.live_migration(self.context, made, "HV2", self.post, self.recover, None, self.data)

    def test_disks_stay_on_shared_storage(self):
        self.migrate(self.spawn())
        self.assertEqual([("instance-00000001", "HV2", False)], self.livemigrationutils.moves)
        self.assertEqual((1, 0), (self.post.call_count, self.recover.call_count))

    def test_who_stays_is_recovered(self):
        made = self.spawn()
        for self.livemigrationutils.failure, status in ((FAILED, "failed"), (KILLED, "cancelled")):
            self.migrate(made)
            self.recover.assert_called_once_with(
                self.context, made, "HV2", self.data, migration_status=status
            )
            self.recover.reset_mock()
        self.post.assert_not_called()

    def test_who_has_left_is_not_recovered(self):
        made = self.spawn()

        def lose(*arguments, **named):
            del self.host.vmutils.vms[made.name]
            raise oswin.exceptions.x_wmi("The RPC server is unavailable")

        with mock.patch.object(self.livemigrationutils, "live_migrate_vm", lose):
            self.migrate(made)
        self.assertEqual((1, 0), (self.post.call_count, self.recover.call_count))

    def test_roll_back_leaves_a_machine_that_came_alone(self):
        made = self.spawn()
        self.assertRaises(
            exception.InstanceExists,
            self.driver.rollback_live_migration_at_destination,
            self.context, made, [], None, True,
        )  # fmt: skip
        self.assertTrue((self.instances / made.name / "root.vhdx").exists())

    def test_files_of_volumes_would_move_too(self):
        made = self.spawn()
        volumes = with_volumes(base.smb_volume("11111111-aaaa-4000-8000-000000000001"))
        check = self.driver.check_can_live_migrate_source
        self.assertIs(self.data, check(self.context, made, self.data, volumes))
        self.data.is_shared_instance_path = False
        self.assertIs(self.data, check(self.context, made, self.data, None))
        error = self.assertRaises(
            exception.MigrationPreCheckError, check, self.context, made, self.data, volumes
        )
        self.assertIn("SMB", str(error))

    def test_checkpoints_stay(self):
        made = self.spawn()
        self.host.vmutils.take_vm_snapshot(made.name)
        self.assertRaises(
            exception.MigrationPreCheckError,
            self.driver.check_can_live_migrate_source, self.context, made, self.data,
        )  # fmt: skip

    def test_only_what_has_no_disks_of_its_own_moves_without_disks(self):
        check = self.driver.check_can_live_migrate_destination
        self.enterContext(mock.patch.object(self.driver._shareops, "is_shared", return_value=False))
        for volume_backed, swap, moves in ((True, 0, True), (True, 1, False), (False, 0, False)):
            made = instance(host="HV2", flavor=flavor(swap=swap))
            with mock.patch("nova.compute.utils.is_volume_backed_instance", return_value=volume_backed):
                if moves:
                    self.assertFalse(check(self.context, made, {}, {}, False).is_shared_instance_path)
                else:
                    refused = exception.InvalidSharedStorage
                    self.assertRaises(refused, check, self.context, made, {}, {}, False)

    def test_disks_that_are_shared_do_not_move(self):
        made = instance(host="HV2")
        with mock.patch.object(self.driver._shareops, "is_shared", return_value=True):
            check = self.driver.check_can_live_migrate_destination
            self.assertTrue(check(self.context, made, {}, {}, None).is_shared_instance_path)
            self.assertRaises(exception.InvalidLocalStorage, check, self.context, made, {}, {}, True)
