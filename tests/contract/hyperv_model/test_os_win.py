# SPDX-License-Identifier: Apache-2.0
"""Machines and the host, through os-win."""

from lab.hyperv_model import jobs, states
from lab.hyperv_model.server import serve
from tests.contract.hyperv_model.os_win_case import (
    DISABLED,
    ENABLED,
    PAUSED,
    REBOOT,
    SUSPENDED,
    OsWinCase,
    OsWinError,
)


class LifecycleCase(OsWinCase):
    def test_a_machine_from_definition_to_destruction(self):
        for generation, extension in ((1, "vhd"), (2, "vhdx")):
            with self.subTest(generation=generation):
                name = f"vm-{generation}"
                machine = self.create(name, generation)
                disk = self.file(rf"C:\Instances\{name}\root.{extension}")
                self.vmutils.create_scsi_controller(name)
                if generation == 1:
                    self.vmutils.attach_ide_drive(name, disk, 0, 0)
                else:
                    self.vmutils.attach_scsi_drive(name, disk)
                self.vmutils.create_nic(name, f"port-{generation}", "fa:16:3e:00:00:01")
                self.os_win.networkutils.connect_vnic_to_vswitch("external", f"port-{generation}")
                self.vmutils.set_vm_serial_port_connection(name, 1, rf"\\.\pipe\{name}")
                self.vmutils.set_boot_order(name, [2, 1, 3, 0] if generation == 1 else [disk])
                self.vmutils.set_vm_state(name, ENABLED)

                self.assertEqual(states.RUNNING, machine.state)
                self.assertEqual([name], self.vmutils.list_instances())
                self.assertEqual(generation, self.vmutils.get_vm_generation(name))
                self.assertEqual("0d6b4f3e-0000-4000-8000-000000000001", self.vmutils.get_instance_uuid(name))
                self.assertEqual([[disk], []], self.vmutils.get_vm_storage_paths(name))
                self.assertEqual([f"port-{generation}"], self.vmutils.get_vm_nic_names(name))
                self.assertEqual([rf"\\.\pipe\{name}"], self.vmutils.get_vm_serial_port_connections(name))
                summary = self.vmutils.get_vm_summary_info(name)
                self.assertEqual(
                    (2, ENABLED, 512),
                    tuple(summary[key] for key in ("NumberOfProcessors", "EnabledState", "MemoryUsage")),
                )
                attachment = self.vmutils.get_disk_attachment_info(disk, is_physical=False)
                self.assertEqual(
                    ("IDE", "0") if generation == 1 else ("SCSI", 0),
                    (attachment["controller_type"], attachment["controller_addr"]),
                )
                (adapter,) = machine.of("Msvm_SyntheticEthernetPortSettingData")
                self.assertEqual("FA163E000001", adapter["Address"])

                self.vmutils.set_vm_state(name, DISABLED)
                self.vmutils.destroy_vm(name)
                self.assertEqual([], self.vmutils.list_instances())

    def test_every_state_is_reached_and_told(self):
        self.create()
        for state, expected in (
            (ENABLED, ENABLED),
            (PAUSED, PAUSED),
            (ENABLED, ENABLED),
            (SUSPENDED, SUSPENDED),
            (ENABLED, ENABLED),
            (REBOOT, ENABLED),
            (DISABLED, DISABLED),
        ):
            self.vmutils.set_vm_state("vm-1", state)
            self.assertEqual(expected, self.vmutils.get_vm_state("vm-1"))

    def test_the_state_it_is_in_already_is_no_error(self):
        self.create()
        self.vmutils.set_vm_state("vm-1", DISABLED)

    def test_a_guest_is_shut_down(self):
        machine = self.create()
        self.vmutils.attach_ide_drive("vm-1", self.file(r"C:\root.vhd"), 0, 0)
        self.vmutils.set_vm_state("vm-1", ENABLED)
        self.vmutils.soft_shutdown_vm("vm-1")
        self.assertIn(machine.state, (states.SHUTTING_DOWN, states.OFF))

    def test_a_guest_that_does_not_answer_is_an_error(self):
        self.create()
        self.vmutils.set_vm_state("vm-1", ENABLED)
        with self.assertRaisesRegex(OsWinError, "HyperVException: Soft shutdown failed.*not ready"):
            self.vmutils.soft_shutdown_vm("vm-1")

    def test_power_events_arrive(self):
        self.create()
        self.os_win.wmi(
            "listener = utilsfactory.get_vmutils().get_vm_power_state_change_listener("
            "timeframe=1, event_timeout=3000, filtered_states=[2, 3])"
        )
        self.vmutils.set_vm_state("vm-1", ENABLED)
        event = self.os_win.wmi("event = listener(3000); result = [event.ElementName, event.EnabledState]")
        self.assertEqual(["vm-1", 2], event)
        self.os_win.wmi("listener.close(); del listener, event")

    def test_a_listener_hears_that_the_host_is_gone(self):
        self.create()
        self.os_win.wmi("listener = utilsfactory.get_vmutils().get_vm_power_state_change_listener(1, 3000)")
        self.server.close()
        with self.assertRaisesRegex(OsWinError, "No more events"):
            self.os_win.wmi("listener(20_000)")
        self.server = serve(self.model, self.run_folder / "wmi.sock")
        self.addCleanup(self.server.close)
        self.assertEqual(["vm-1"], self.vmutils.list_instances())
        self.os_win.wmi("listener.close(); del listener")

    def test_events_of_jobs_arrive(self):
        """What changes between two looks is not seen (documented): each listener is there before."""
        machine = self.create()
        self.os_win.wmi("""
            jobs = wmi.WMI("//./root/virtualization/v2").Msvm_ConcreteJob
            query = "SELECT * FROM {} WITHIN 0.1 WHERE TargetInstance ISA 'CIM_ConcreteJob'"
            begun = jobs.watch_for(raw_wql=query.format("__InstanceCreationEvent"))
        """)
        request = "Msvm_ComputerSystem.RequestStateChange"
        self.model.faults.append(jobs.Fault(request, message="The planets stand badly.", seconds=60))
        path = self.wmi.invoke(machine.system.path, "RequestStateChange", {"RequestedState": 2})["Job"]
        told = self.os_win.wmi("""
            job = begun(20_000)
            query += " AND TargetInstance.JobState <> PreviousInstance.JobState"
            ended = jobs.watch_for(raw_wql=query.format("__InstanceModificationEvent"))
            result = [job.JobState, job.JobType, job.GetErrorEx()[0]]
        """)
        self.assertEqual([4, 12, None], told)
        code, *told = self.os_win.wmi("""
            (code,) = job.RequestStateChange(4)
            event = ended(20_000)
            result = code, event.JobState, event.previous.JobState, job.GetErrorEx()[0][0]
        """)
        self.assertEqual((0, [8, 4]), (code, told[:2]))
        self.assertIn("Job was terminated", told[2])
        self.assertEqual(8, self.wmi.at(path)["JobState"])
        self.os_win.wmi("begun.close(); ended.close(); del jobs, begun, ended, job, event")

    def test_a_detached_disk_is_gone(self):
        self.create()
        disk = self.file(r"C:\root.vhd")
        self.vmutils.attach_ide_drive("vm-1", disk, 0, 0)
        self.assertTrue(self.vmutils.is_disk_attached(disk, is_physical=False))
        self.vmutils.detach_vm_disk("vm-1", disk, is_physical=False)
        self.assertFalse(self.vmutils.is_disk_attached(disk, is_physical=False))
        self.assertEqual([], self.machine("vm-1").of("Msvm_StorageAllocationSettingData"))

    def test_an_adapter_is_taken_away(self):
        self.create()
        self.vmutils.create_nic("vm-1", "port-9", "fa:16:3e:00:00:09")
        network = self.os_win.networkutils
        network.connect_vnic_to_vswitch("external", "port-9")
        network.set_vswitch_port_vlan_id(100, "port-9")
        self.assertEqual("FA163E000009", network.get_vnic_mac_address("port-9"))
        network.remove_switch_port("port-9")
        self.vmutils.destroy_nic("vm-1", "port-9")
        self.assertEqual([], self.vmutils.get_vm_nic_names("vm-1"))

    def test_the_console_reaches_a_log(self):
        self.create()
        self.vmutils.attach_ide_drive("vm-1", self.file(r"C:\root.vhd"), 0, 0)
        self.vmutils.set_vm_serial_port_connection("vm-1", 1, r"\\.\pipe\vm-1")
        self.vmutils.set_vm_state("vm-1", ENABLED)
        code = r"""
            import time
            handler = utilsfactory.get_named_pipe_handler(r"\\.\pipe\vm-1", log_file=r"C:\console.log")
            handler.start()
            deadline = time.monotonic() + 5
            result = ""
            while "idle" not in result and time.monotonic() < deadline:
                time.sleep(0.1)
                handler.flush_log_file()
                with open(r"C:\console.log") as log:
                    result = log.read()
            handler.stop()
        """
        self.assertIn("boot step 40 of 40", self.os_win.wmi(code))

    def test_pending_jobs_are_stopped(self):
        machine = self.create()
        self.model.faults.append(jobs.Fault("Msvm_ComputerSystem.RequestStateChange", seconds=30))
        self.wmi.invoke(machine.system.path, "RequestStateChange", {"RequestedState": 2})
        self.vmutils.stop_vm_jobs("vm-1", 2)


class FailureCase(OsWinCase):
    def test_a_missing_disk_fails_and_the_drive_goes_again(self):
        machine = self.create()
        with self.assertRaisesRegex(OsWinError, "WMIJobFailed.*cannot find the file specified"):
            self.vmutils.attach_ide_drive("vm-1", r"C:\none.vhd", 0, 0)
        self.assertEqual(
            [], machine.of("Msvm_ResourceAllocationSettingData", "Microsoft:Hyper-V:Synthetic Disk Drive")
        )

    def test_a_job_that_fails_once_is_tried_again(self):
        machine = self.create()
        self.model.faults.append(jobs.Fault("Msvm_ComputerSystem.RequestStateChange", message="Not now."))
        self.vmutils.set_vm_state("vm-1", ENABLED)
        self.assertEqual(states.RUNNING, machine.state)

    def test_a_job_that_always_fails_is_an_error_with_its_reason(self):
        self.create()
        self.model.faults.append(
            jobs.Fault("Msvm_ComputerSystem.RequestStateChange", message="Never again.", times=100)
        )
        with self.assertRaisesRegex(OsWinError, "WMIJobFailed.*Never again"):
            self.vmutils.set_vm_state("vm-1", ENABLED)

    def test_what_is_not_there_is_not_found(self):
        with self.assertRaisesRegex(OsWinError, "HyperVVMNotFoundException"):
            self.vmutils.get_vm_id("none")
        with self.assertRaisesRegex(OsWinError, "HyperVvSwitchNotFound"):
            self.os_win.networkutils.get_vswitch_id("none")
        with self.assertRaisesRegex(OsWinError, "HyperVvNicNotFound"):
            self.os_win.networkutils.get_vnic_mac_address("none")

    def test_unknown_classes_properties_and_methods_are_refused(self):
        connect = "conn = wmi.WMI('//./root/virtualization/v2');"
        for code, reason in (
            ("conn.Msvm_Nothing()", "no class Msvm_Nothing"),
            ("conn.Msvm_ComputerSystem()[0].Nothing", "'Msvm_ComputerSystem' has no attribute 'Nothing'"),
            ("conn.Msvm_ComputerSystem()[0].RequestReset()", "has no attribute 'RequestReset'"),
            ("conn.Msvm_MemorySettingData.new().Nothing = 1", "no property Nothing"),
            ("conn.Msvm_Memory(Nothing='x')", "no property Nothing"),
            ("wmi.WMI('//./root/nothing')", "no namespace root/nothing"),
            ("wmi.WMI('//elsewhere/root/cimv2')", "RPC server is unavailable"),
        ):
            with self.subTest(code=code), self.assertRaisesRegex(OsWinError, reason):
                self.os_win.wmi(connect + code)

    def test_errors_have_windows_numbers(self):
        code = """
            try:
                wmi.WMI('//./root/nothing')
            except wmi.x_wmi as error:
                result = error.com_error.hresult
        """
        self.assertEqual(-2147217394, self.os_win.wmi(code))


class HostCase(OsWinCase):
    def test_the_host_is_told_as_it_is(self):
        host = self.os_win.hostutils
        self.assertEqual("10.0.20348", host.get_windows_version())
        total, free = host.get_memory_info()
        self.assertEqual(
            (self.facts.memory_mb << 10, self.facts.memory_mb - self.facts.reserved_mb << 10), (total, free)
        )
        self.assertEqual(self.facts.sockets, len(host.get_cpus_info()))
        nodes = host.get_numa_nodes()
        self.assertEqual(self.facts.numa_nodes, len(nodes))
        self.assertEqual(self.facts.logical_processors, sum(len(node["cpuset"]) for node in nodes))
        self.assertEqual([], host.get_pci_passthrough_devices())

    def test_the_switch_is_external(self):
        network = self.os_win.networkutils
        self.assertEqual(self.facts.adapter, network.get_vswitch_external_network_name("external"))
        (offload,) = self.os_win.hostutils.get_nic_hardware_offload_info()
        self.assertEqual("external", offload["vswitch_name"])
