# SPDX-License-Identifier: Apache-2.0
"""What a machine is made of: what can be added, changed and removed, and what is refused."""

from lab.hyperv_model import resources, states
from lab.hyperv_model.errors import CimError
from tests.unit.hyperv_model.case import ModelCase, xml

RASD = "Msvm_ResourceAllocationSettingData"
SASD = "Msvm_StorageAllocationSettingData"
IDE, SCSI = "Microsoft:Hyper-V:Emulated IDE Controller", "Microsoft:Hyper-V:Synthetic SCSI Controller"


class SystemCase(ModelCase):
    def test_generations_come_with_different_controllers(self):
        self.assertEqual(2, len(self.define("one").of(RASD, IDE)))
        self.assertEqual(0, len(self.define("two", generation=2).of(RASD)))
        self.assertEqual(2, len(self.machine("two").of("Msvm_SerialPortSettingData")))

    def test_secure_boot_needs_generation_2(self):
        settings = xml("Msvm_VirtualSystemSettingData", ElementName="vm", SecureBootEnabled=True)
        outputs, _ = self.call(self.service, "DefineSystem", SystemSettings=settings)
        self.assertEqual(32773, outputs["ReturnValue"])

    def test_a_template_of_secure_boot_is_one_of_the_host_and_for_generation_2(self):
        windows, unknown = "1734C6E8-3154-4DDA-BA5F-A874CC483422", "11111111-3154-4dda-ba5f-a874cc483422"
        for generation, template in ((2, unknown), (2, "MicrosoftWindows"), (1, windows)):
            machine = self.define(f"{generation}-{template}", generation=generation)
            for method, settings in (
                ("ModifySystemSettings", {"InstanceID": machine.settings["InstanceID"]}),
                ("DefineSystem", {"VirtualSystemSubType": machine.settings["VirtualSystemSubType"]}),
            ):
                wanted = xml("Msvm_VirtualSystemSettingData", SecureBootTemplateId=template, **settings)
                outputs, job = self.call(self.service, method, SystemSettings=wanted)
                self.assertEqual(32773, job["ErrorCode"] if job else outputs["ReturnValue"], template)
        self.define("vm", generation=2, SecureBootTemplateId=windows)

    def test_settings_have_documented_values(self):
        machine = self.define()
        before = dict(machine.settings.values)
        for wrong in (
            {"AutomaticStartupAction": 99},
            {"AutomaticShutdownAction": 0},
            {"AutomaticRecoveryAction": 5},
            {"AutomaticCriticalErrorAction": 2},
            {"ConsoleMode": 4},
            {"UserSnapshotType": 1},
            {"BootOrder": [0, 1, 2]},
            {"BootOrder": [0, 1, 2, 2]},
            {"BootOrder": [0, 1, 2, 9]},
        ):
            with self.subTest(wrong):
                wanted = xml("Msvm_VirtualSystemSettingData", InstanceID=before["InstanceID"], **wrong)
                self.fail_with("expected", self.service, "ModifySystemSettings", SystemSettings=wanted)
                wanted = xml("Msvm_VirtualSystemSettingData", **wrong)
                outputs, _ = self.call(self.service, "DefineSystem", SystemSettings=wanted)
                self.assertEqual(32773, outputs["ReturnValue"])
        wanted = xml("Msvm_VirtualSystemSettingData", InstanceID=before["InstanceID"], Version="5.0")
        self.fail_with("Version cannot", self.service, "ModifySystemSettings", SystemSettings=wanted)
        self.assertEqual(before, machine.settings.values)

    def test_a_running_machine_is_not_destroyed(self):
        machine = self.define()
        self.request(machine, states.ENABLE)
        outputs, _ = self.call(self.service, "DestroySystem", AffectedSystem=machine.system.path)
        self.assertEqual(32775, outputs["ReturnValue"])

    def test_destroying_takes_everything_but_the_files(self):
        machine = self.define(generation=2)
        path = self.file(r"C:\root.vhdx")
        self.attach(machine, path)
        before = len(self.model.store.of("root/virtualization/v2", "CIM_SettingData"))
        self.succeed(self.service, "DestroySystem", AffectedSystem=machine.system.path)
        left = self.wmi.query(
            f"SELECT * FROM CIM_SettingData WHERE InstanceID LIKE 'Microsoft:{machine.guid}%'"
        )
        self.assertEqual([], left)
        self.assertLess(len(self.model.store.of("root/virtualization/v2", "CIM_SettingData")), before)
        self.assertEqual([], self.wmi.query("SELECT * FROM Msvm_SettingsDefineState"))
        self.assertTrue(self.local(path).exists())

    def test_a_name_has_at_most_100_characters(self):
        """Documented: Msvm_VirtualSystemCapabilities."""
        machine = self.define("x" * 100)
        settings = xml("Msvm_VirtualSystemSettingData", ElementName="x" * 101)
        outputs, _ = self.call(self.service, "DefineSystem", SystemSettings=settings)
        self.assertEqual(32773, outputs["ReturnValue"])
        settings = xml(
            "Msvm_VirtualSystemSettingData", InstanceID=machine.settings["InstanceID"], ElementName="x" * 101
        )
        self.fail_with("has 101 characters", self.service, "ModifySystemSettings", SystemSettings=settings)

    def test_some_settings_wait_for_the_machine_to_be_off(self):
        machine = self.define()
        self.request(machine, states.ENABLE)
        identity = machine.settings["InstanceID"]

        def change(**values):
            return {"SystemSettings": xml("Msvm_VirtualSystemSettingData", InstanceID=identity, **values)}

        self.succeed(self.service, "ModifySystemSettings", **change(ElementName="renamed"))
        self.assertEqual("renamed", machine.system["ElementName"])
        self.fail_with("needs Off", self.service, "ModifySystemSettings", **change(BootOrder=[2, 1, 3, 0]))
        self.fail_with(
            "cannot be changed", self.service, "ModifySystemSettings", **change(ConfigurationID="x")
        )

    def test_the_boot_order_names_each_source_once(self):
        machine = self.define(generation=2)
        self.attach(machine, self.file(r"C:\a.vhdx"), slot=0)
        self.attach(machine, self.file(r"C:\b.vhdx"), slot=1)
        order = machine.settings["BootSourceOrder"]
        identity = machine.settings["InstanceID"]

        def change(wanted):
            settings = xml("Msvm_VirtualSystemSettingData", InstanceID=identity, BootSourceOrder=wanted)
            return {"SystemSettings": settings}

        self.fail_with("2 boot sources", self.service, "ModifySystemSettings", **change(order[:1]))
        self.succeed(self.service, "ModifySystemSettings", **change([path.upper() for path in order[::-1]]))
        self.assertEqual(order[::-1], machine.settings["BootSourceOrder"])


class StorageCase(ModelCase):
    def refuse(self, reason, machine, class_name, sub_type, **values):
        settings = xml(class_name, ResourceSubType=f"Microsoft:Hyper-V:{sub_type}", **values)
        self.fail_with(
            reason,
            self.service,
            "AddResourceSettings",
            AffectedConfiguration=machine.settings.path,
            ResourceSettings=[settings],
        )

    def test_devices_have_hyper_vs_identifiers(self):
        machine = self.define()
        drive, disk = self.attach(machine, self.file(r"C:\root.vhd"), slot=1)
        base = f"Microsoft:{machine.guid}\\83F8638B-8DCA-4152-9EDA-2CA8B33039B4\\0\\1\\"
        self.assertEqual(base + "D", self.wmi.at(drive)["InstanceID"])
        self.assertEqual(base + "L", self.wmi.at(disk)["InstanceID"])

    def test_a_slot_holds_one_drive(self):
        machine = self.define()
        self.attach(machine, self.file(r"C:\root.vhd"))
        controller = machine.of(RASD, IDE)[0].path
        drive = {"Parent": controller}
        self.refuse(
            "slot 0 of the controller is occupied",
            machine,
            RASD,
            "Synthetic Disk Drive",
            AddressOnParent=0,
            **drive,
        )
        self.refuse("occupied", machine, RASD, "Synthetic Disk Drive", AddressOnParent="00", **drive)
        self.refuse("expected 0 to 1", machine, RASD, "Synthetic Disk Drive", AddressOnParent=2, **drive)

    def test_the_parent_must_be_of_this_machine_and_kind(self):
        machine, other = self.define("one"), self.define("other")
        path = self.file(r"C:\root.vhd")
        self.refuse(
            "expected a Emulated IDE Controller or Synthetic SCSI Controller of this machine",
            machine,
            RASD,
            "Synthetic Disk Drive",
            Parent=other.of(RASD, IDE)[0].path,
            AddressOnParent=0,
        )
        self.refuse(
            "expected a Synthetic Disk Drive",
            machine,
            SASD,
            "Virtual Hard Disk",
            Parent=machine.of(RASD, IDE)[0].path,
            HostResource=[path],
        )

    def test_files_are_checked(self):
        one, two = self.define("one"), self.define("two", generation=2)
        drive = self.add(
            one, RASD, "Synthetic Disk Drive", Parent=one.of(RASD, IDE)[0].path, AddressOnParent=0
        )
        for machine, path, reason in (
            (one, r"C:\missing.vhd", "cannot find the file"),
            (one, r"D:\root.vhd", "no drive"),
            (one, r"C:\root.img", "has the extension .img"),
        ):
            with self.subTest(path=path):
                self.refuse(reason, machine, SASD, "Virtual Hard Disk", Parent=drive, HostResource=[path])
        controller = self.add(two, RASD, "Synthetic SCSI Controller")
        drive = self.add(two, RASD, "Synthetic Disk Drive", Parent=controller, AddressOnParent=0)
        self.refuse(
            "does not support the VHD format",
            two,
            SASD,
            "Virtual Hard Disk",
            Parent=drive,
            HostResource=[self.file(r"C:\root.vhd")],
        )

    def test_ide_is_not_hot_but_scsi_is(self):
        machine = self.define()
        scsi = self.add(machine, RASD, "Synthetic SCSI Controller")
        self.request(machine, states.ENABLE)
        self.refuse(
            "needs Off",
            machine,
            RASD,
            "Synthetic Disk Drive",
            Parent=machine.of(RASD, IDE)[0].path,
            AddressOnParent=0,
        )
        self.add(machine, RASD, "Synthetic Disk Drive", Parent=scsi, AddressOnParent=0)
        self.refuse("needs Off", machine, RASD, "Synthetic SCSI Controller")

    def test_a_disk_is_in_one_drive(self):
        machine = self.define(generation=2)
        path = self.file(r"C:\root.vhdx")
        self.attach(machine, path)
        controller = machine.of(RASD, SCSI)[0].path
        drive = self.add(machine, RASD, "Synthetic Disk Drive", Parent=controller, AddressOnParent=1)
        self.refuse("0x80070020", machine, SASD, "Virtual Hard Disk", Parent=drive, HostResource=[path])

    def test_a_running_machine_gets_only_disks_that_it_could_start_with(self):
        machine, other = self.define("one", generation=2), self.define("other", generation=2)
        taken, orphan, broken = self.file(r"C:\taken.vhdx"), r"C:\orphan.vhdx", r"C:\broken.vhdx"
        self.attach(other, taken)
        self.file(orphan, parent=self.file(r"C:\base.vhdx"))
        self.local(r"C:\base.vhdx").unlink()
        self.local(broken).write_bytes(b"text" * 500)
        self.attach(machine, self.file(r"C:\root.vhdx"))
        for each in (machine, other):
            self.request(each, states.ENABLE)
        controller = machine.of(RASD, SCSI)[0].path
        drive = self.add(machine, RASD, "Synthetic Disk Drive", Parent=controller, AddressOnParent=1)
        for path, reason in (
            (taken, "used by 'other'.*0x80070020"),
            (orphan, "0xC03A000D"),
            (broken, "0xC03A0004"),
        ):
            settings = {"Parent": drive, "HostResource": [path]}
            self.refuse(reason, machine, SASD, "Virtual Hard Disk", **settings)
        self.request(other, states.DISABLE)
        self.add(machine, SASD, "Virtual Hard Disk", Parent=drive, HostResource=[taken])

    def test_a_parent_is_known_however_its_path_is_written(self):
        machine = self.define()
        absolute = machine.of(RASD, IDE)[1].path
        relative = absolute.partition(":")[2]
        for slot, path in enumerate((relative, absolute.replace("HV1", ".").upper())):
            drive = self.add(machine, RASD, "Synthetic Disk Drive", Parent=path, AddressOnParent=slot)
            self.assertEqual(absolute, self.wmi.at(drive)["Parent"])
        self.request(machine, states.ENABLE)
        other = machine.of(RASD, IDE)[0].path.partition(":")[2]
        drive = {"Parent": other, "AddressOnParent": 0}
        self.refuse("while the machine is Running", machine, RASD, "Synthetic Disk Drive", **drive)

    def test_four_scsi_controllers_are_enough(self):
        machine = self.define()
        for _ in range(4):
            self.add(machine, RASD, "Synthetic SCSI Controller")
        self.refuse("it has 4 already", machine, RASD, "Synthetic SCSI Controller")

    def test_a_detached_disk_leaves_the_boot_order(self):
        machine = self.define(generation=2)
        drive, disk = self.attach(machine, self.file(r"C:\root.vhdx"))
        self.assertEqual(1, len(machine.settings["BootSourceOrder"]))
        self.succeed(self.service, "RemoveResourceSettings", ResourceSettings=[drive])
        self.assertEqual([], machine.settings["BootSourceOrder"])
        with self.assertRaises(CimError):
            self.wmi.at(disk)

    def test_unknown_kinds_are_named(self):
        self.refuse("Flux Capacitor cannot be added", self.define(), RASD, "Flux Capacitor")

    def test_processor_and_memory_are_held_to_limits(self):
        machine = self.define()
        processor, memory = (
            machine.of("Msvm_ProcessorSettingData")[0],
            machine.of("Msvm_MemorySettingData")[0],
        )
        for part, values, reason in (
            (processor, {"VirtualQuantity": 0}, "expected 1 to 64"),
            (memory, {"VirtualQuantity": 1025}, "even number"),
            (processor, {"MaxProcessorsPerNumaNode": 0}, "NUMA node without any of it"),
            (memory, {"MaxMemoryBlocksPerNumaNode": 0}, "NUMA node without any of it"),
            (memory, {"DynamicMemoryEnabled": True, "VirtualQuantity": 512, "Reservation": 1024}, "minimum"),
            (memory, {"Parent": "x"}, "Parent cannot be changed"),
        ):
            with self.subTest(reason=reason):
                self.fail_with(reason, self.service, "ModifyResourceSettings", **self.modify(part, **values))

    def test_values_have_ranges(self):
        """Documented: Set-VMMemory, Set-VMProcessor, and the pages of the classes."""
        machine = self.define()
        self.attach(machine, self.file(r"C:\root.vhd"))
        for class_name, values, reason in (
            ("Msvm_MemorySettingData", {"TargetMemoryBuffer": 4}, "expected 5 to 2000"),
            ("Msvm_MemorySettingData", {"Weight": 10001}, "expected 0 to 10000"),
            ("Msvm_ProcessorSettingData", {"Weight": 10001}, "expected 0 to 10000"),
            ("Msvm_ProcessorSettingData", {"Limit": 100_001}, "expected 0 to 100000"),
            ("Msvm_ProcessorSettingData", {"Reservation": 50, "Limit": 49}, "above Limit"),
            (SASD, {"IOPSReservation": 100, "IOPSLimit": 10}, "above IOPSLimit"),
        ):
            (part,) = machine.of(class_name)
            with self.subTest(class_name=class_name, **values):
                self.fail_with(reason, self.service, "ModifyResourceSettings", **self.modify(part, **values))

    def test_what_is_removed_may_be_named_with_what_it_is_in(self):
        machine = self.define()
        drive, disk = self.attach(machine, self.file(r"C:\root.vhd"))
        self.succeed(self.service, "RemoveResourceSettings", ResourceSettings=[drive, disk, drive])
        self.assertEqual([], machine.of(SASD))

    def test_generations_have_different_limits(self):
        for generation, processors, memory in ((1, 64, 1 << 20), (2, 240, 12 << 20)):
            machine = self.define(f"vm-{generation}", generation=generation)
            for class_name, most, step in (
                ("Msvm_ProcessorSettingData", processors, 1),
                ("Msvm_MemorySettingData", memory, 2),
            ):
                (part,) = machine.of(class_name)
                change = "ModifyResourceSettings"
                self.succeed(self.service, change, **self.modify(part, VirtualQuantity=most))
                self.fail_with(
                    f"{most}", self.service, change, **self.modify(part, VirtualQuantity=most + step)
                )

    def change_memory(self, machine, refused=None, **values):
        (memory,) = machine.of("Msvm_MemorySettingData")
        arguments = self.modify(memory, **values)
        if refused:
            self.fail_with(refused, self.service, "ModifyResourceSettings", **arguments)
        else:
            self.succeed(self.service, "ModifyResourceSettings", **arguments)

    def test_static_memory_of_a_running_machine_is_what_the_host_has_left(self):
        machine = self.define()
        self.request(machine, states.ENABLE)
        free = self.model.facts.free_memory_mb(self.model, without=machine)
        self.change_memory(machine, VirtualQuantity=2048)
        self.change_memory(machine, VirtualQuantity=512)
        self.change_memory(machine, "0x8007000E", VirtualQuantity=free // 2 * 2 + 2)
        self.change_memory(machine, "DynamicMemoryEnabled cannot be changed", DynamicMemoryEnabled=True)
        self.change_memory(machine, "MaxMemoryBlocksPerNumaNode cannot", MaxMemoryBlocksPerNumaNode=512)

    def test_dynamic_memory_of_a_running_machine_gets_more_room_only(self):
        machine = self.define()
        room = {"Reservation": 512, "Limit": 2048}
        self.change_memory(machine, DynamicMemoryEnabled=True, **room)
        self.request(machine, states.ENABLE)
        self.change_memory(machine, "minimum memory .* cannot be increased", Reservation=1024)
        self.change_memory(machine, "maximum memory .* cannot be decreased", Limit=1024)
        self.change_memory(machine, "startup memory", VirtualQuantity=2048)
        self.change_memory(machine, Reservation=256, Limit=4096)
        self.request(machine, states.DISABLE)
        self.change_memory(machine, Reservation=1024, Limit=1024)

    def test_numa_nodes_are_as_many_as_processors_and_memory_take(self):
        machine = self.define()
        (processor,) = machine.of("Msvm_ProcessorSettingData")
        (memory,) = machine.of("Msvm_MemorySettingData")
        for part, values, nodes in (
            (processor, {"VirtualQuantity": 4}, 1),
            (processor, {"MaxProcessorsPerNumaNode": 2}, 2),
            (memory, {"MaxMemoryBlocksPerNumaNode": 300}, 4),
            (memory, {"DynamicMemoryEnabled": True, "Reservation": 512}, 1),
        ):
            part.update(**values)
            self.assertEqual(nodes, resources.numa_nodes(machine))
        memory["DynamicMemoryEnabled"], machine.settings["VirtualNumaEnabled"] = False, False
        self.assertEqual(1, resources.numa_nodes(machine))

    def test_a_serial_port_goes_to_a_pipe(self):
        port = self.define().of("Msvm_SerialPortSettingData")[0]
        self.fail_with(
            "expected \\\\.\\pipe",
            self.service,
            "ModifyResourceSettings",
            **self.modify(port, Connection=[r"C:\file"]),
        )
        self.succeed(self.service, "ModifyResourceSettings", **self.modify(port, Connection=[r"\\.\pipe\x"]))
