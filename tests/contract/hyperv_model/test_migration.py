# SPDX-License-Identifier: Apache-2.0
"""Export, import and planned machines; what the host says of live migration."""

from lab.hyperv_model import vhd
from lab.hyperv_model.jobs import V2
from tests.contract.hyperv_model.os_win_case import ENABLED, OsWinCase, OsWinError
from tests.unit.hyperv_model.case import xml


class ExportCase(OsWinCase):
    def setUp(self):
        super().setUp()
        self.migrationutils = self.os_win.migrationutils
        self.guid = self.create().guid
        self.vmutils.attach_ide_drive(
            "vm-1", self.file(r"C:\vm\child.vhd", parent=self.file(r"C:\base\base.vhd")), 0, 0
        )
        self.vmutils.create_nic("vm-1", "port-1", "fa:16:3e:00:00:01")
        self.os_win.networkutils.connect_vnic_to_vswitch("external", "port-1")
        self.os_win.networkutils.set_vswitch_port_vlan_id(100, "port-1")

    def export(self, **keywords):
        self.migrationutils.export_vm("vm-1", r"C:\export", 1, **keywords)
        return rf"C:\export\Virtual Machines\{self.guid}.vmcx"

    def import_again(self, file):
        self.vmutils.destroy_vm("vm-1")
        self.migrationutils.import_vm_definition(file, r"C:\export\Snapshots")

    def test_a_machine_goes_and_comes_back_as_it_was(self):
        before = self.vmutils.get_vm_memory_info("vm-1"), self.vmutils.get_vm_storage_paths("vm-1")
        self.import_again(self.export())
        self.assertTrue(self.migrationutils.planned_vm_exists("vm-1"))
        self.assertEqual([], self.vmutils.list_instances())
        self.assertFalse(self.vmutils.vm_exists("vm-1"))
        self.migrationutils.realize_vm("vm-1")
        self.assertFalse(self.migrationutils.planned_vm_exists("vm-1"))
        self.assertEqual(self.guid, self.vmutils.get_vm_id("vm-1"))
        after = self.vmutils.get_vm_memory_info("vm-1"), self.vmutils.get_vm_storage_paths("vm-1")
        self.assertEqual(before, after)
        (vlan,) = [
            feature
            for feature in self.model.store.of(V2, "Msvm_EthernetSwitchPortVlanSettingData")
            if self.guid in feature["InstanceID"]
        ]
        self.assertEqual(100, vlan["AccessVlanId"])
        self.vmutils.set_vm_state("vm-1", ENABLED)
        self.vmutils.set_vm_state("vm-1", 3)
        self.vmutils.destroy_vm("vm-1")

    def test_its_disks_go_with_it_and_find_each_other(self):
        file = self.export(copy_vm_storage=True)
        for path in (r"C:\vm\child.vhd", r"C:\base\base.vhd"):
            self.local(path).unlink()
        self.import_again(file)
        self.migrationutils.realize_vm("vm-1")
        copy = r"C:\export\Virtual Hard Disks\child.vhd"
        self.assertEqual([[copy], []], self.vmutils.get_vm_storage_paths("vm-1"))
        with vhd.open_chain(copy, self.local) as disk:
            self.assertEqual(
                self.local(r"C:\export\Virtual Hard Disks\base.vhd"), type(self.c_drive)(disk.parent.path)
            )
        self.vmutils.set_vm_state("vm-1", ENABLED)

    def test_an_export_beside_others_is_in_a_folder_of_its_own(self):
        self.migrationutils.export_vm("vm-1", r"C:\export", 1, create_export_subdir=True)
        self.assertTrue(self.local(rf"C:\export\vm-1\Virtual Machines\{self.guid}.vmcx").is_file())

    def test_the_memory_of_a_machine_that_runs_is_not_exported(self):
        self.vmutils.set_vm_state("vm-1", ENABLED)
        with self.assertRaisesRegex(OsWinError, "exporting a saved state is not simulated"):
            self.export()

    def test_the_identifier_is_one_machines_only(self):
        file = self.export()
        with self.assertRaisesRegex(OsWinError, "same identifier already exists"):
            self.migrationutils.import_vm_definition(file, r"C:\export\Snapshots")
        self.migrationutils.import_vm_definition(file, r"C:\export\Snapshots", new_uuid=True)
        self.assertEqual([self.guid], [machine.guid for machine in self.model.machines.values()][:1])
        self.assertEqual(2, len(self.model.machines))

    def test_a_planned_machine_without_its_disk_is_not_realized(self):
        file = self.export()
        self.local(r"C:\vm\child.vhd").unlink()
        self.import_again(file)
        with self.assertRaisesRegex(OsWinError, "WMIJobFailed.*cannot find the file"):
            self.migrationutils.realize_vm("vm-1")
        self.migrationutils.destroy_existing_planned_vm("vm-1")
        self.assertFalse(self.migrationutils.planned_vm_exists("vm-1"))
        with self.assertRaisesRegex(OsWinError, "Cannot find planned VM"):
            self.migrationutils.realize_vm("vm-1")

    def test_what_was_not_exported_here_is_refused(self):
        with self.assertRaisesRegex(OsWinError, "WMIJobFailed.*32773"):
            self.migrationutils.import_vm_definition(r"C:\none.vmcx", r"C:\none")
        self.local(r"C:\other.vmcx").write_bytes(b"\1\2 Microsoft's own")
        with self.assertRaisesRegex(OsWinError, "what Hyper-V itself writes is not simulated"):
            self.migrationutils.import_vm_definition(r"C:\other.vmcx", r"C:\none")


class LiveMigrationCase(OsWinCase):
    def setUp(self):
        super().setUp()
        self.livemigrationutils = self.os_win.livemigrationutils
        self.migration = self.model.store.of(V2, "Msvm_VirtualSystemMigrationService")[0].path

    def enable(self):
        settings = xml("Msvm_VirtualSystemMigrationServiceSettingData", EnableVirtualSystemMigration="true")
        self.succeed(self.migration, "ModifyServiceSettings", ServiceSettingData=settings)

    def listen(self, subnet, length=24):
        settings = xml(
            "Msvm_VirtualSystemMigrationNetworkSettingData", SubnetNumber=subnet, PrefixLength=length
        )
        return {"NetworkSettings": [settings]}

    def test_it_is_off_until_it_is_enabled_and_has_a_network(self):
        with self.assertRaisesRegex(OsWinError, "Live migration is not enabled"):
            self.livemigrationutils.check_live_migration_config()
        self.enable()
        self.succeed(self.migration, "AddNetworkSettings", **self.listen("198.51.100.0"))
        with self.assertRaisesRegex(OsWinError, "Live migration networks are not configured"):
            self.livemigrationutils.check_live_migration_config()
        self.succeed(self.migration, "AddNetworkSettings", **self.listen("192.0.2.0"))
        self.livemigrationutils.check_live_migration_config()
        self.fail_with("no network", self.migration, "AddNetworkSettings", **self.listen("192.0.2.1"))
        self.fail_with("there already", self.migration, "AddNetworkSettings", **self.listen("192.0.2.0"))

    def test_another_host_that_is_not_there_is_unreachable(self):
        self.create()
        self.enable()
        self.succeed(self.migration, "AddNetworkSettings", **self.listen("192.0.2.0"))
        with self.assertRaisesRegex(OsWinError, 'migration host "elsewhere" is unreachable'):
            self.livemigrationutils.live_migrate_vm("vm-1", "elsewhere")
        with self.assertRaisesRegex(OsWinError, 'migration host "elsewhere" is unreachable'):
            self.livemigrationutils.create_planned_vm("vm-1", "elsewhere", {})
