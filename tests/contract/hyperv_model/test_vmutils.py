# SPDX-License-Identifier: Apache-2.0
"""What of VMUtils the lifecycle tests leave out: a machine's values, controllers, drives and checkpoints."""

from lab.hyperv_model import states
from tests.contract.hyperv_model.os_win_case import DISABLED, ENABLED, SUSPENDED, OsWinCase, OsWinError

SASD = "Msvm_StorageAllocationSettingData"
IDE, SCSI = "Emulated IDE Controller", "Synthetic SCSI Controller"


class MachineCase(OsWinCase):
    def test_what_a_machine_is_like_is_told(self):
        self.create()
        self.vmutils.check_admin_permissions()
        self.assertTrue(self.vmutils.vm_exists("vm-1"))
        self.assertFalse(self.vmutils.vm_exists("none"))
        self.assertEqual(self.machine("vm-1").guid, self.vmutils.get_vm_id("vm-1"))
        self.assertEqual(r"C:\Instances\vm-1", self.vmutils.get_vm_config_root_dir("vm-1"))
        notes = [["vm-1", ["0d6b4f3e-0000-4000-8000-000000000001"]]]
        self.assertEqual(notes, self.vmutils.list_instance_notes())
        memory = {"DynamicMemoryEnabled": False, "Reservation": 512, "Limit": 512, "Weight": 5000}
        per_node = self.facts.memory_mb // self.facts.numa_nodes
        self.assertEqual(
            {**memory, "MaxMemoryBlocksPerNumaNode": per_node}, self.vmutils.get_vm_memory_info("vm-1")
        )

    def test_only_what_runs_is_active(self):
        self.create("vm-1")
        self.create("vm-2")
        self.vmutils.set_vm_state("vm-2", ENABLED)
        self.assertEqual(["vm-2"], self.vmutils.get_active_instances())

    def test_power_states_have_os_wins_numbers(self):
        told = [self.vmutils.get_vm_power_state(state) for state in (states.RUNNING, states.OFF, 32770)]
        self.assertEqual([ENABLED, DISABLED], told[:2])
        self.assertNotIn(told[2], told[:2])

    def test_dynamic_memory_starts_with_the_least(self):
        self.create()
        self.vmutils.update_vm("vm-1", 1024, None, 2, None, False, 2.0)
        memory = self.vmutils.get_vm_memory_info("vm-1")
        self.assertEqual(
            (True, 512, 1024), tuple(memory[key] for key in ("DynamicMemoryEnabled", "Reservation", "Limit"))
        )

    def test_processors_show_virtualization_only_before_they_run(self):
        machine = self.create()
        (processor,) = machine.of("Msvm_ProcessorSettingData")
        self.vmutils.set_nested_virtualization("vm-1", True)
        self.assertTrue(processor["ExposeVirtualizationExtensions"])
        self.vmutils.set_vm_state("vm-1", ENABLED)
        with self.assertRaisesRegex(OsWinError, "ExposeVirtualizationExtensions cannot be changed"):
            self.vmutils.set_nested_virtualization("vm-1", False)

    def test_the_full_command_set_is_a_setting(self):
        machine = self.create()
        self.vmutils.enable_vm_full_scsi_command_set("vm-1")
        self.assertTrue(machine.settings["AllowFullSCSICommandSet"])

    def test_secure_boot_is_a_matter_of_generation_2(self):
        machine = self.create(generation=2)
        self.vmutils.enable_secure_boot("vm-1", msft_ca_required=True)
        self.assertEqual(
            (True, "272e7447-90a4-4563-a4b9-8e4ab00526ce"),
            (machine.settings["SecureBootEnabled"], machine.settings["SecureBootTemplateId"]),
        )
        self.vmutils.set_vm_state("vm-1", ENABLED)
        with self.assertRaisesRegex(OsWinError, "WMIJobFailed.*SecureBootTemplateId cannot be changed"):
            self.os_win.wmi(
                """
                from os_win import _utils
                vm = utilsfactory.get_vmutils()
                settings = vm._lookup_vm_check("vm-1")
                settings.SecureBootTemplateId = "1734c6e8-3154-4dda-ba5f-a874cc483422"
                _utils.get_wrapped_function(vm._modify_virtual_system)(vm, settings)
                """
            )
        self.create("vm-2", generation=1)
        with self.assertRaisesRegex(OsWinError, "generation 1"):
            self.vmutils.enable_secure_boot("vm-2", msft_ca_required=False)


class DrivesCase(OsWinCase):
    def setUp(self):
        super().setUp()
        self.create()
        self.disk = self.file(r"C:\root.vhd")

    def test_controllers_are_found_by_their_kind_and_address(self):
        self.assertIsNone(self.vmutils.get_vm_scsi_controller("vm-1"))
        self.vmutils.create_scsi_controller("vm-1")
        scsi = self.vmutils.get_vm_scsi_controller("vm-1")
        first, second = (self.vmutils.get_vm_ide_controller("vm-1", address) for address in (0, 1))
        self.assertEqual(3, len({scsi, first, second}))
        self.assertIsNone(self.vmutils.get_vm_ide_controller("vm-1", 2))

    def test_a_fifth_scsi_controller_is_refused(self):
        for _number in range(4):
            self.vmutils.create_scsi_controller("vm-1")
        with self.assertRaisesRegex(OsWinError, "it has 4 already"):
            self.vmutils.create_scsi_controller("vm-1")

    def test_drives_take_the_free_slots(self):
        self.vmutils.create_scsi_controller("vm-1")
        controller = self.vmutils.get_vm_scsi_controller("vm-1")
        self.assertEqual(0, self.vmutils.get_free_controller_slot(controller))
        self.vmutils.attach_drive("vm-1", self.disk, controller, 0)
        self.assertEqual(1, self.vmutils.get_free_controller_slot(controller))
        (drive,) = self.vmutils.get_attached_disks(controller)
        self.assertEqual("0", drive["AddressOnParent"])
        with self.assertRaisesRegex(OsWinError, "slot 0 of the controller is occupied"):
            self.vmutils.attach_drive("vm-1", self.disk, controller, 0)

    def test_a_full_controller_has_no_slot(self):
        self.vmutils.create_scsi_controller("vm-1")
        controller = self.vmutils.get_vm_scsi_controller("vm-1")
        for slot in range(64):
            self.add(
                self.machine("vm-1"),
                "Msvm_ResourceAllocationSettingData",
                "Synthetic Disk Drive",
                Parent=controller,
                AddressOnParent=slot,
            )
        with self.assertRaisesRegex(OsWinError, "Exceeded the maximum number of slots"):
            self.vmutils.get_free_controller_slot(controller)

    def test_a_dvd_is_told_apart_from_disks(self):
        self.local(r"C:\config.iso").write_bytes(b"")
        self.vmutils.attach_ide_drive("vm-1", self.disk, 0, 0)
        self.vmutils.attach_ide_drive("vm-1", r"C:\config.iso", 1, 1, "DVD")
        self.assertEqual([r"C:\config.iso"], self.vmutils.get_vm_dvd_disk_paths("vm-1"))
        disks, volumes = self.vmutils.get_vm_disks("vm-1")
        self.assertEqual([self.disk, r"C:\config.iso"], [disk["HostResource"] for disk in map(_paths, disks)])
        self.assertEqual([], volumes)

    def test_the_limits_of_a_disk_change_while_it_runs(self):
        self.vmutils.attach_ide_drive("vm-1", self.disk, 0, 0)
        self.vmutils.set_vm_state("vm-1", ENABLED)
        self.vmutils.set_disk_qos_specs(self.disk, max_iops=100, min_iops=10)
        (disk,) = self.machine("vm-1").of(SASD)
        self.assertEqual((100, 10), (disk["IOPSLimit"], disk["IOPSReservation"]))

    def test_a_drive_gets_another_file_while_the_machine_is_off(self):
        self.vmutils.attach_ide_drive("vm-1", self.disk, 0, 0)
        other = self.file(r"C:\other.vhd")
        self.vmutils.update_vm_disk_path(self.disk, other, is_physical=False)
        self.assertEqual([[other], []], self.vmutils.get_vm_storage_paths("vm-1"))
        with self.assertRaisesRegex(OsWinError, "cannot find the file"):
            self.vmutils.update_vm_disk_path(other, r"C:\none.vhd", is_physical=False)
        self.vmutils.set_vm_state("vm-1", ENABLED)
        with self.assertRaisesRegex(OsWinError, "HostResource cannot be changed"):
            self.vmutils.update_vm_disk_path(other, self.disk, is_physical=False)


class CheckpointsCase(OsWinCase):
    def test_checkpoints_are_found_by_name_until_they_are_removed(self):
        self.create()
        self.vmutils.attach_ide_drive("vm-1", self.file(r"C:\root.vhd"), 0, 0)
        first = self.vmutils.take_vm_snapshot("vm-1", "first")
        second = self.vmutils.take_vm_snapshot("vm-1", "second")
        self.assertEqual([first, second], self.vmutils.get_vm_snapshots("vm-1"))
        self.assertEqual([second], self.vmutils.get_vm_snapshots("vm-1", "second"))
        self.vmutils.remove_vm_snapshot(second)
        self.assertEqual([first], self.vmutils.get_vm_snapshots("vm-1"))

    def test_one_is_applied_while_its_machine_is_off(self):
        machine = self.create()
        root = self.file(r"C:\root.vhd")
        self.vmutils.attach_ide_drive("vm-1", root, 0, 0)
        self.vmutils.set_vm_state("vm-1", ENABLED)
        running = self.vmutils.take_vm_snapshot("vm-1", "running")
        with self.assertRaisesRegex(OsWinError, "32775"):
            self.call("ApplySnapshot", Snapshot=running)
        self.vmutils.set_vm_state("vm-1", DISABLED)
        off = self.vmutils.take_vm_snapshot("vm-1", "off")
        self.assertEqual([off], self.current())
        self.call("ApplySnapshot", Snapshot=running)
        self.assertEqual([running], self.current())
        self.assertEqual(SUSPENDED, self.vmutils.get_vm_state("vm-1"))
        self.vmutils.set_vm_state("vm-1", ENABLED)
        self.vmutils.set_vm_state("vm-1", DISABLED)
        branch = self.vmutils.take_vm_snapshot("vm-1", "branch")
        self.assertEqual([running, running], [self.model.store.at(each)["Parent"] for each in (off, branch)])
        self.call("DestroySnapshotTree", SnapshotSettingData=running)
        self.assertEqual([], self.vmutils.get_vm_snapshots("vm-1"))
        self.wait_for(lambda: self.vmutils.get_vm_storage_paths("vm-1")[0] == [root])
        self.assertEqual(1, len(list(self.c_drive.glob("root*"))))
        self.assertEqual(states.OFF, machine.state)

    def current(self):
        """The checkpoints that the machine is based on, as versions of os-win read them."""
        return self.os_win.wmi(
            """
            connection = wmi.WMI(moniker="root/virtualization/v2")
            result = [each.Dependent.path_() for each in connection.Msvm_MostCurrentSnapshotInBranch()]
            """
        )

    def call(self, method, **arguments):
        """Call a method of the checkpoint service that os-win does not call."""
        self.os_win.wmi(
            f"""
            from os_win.utils import jobutils
            service = wmi.WMI(moniker="root/virtualization/v2").Msvm_VirtualSystemSnapshotService()[0]
            job, code = service.{method}(**{arguments!r})
            jobutils.JobUtils().check_ret_val(code, job)
            """
        )


def _paths(disk):
    return {**disk, "HostResource": disk["HostResource"].strip("(),'").replace("\\\\", "\\")}
