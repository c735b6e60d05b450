# SPDX-License-Identifier: Apache-2.0
"""Export and import: what a machine keeps on its way, what is refused, and that nothing is left of that."""

import dataclasses
import json
import threading

from lab.hyperv_model import Model, jobs, storage
from lab.hyperv_model.errors import CimError
from lab.hyperv_model.transfer import PLANNED
from tests.unit.hyperv_model.case import SERVICE, V2, ModelCase, xml

RASD = "Msvm_ResourceAllocationSettingData"
SECURITY = "Msvm_SecuritySettingData"


class ExportCase(ModelCase):
    def wanted(self, machine, folder=r"C:\export", **settings):
        settings = {
            "CopySnapshotConfiguration": 1,
            "CopyVmStorage": "false",
            "CreateVmExportSubdirectory": "false",
            **settings,
        }
        return {
            "ComputerSystem": machine.system.path,
            "ExportDirectory": folder,
            "ExportSettingData": xml("Msvm_VirtualSystemExportSettingData", **settings),
        }

    def export(self, machine, **settings):
        """Returns the path of the definition."""
        self.succeed(self.service, "ExportSystemDefinition", **self.wanted(machine, **settings))
        return rf"C:\export\Virtual Machines\{machine.guid}.vmcx"

    def import_(self, file, **arguments):
        outputs = self.succeed(
            self.service, "ImportSystemDefinition", SystemDefinitionFile=file, **arguments
        )
        (system,) = self.wmi.associators(outputs["Job"], "Msvm_AffectedJobElement")
        self.assertEqual(PLANNED, system.class_name)
        return self.model.machines[system["Name"]]

    def import_again(self, machine):
        file = self.export(machine)
        self.succeed(self.service, "DestroySystem", AffectedSystem=machine.system.path)
        return self.import_(file)

    def realize(self, machine):
        outputs = self.succeed(self.service, "RealizePlannedSystem", PlannedSystem=machine.system.path)
        (system,) = self.wmi.associators(outputs["Job"], "Msvm_AffectedJobElement")
        return system

    def files(self):
        return sorted(path.name for path in self.root.joinpath("C").rglob("*"))


class OnItsWayCase(ExportCase):
    def test_a_new_machine_is_what_its_job_is_about(self):
        outputs = self.succeed(
            self.service,
            "DefineSystem",
            SystemSettings=xml("Msvm_VirtualSystemSettingData", ElementName="vm"),
        )
        (system,) = self.wmi.associators(outputs["Job"], "Msvm_AffectedJobElement")
        self.assertEqual("vm", system["ElementName"])

    def test_boot_sources_and_tpm_stay(self):
        machine = self.define(generation=2)
        self.attach(machine, self.file(r"C:\d.vhdx"))
        (security,) = self.wmi.query(f"SELECT * FROM {SECURITY}")
        tpm = xml(SECURITY, InstanceID=security["InstanceID"], TpmEnabled="true")
        service = self.wmi.query("SELECT * FROM Msvm_SecurityService")[0].path
        self.succeed(service, "SetKeyProtector", KeyProtector=[1, 2, 3], SecuritySettingData=tpm)
        self.succeed(service, "ModifySecuritySettings", SecuritySettingData=tpm)
        planned = self.import_again(machine)
        self.assertEqual("Msvm_ComputerSystem", self.realize(planned).class_name)
        (source,) = planned.settings["BootSourceOrder"]
        drive = planned.of(RASD, storage.DISK_DRIVE)[0]
        self.assertEqual(
            [source], [found.path for found in self.wmi.associators(drive.path, "Msvm_LogicalIdentity")]
        )
        (security,) = self.wmi.query(f"SELECT * FROM {SECURITY}")
        self.assertTrue(security["TpmEnabled"])
        found = self.wmi.invoke(service, "GetKeyProtector", {"SecuritySettingData": tpm})
        self.assertEqual([1, 2, 3], found["KeyProtector"])

    def test_a_new_identifier_changes_no_path_of_a_file(self):
        machine = self.define()
        path = self.file(rf"C:\{machine.guid}\d.vhd")
        self.attach(machine, path)
        planned = self.import_(self.export(machine), GenerateNewSystemIdentifier="true")
        self.assertNotEqual(machine.guid, planned.guid)
        self.assertEqual([path], storage.disk_paths(planned))
        self.realize(planned)

    def test_a_new_identifier_goes_with_new_dynamic_addresses(self):
        machine = self.define()
        for values in ({}, {"StaticMacAddress": "true", "Address": "FA163E000001"}):
            port = "Msvm_SyntheticEthernetPortSettingData"
            self.add(machine, port, "Synthetic Ethernet Port", ElementName="port", **values)
        self.request(machine, 2)
        self.request(machine, 3)
        planned = self.import_(self.export(machine), GenerateNewSystemIdentifier="true")
        self.realize(planned)
        self.request(planned, 2)
        (dynamic, static), (new_dynamic, new_static) = (
            [adapter["Address"] for adapter in each.of("Msvm_SyntheticEthernetPortSettingData")]
            for each in (machine, planned)
        )
        self.assertEqual((static, new_static), ("FA163E000001", "FA163E000001"))
        self.assertRegex(new_dynamic, "^00155D")
        self.assertNotEqual(dynamic, new_dynamic)

    def test_a_machine_that_runs_leaves_its_memory(self):
        """Documented: CaptureCrashConsistentState; what was captured of it starts as from a power cut."""
        machine = self.define()
        self.attach(machine, self.file(r"C:\d.vhd"))
        self.request(machine, 2)
        file = self.export(machine, CaptureLiveState=0, CopyVmStorage="true")
        planned = self.import_(file, GenerateNewSystemIdentifier="true")
        self.realize(planned)
        self.assertEqual((2, 3), (machine.state, planned.state))
        self.assertEqual([r"C:\export\Virtual Hard Disks\d.vhd"], storage.disk_paths(planned))
        self.request(planned, 2)


class OtherHostCase(ExportCase):
    def setUp(self):
        super().setUp()
        self.vm = self.define()
        self.attach(self.vm, self.file(r"C:\d.vhd"))
        adapter = self.add(
            self.vm,
            "Msvm_SyntheticEthernetPortSettingData",
            "Synthetic Ethernet Port",
            ElementName="port",
        )
        switch = self.wmi.query("SELECT * FROM Msvm_VirtualEthernetSwitch")[0].path
        connection = "Msvm_EthernetPortAllocationSettingData"
        self.add(self.vm, connection, "Ethernet Connection", Parent=adapter, HostResource=[switch])
        self.file_of_vm = self.export(self.vm)

    def move_to(self, *switches):
        """Have another host in the place of this one, with switches of these names."""
        facts = dataclasses.replace(self.facts, switches=switches)
        self.model = Model("HV2", self.local, self.root / "other", facts, self.job_seconds)
        self.addCleanup(self.model.close)
        self.wmi = self.model.namespace(V2)
        self.service = self.wmi.query(f"SELECT * FROM {SERVICE}")[0].path
        return self.import_(self.file_of_vm)

    def test_its_parts_find_each_other_and_the_switch_of_that_name(self):
        planned = self.move_to("internal", "external")
        self.realize(planned)
        (wanted,) = self.wmi.query("SELECT * FROM Msvm_VirtualEthernetSwitch WHERE ElementName='external'")
        (connection,) = planned.of("Msvm_EthernetPortAllocationSettingData")
        self.assertEqual([wanted.path], connection["HostResource"])
        drive = planned.of(RASD, storage.DISK_DRIVE)[0]
        self.succeed(self.service, "RemoveResourceSettings", ResourceSettings=[drive.path])
        self.assertEqual([], storage.disk_paths(planned))

    def test_without_the_switch_it_stays_planned(self):
        planned = self.move_to("internal")
        for method in ("ValidatePlannedSystem", "RealizePlannedSystem"):
            self.fail_with("no virtual switch", self.service, method, PlannedSystem=planned.system.path)
        self.assertEqual(PLANNED, planned.system.class_name)


class DeletedCopyCase(ExportCase):
    def test_the_disks_that_another_machine_has_are_not_merged(self):
        machine = self.define()
        self.attach(machine, self.file(r"C:\d.vhdx"))
        snapshots = self.wmi.query("SELECT * FROM Msvm_VirtualSystemSnapshotService")[0].path
        self.succeed(snapshots, "CreateSnapshot", AffectedSystem=machine.system.path, SnapshotType=2)
        (layer,) = storage.disk_paths(machine)
        file = self.export(machine)
        planned = self.import_(file, GenerateNewSystemIdentifier="true")
        self.assertEqual(([layer], None), (storage.disk_paths(planned), planned.settings["Parent"]))
        self.succeed(self.service, "DestroySystem", AffectedSystem=planned.system.path)
        self.assertTrue(self.local(layer).exists())
        realized = self.import_(file, GenerateNewSystemIdentifier="true")
        self.realize(realized)
        self.succeed(self.service, "DestroySystem", AffectedSystem=realized.system.path)
        self.assertTrue(self.local(layer).exists())
        self.request(machine, 2)

    def test_a_machine_whose_differencing_disk_is_gone_can_be_deleted(self):
        machine = self.define()
        self.attach(machine, self.file(r"C:\d.vhdx"))
        snapshots = self.wmi.query("SELECT * FROM Msvm_VirtualSystemSnapshotService")[0].path
        self.succeed(snapshots, "CreateSnapshot", AffectedSystem=machine.system.path, SnapshotType=2)
        planned = self.import_(self.export(machine), GenerateNewSystemIdentifier="true")
        self.local(storage.disk_paths(planned)[0]).unlink()
        self.succeed(self.service, "DestroySystem", AffectedSystem=planned.system.path)


class PlannedCase(ExportCase):
    def setUp(self):
        super().setUp()
        machine = self.define()
        self.disk = self.file(r"C:\d.vhd")
        self.attach(machine, self.disk)
        self.planned = self.import_again(machine)

    def begin(self, method, seconds, **arguments):
        self.model.faults.append(jobs.Fault(f"{SERVICE}.{method}", seconds=seconds))
        return self.wmi.invoke(self.service, method, arguments)["Job"]

    def ends(self, *paths):
        """The states and reasons of jobs, once they are over."""
        self.wait_for(lambda: all(self.wmi.at(path)["JobState"] != 4 for path in paths))
        return [(self.wmi.at(path)["JobState"], self.wmi.at(path)["ErrorDescription"]) for path in paths]

    def test_realizing_validates(self):
        self.local(self.disk).unlink()
        system = self.planned.system.path
        self.fail_with("cannot find the file", self.service, "RealizePlannedSystem", PlannedSystem=system)
        self.assertEqual([system], [found.path for found in self.wmi.query(f"SELECT * FROM {PLANNED}")])

    def test_it_is_realized_once(self):
        path = self.planned.system.path
        realizing = [self.begin("RealizePlannedSystem", 0.05, PlannedSystem=path) for _ in range(2)]
        (first, _), (second, reason) = sorted(self.ends(*realizing), key=lambda end: end[0])
        self.assertEqual((7, 10), (first, second))
        self.assertIn("is a planned virtual machine no longer", reason)

    def test_what_is_deleted_first_is_not_realized(self):
        path = self.planned.system.path
        realizing = self.begin("RealizePlannedSystem", 0.2, PlannedSystem=path)
        deleting = self.begin("DestroySystem", 0.02, AffectedSystem=path)
        (_, reason), (deleted, _) = self.ends(realizing, deleting)
        self.assertEqual(7, deleted)
        self.assertIn("was deleted", reason)
        settings = self.model.store.of(V2, "CIM_SettingData")
        self.assertEqual([], [found for found in settings if self.planned.guid in found["InstanceID"]])

    def test_what_is_realized_first_is_not_deleted(self):
        path = self.planned.system.path
        deleting = self.begin("DestroySystem", 0.2, AffectedSystem=path)
        realizing = self.begin("RealizePlannedSystem", 0.02, PlannedSystem=path)
        (deleted, _), (realized, _) = self.ends(deleting, realizing)
        self.assertEqual((10, 7), (deleted, realized))
        self.assertIn(self.planned.guid, self.model.machines)

    def test_what_nobody_knows_of_it_is_refused(self):
        snapshots = self.wmi.query("SELECT * FROM Msvm_VirtualSystemSnapshotService")[0].path
        migration = self.wmi.query("SELECT * FROM Msvm_VirtualSystemMigrationService")[0].path
        path = self.planned.system.path
        settings = xml("Msvm_VirtualSystemMigrationSettingData", MigrationType=32768)
        move = {"ComputerSystem": path, "DestinationHost": "HV2", "MigrationSettingData": settings}
        for target, method, arguments in (
            (self.service, "ExportSystemDefinition", self.wanted(self.planned)),
            (snapshots, "CreateSnapshot", {"AffectedSystem": path, "SnapshotType": 2}),
            (migration, "MigrateVirtualSystemToHost", move),
        ):
            with self.subTest(method), self.assertRaisesRegex(CimError, "planned machine is not simulated"):
                self.wmi.invoke(target, method, arguments)


class DamagedCase(ExportCase):
    def setUp(self):
        super().setUp()
        machine = self.define()
        self.definition = self.export(machine)
        self.succeed(self.service, "DestroySystem", AffectedSystem=machine.system.path)
        self.told = json.loads(self.local(self.definition).read_text())

    def write(self, **changes):
        self.local(self.definition).write_text(json.dumps({**self.told, **changes}))

    def test_a_definition_without_a_machine_is_none(self):
        self.write(machine=None)
        with self.assertRaisesRegex(CimError, "is not a virtual machine exported by"):
            self.import_(self.definition)

    def test_what_cannot_be_built_leaves_nothing(self):
        machine = self.told["machine"]
        self.write(machine={**machine, "instances": [*machine["instances"], ["Msvm_Nothing", {}]]})
        before = len(self.model.store.all(V2))
        arguments = {"SystemDefinitionFile": self.definition}
        job = self.fail_with("no class Msvm_Nothing", self.service, "ImportSystemDefinition", **arguments)
        self.model.store.remove(self.model.store.at(job.path))
        self.assertEqual(before, len(self.model.store.all(V2)))


class RefusedExportCase(ExportCase):
    def test_the_folder_is_a_full_path(self):
        machine = self.define()
        for folder in ("", "relative", "C:relative", r"\export"):
            outputs, _ = self.call(self.service, "ExportSystemDefinition", **self.wanted(machine, folder))
            self.assertEqual(32773, outputs["ReturnValue"], folder)

    def test_a_folder_that_cannot_be_is_a_job_that_says_why(self):
        machine = self.define()
        self.local(r"C:\file").parent.mkdir()
        self.local(r"C:\file").write_text("")
        for folder, reason in (
            ("Z:\\export", "no drive for Z:"),
            (r"\\nowhere\share", "the network path was not found"),
            (r"C:\file", r"cannot find the path specified. \('0x80070003'\)"),
        ):
            wanted = self.wanted(machine, folder)
            job = self.fail_with(reason, self.service, "ExportSystemDefinition", **wanted)
            self.assertNotIn(str(self.root), job["ErrorDescription"])
        self.assertEqual(["file"], self.files())

    def test_a_name_that_names_no_folder_leads_to_no_other(self):
        for name in ("..", r"..\other", "a:b", " "):
            wanted = self.wanted(self.define(name), r"C:\a\b", CreateVmExportSubdirectory="true")
            self.fail_with("0x8007007B", self.service, "ExportSystemDefinition", **wanted)
        self.assertEqual([], self.files())

    def test_disks_are_not_left_out_unasked(self):
        wanted = self.wanted(self.define(), ExcludedVirtualHardDisks=["Microsoft:x"])
        with self.assertRaisesRegex(CimError, "without some of the disks is not simulated"):
            self.wmi.invoke(self.service, "ExportSystemDefinition", wanted)


class KilledExportCase(ExportCase):
    def test_it_leaves_nothing_and_the_host_goes_on_meanwhile(self):
        machine = self.define()
        self.attach(machine, self.file(r"C:\vm\a.vhdx"))
        self.attach(machine, self.file(r"C:\vm\b.vhdx"), slot=1)
        copying, go_on = threading.Event(), threading.Event()
        self.addCleanup(go_on.set)

        def check_space():
            if self.local(r"C:\export\Virtual Hard Disks\b.vhdx").exists():
                copying.set()
                go_on.wait(20)

        before = self.files()
        self.model.check_space = check_space
        wanted = self.wanted(machine, CopyVmStorage="true")
        job = self.wmi.invoke(self.service, "ExportSystemDefinition", wanted)["Job"]
        self.assertTrue(copying.wait(20))
        self.assertEqual([2, 32773], self.status(machine))
        self.assertIn("b.vhdx", [path.name for path in self.root.joinpath("C", "export").rglob("*")])
        self.succeed(job, "RequestStateChange", RequestedState=4)
        self.assertEqual(8, self.wmi.at(job)["JobState"])
        go_on.set()
        self.wait_for(lambda: self.files() == before)
        self.wait_for(lambda: self.status(machine) == [2])

    def status(self, machine):
        return self.wmi.at(machine.system.path)["OperationalStatus"]
