# SPDX-License-Identifier: Apache-2.0
"""Live migration between two hosts, as unmodified os-win asks for it."""

import time

from lab.hyperv_model import vhd
from tests.contract.two_hosts import TwoHostsTest

MIGRATE = "Msvm_VirtualSystemMigrationService.MigrateVirtualSystemToHost"
RUNNING, SAVED = 2, 6
MOVE = 'livemigrationutils.live_migrate_vm("vm-1", "HV2")'


class MigrationTest(TwoHostsTest):
    def setUp(self):
        super().setUp()
        self.source, self.destination = self.programs

    def spawn(self, disk=r"C:\vms\vm-1\root.vhdx"):
        said = self.source.run(rf"""
            pathutils.makedirs(r"C:\vms\vm-1")
            vhdutils.create_dynamic_vhd(r"{disk}", 64 << 20)
            vmutils.create_vm("vm-1", False, 2, r"C:\vms\vm-1", ["a note"])
            vmutils.update_vm("vm-1", 512, None, 2, None, False, 1.0)
            vmutils.create_scsi_controller("vm-1")
            vmutils.attach_scsi_drive("vm-1", r"{disk}")
            vmutils.set_boot_order("vm-1", [r"{disk}"])
            vmutils.create_nic("vm-1", "port-1", "fa:16:3e:00:00:01")
            networkutils.connect_vnic_to_vswitch("external", "port-1")
            networkutils.set_vswitch_port_vlan_id(101, "port-1")
            vmutils.set_vm_state("vm-1", constants.HYPERV_VM_STATE_ENABLED)
            said = vmutils.get_vm_id("vm-1")
        """)
        self.assertEqual(36, len(said), said)
        return said

    def machines(self):
        """By host: names and states of its machines, and which of them are planned ones."""
        return [
            host.run("""
                said = {
                    machine.name: "planned" if "Planned" in machine.system.class_name else machine.state
                    for machine in model.machines.values()
                }
            """)
            for host in self.hosts
        ]

    def test_a_running_machine_moves_with_its_disks(self):
        identifier = self.spawn()
        root = self.hosts[0].c_drive / "vms" / "vm-1" / "root.vhdx"
        with vhd.open_disk(root, write=True) as disk:
            disk.write(0, b"written")
        on_time = self.hosts[0].run("said = [m.run.on_time for m in model.machines.values()][0]")
        self.assertIsNone(self.source.run(MOVE))
        self.assertEqual([{}, {"vm-1": RUNNING}], self.machines())
        self.assertFalse(root.exists())
        with vhd.open_disk(self.hosts[1].c_drive / "vms" / "vm-1" / "root.vhdx") as disk:
            self.assertEqual(b"written", disk.read(0, 7))
        said = self.destination.run(r"""
            settings = vmutils._lookup_vm_check("vm-1")
            disk = vmutils.get_vm_storage_paths("vm-1")[0]
            said = [
                vmutils.get_vm_id("vm-1"), list(settings.Notes), disk, vmutils.get_vm_nic_names("vm-1"),
                [source == vmutils._drive_to_boot_source(disk[0]) for source in settings.BootSourceOrder[:1]],
                networkutils._get_vlan_setting_data_from_port_alloc(
                    networkutils._get_switch_port_allocation("port-1")[0]).AccessVlanId,
                networkutils._get_switch_port_allocation("port-1")[0].HostResource[0]
                    == networkutils._get_vswitch("external").path_(),
            ]
        """)
        self.assertEqual(
            [identifier, ["a note"], [r"C:\vms\vm-1\root.vhdx"], ["port-1"], [True], 101, True], said
        )
        self.assertGreater(
            self.hosts[1].run("said = [m.run.on_time for m in model.machines.values()][0]"), on_time
        )
        # What came is a machine as any.
        said = self.destination.run("""
            vmutils.set_vm_state("vm-1", constants.HYPERV_VM_STATE_DISABLED)
            vmutils.destroy_vm("vm-1")
        """)
        self.assertIsNone(said)
        self.assertEqual([{}, {}], self.machines())

    def test_what_was_measured_goes_along(self):
        self.spawn()
        metered = """
            memory = metricsutils.get_memory_metrics("vm-1")
            disks = [disk["disk_latency"] for disk in metricsutils.get_disk_latency_metrics("vm-1")]
            said = memory, disks
        """
        begin = """
            metricsutils.enable_vm_metrics_collection("vm-1")
            metricsutils.enable_disk_metrics_collection(vmutils.get_vm_storage_paths("vm-1")[0][0])
        """
        self.source.run(begin)
        for host, other in ((0, 1), (1, 0)):
            self.hosts[host].run("""
                for value in model.store.of("root/virtualization/v2", "CIM_BaseMetricValue"):
                    value["MetricValue"] = str(1 + int(value["MetricValue"]))
            """)
            self.programs[host].run(MOVE.replace("HV2", f"HV{other + 1}"))
            self.assertEqual([512, [host + 1]], self.programs[other].run(metered))
            left = 'said = len(model.store.of("root/virtualization/v2", "CIM_BaseMetricValue"))'
            self.assertEqual(0, self.hosts[host].run(left))

    def test_a_destination_that_is_full_gets_nothing(self):
        """Full when the copy begins, or while it is made: the machine runs on where it is."""
        self.spawn()
        source, destination = self.hosts
        for host, code in (
            (
                destination,
                """
                import errno
                def full():
                    raise OSError(errno.ENOSPC, "No space left on device")
                model.check_space = full
                """,
            ),
            (
                source,
                """
                import errno, pathlib
                def open_full(path, mode="r", *more, opened=pathlib.Path.open):
                    file = opened(path, mode, *more)
                    if "x" in mode:
                        def write(data):
                            raise OSError(errno.ENOSPC, "No space left on device")
                        file.write = write
                    return file
                pathlib.Path.open = open_full
                """,
            ),
        ):
            host.run(code)
            said = self.source.run(MOVE)
            self.assertRegex(said or "", "vm-1.*root.vhdx.*not enough space on the disk.*0x80070070")
            destination.run("model.check_space = lambda: None")
            self.wait_until_left()
            self.assertEqual([], [file for file in destination.c_drive.rglob("*.vhdx")])
        # Nothing of it is in the way of the next.
        source.run('import pathlib; pathlib.Path.open = pathlib.Path.open.__kwdefaults__["opened"]')
        self.source.run(MOVE)
        self.assertEqual([{}, {"vm-1": RUNNING}], self.machines())

    def wait_until_left(self):
        deadline = time.monotonic() + 20
        while self.machines() != [{"vm-1": RUNNING}, {}]:
            self.assertLess(time.monotonic(), deadline, "a planned machine is left")
            time.sleep(0.02)

    def test_what_hyper_v_refuses(self):
        self.spawn()
        first, second = self.hosts
        settings = 'model.store.of("root/virtualization/v2", "Msvm_VirtualSystemMigrationServiceSettingData")'
        enable = f'{settings}[0]["EnableVirtualSystemMigration"]'
        facts = "import dataclasses; model.facts = dataclasses.replace(model.facts, "
        switch = '(model.store.of("root/virtualization/v2", "Msvm_VirtualEthernetSwitch"))[0]["ElementName"]'
        (second.c_drive / "vms" / "vm-1").mkdir(parents=True)
        file = second.c_drive / "vms" / "vm-1" / "root.vhdx"
        for host, change, back, expected in (
            (first, f"{enable} = False", f"{enable} = True", "Live migration is not enabled on this host"),
            (second, f"{enable} = False", f"{enable} = True", "not enabled, or has no network"),
            (second, f"{switch} = 'inner'", f"{switch} = 'external'", "Could not find Ethernet switch 'ext"),
            (
                second,
                f"{facts}processor='Other')",
                f"{facts}processor='Simulated processor')",
                "'0xC0351023'",
            ),
            (second, f"{facts}memory_mb=2200)", f"{facts}memory_mb=65536)", "'0x8007000E'"),
        ):
            host.run(change)
            self.assertIn(expected, self.source.run(MOVE) or "it moved")
            host.run(back)
            self.assertEqual([{"vm-1": RUNNING}, {}], self.machines())
        file.write_bytes(b"")
        self.assertIn("'0x80070050'", self.source.run(MOVE))
        self.assertTrue(file.exists())  # it is another's
        file.unlink()
        self.assertIn(
            "'0x80070002'", self.source.run('livemigrationutils.live_migrate_vm("vm-1", "HV2", False)')
        )
        self.assertIn("unreachable", self.source.run('livemigrationutils.live_migrate_vm("vm-1", "HV3")'))
        self.assertIn("already exists", self.source.run('livemigrationutils.live_migrate_vm("vm-1", "HV1")'))
        self.assertEqual([{"vm-1": RUNNING}, {}], self.machines())
        self.source.run(MOVE)
        self.assertEqual([{}, {"vm-1": RUNNING}], self.machines())

    def test_a_machine_that_differs_in_its_parent_disk(self):
        self.source.run(r"""
            pathutils.makedirs(r"C:\base")
            vhdutils.create_dynamic_vhd(r"C:\base\image.vhdx", 64 << 20)
        """)
        said = self.source.run(r"""
            pathutils.makedirs(r"C:\vms\vm-1")
            vhdutils.create_differencing_vhd(r"C:\vms\vm-1\root.vhdx", r"C:\base\image.vhdx")
            vmutils.create_vm("vm-1", False, 2, r"C:\vms\vm-1", [])
            vmutils.create_scsi_controller("vm-1")
            vmutils.attach_scsi_drive("vm-1", r"C:\vms\vm-1\root.vhdx")
            vmutils.set_vm_state("vm-1", constants.HYPERV_VM_STATE_SUSPENDED)
            vmutils.set_vm_state("vm-1", constants.HYPERV_VM_STATE_ENABLED)
        """)
        self.assertIsNone(said)
        self.assertIn(r"Attachment 'C:\base\image.vhdx' not found", self.source.run(MOVE))
        self.source.run(r"""
            pathutils.makedirs(r"\\hv2\c$\base")
            pathutils.copyfile(r"C:\base\image.vhdx", r"\\HV2\C$\base\image.vhdx")
        """)
        self.assertIsNone(self.source.run(MOVE))
        self.assertEqual([{}, {"vm-1": RUNNING}], self.machines())

    def test_a_migration_that_is_cancelled(self):
        self.spawn()
        self.hosts[0].run(f'model.faults.append(jobs.Fault("{MIGRATE}", seconds=60))')
        self.source.begin(MOVE)
        self.wait_for(lambda: self.machines()[1] == {"vm-1": "planned"})
        status = """
            query = "SELECT OperationalStatus FROM Msvm_ComputerSystem WHERE ElementName = 'vm-1'"
            (system,) = model.namespace("root/virtualization/v2").query(query)
            said = system["OperationalStatus"]
        """
        self.assertEqual([2, 32774], self.hosts[0].run(status))
        other = self.hosts[0].python(self.program)
        self.addCleanup(other.close)
        self.assertIsNone(other.run('vmutils.stop_vm_jobs("vm-1")'))
        self.assertIn("WMI job failed with status 9", self.source.end())
        self.wait_for(lambda: self.hosts[0].run(status) == [2])
        self.wait_for(lambda: self.machines()[1] == {})
        self.assertEqual({"vm-1": RUNNING}, self.machines()[0])
        self.assertFalse((self.hosts[1].c_drive / "vms" / "vm-1" / "root.vhdx").exists())
        self.assertIsNone(self.source.run(MOVE))

    def test_a_migration_that_fails_in_the_middle(self):
        self.spawn()
        self.hosts[0].run(f'model.faults.append(jobs.Fault("{MIGRATE}", "The cable broke.", seconds=0.2))')
        self.assertIn("The cable broke.", self.source.run(MOVE))
        self.wait_for(lambda: self.machines() == [{"vm-1": RUNNING}, {}])

    def test_a_destination_without_space(self):
        """The machine goes on where it is, and the destination has nothing of it."""
        self.spawn()
        self.hosts[1].run("""
            import errno
            def check_space():
                raise OSError(errno.ENOSPC, "There is not enough space on the disk")
            model.check_space = check_space
            said = None
        """)
        self.assertRegex(
            str(self.source.run(MOVE)), "migration destination 'HV2'.*not enough space.*0x80070070"
        )
        self.assertEqual([{"vm-1": RUNNING}, {}], self.machines())
        self.assertFalse((self.hosts[1].c_drive / "vms" / "vm-1" / "root.vhdx").exists())
        self.hosts[1].run("model.check_space = lambda: None; said = None")
        self.assertIsNone(self.source.run(MOVE))

    def test_a_destination_that_dies(self):
        self.spawn()
        self.hosts[0].run(f'model.faults.append(jobs.Fault("{MIGRATE}", seconds=60))')
        self.source.begin(MOVE)
        self.wait_for(lambda: self.machines()[1] == {"vm-1": "planned"})
        self.hosts[1].kill()
        self.assertIn("'0x80072746'", self.source.end())
        self.assertEqual(
            {"vm-1": RUNNING}, self.hosts[0].run("said = {m.name: m.state for m in model.machines.values()}")
        )
        self.assertIn("The RPC server is unavailable: HV2", self.source.run(MOVE))
        said = self.source.run(r"""
            try:
                open(r"\\HV2\C$\x")
            except OSError as error:
                said = error.winerror
        """)
        self.assertEqual(53, said)

    def test_a_source_that_dies(self):
        self.spawn()
        self.hosts[0].run(f'model.faults.append(jobs.Fault("{MIGRATE}", seconds=60))')
        self.source.begin(MOVE)
        self.wait_for(lambda: self.machines()[1] == {"vm-1": "planned"})
        self.hosts[0].kill()
        names = "said = [m.name for m in model.machines.values()]"
        self.wait_for(lambda: self.hosts[1].run(names) == [])

    def test_a_planned_machine_and_shared_storage(self):
        self.hosts[0].c_drive.joinpath("shared").mkdir()
        self.spawn(disk=r"\\HV1\C$\shared\root.vhdx")
        self.assertIsNone(self.destination.run('livemigrationutils.create_planned_vm("vm-1", "HV1", {})'))
        self.assertEqual([{"vm-1": RUNNING}, {"vm-1": "planned"}], self.machines())
        said = self.destination.run("""
            said = [livemigrationutils.planned_vm_exists("vm-1"), vmutils.list_instances()]
        """)
        self.assertEqual([True, []], said)
        self.assertIsNone(self.destination.run('livemigrationutils.destroy_existing_planned_vm("vm-1")'))
        self.assertEqual({}, self.machines()[1])
        self.destination.run('livemigrationutils.create_planned_vm("vm-1", "HV1", {})')
        self.assertIsNone(self.source.run('livemigrationutils.live_migrate_vm("vm-1", "HV2", False)'))
        self.assertEqual([{}, {"vm-1": RUNNING}], self.machines())
        self.assertTrue((self.hosts[0].c_drive / "shared" / "root.vhdx").exists())

    def test_shares(self):
        self.hosts[1].c_drive.joinpath("a", "b").mkdir(parents=True)
        said = self.source.run(r"""
            import os
            def error(path):
                try:
                    os.stat(path)
                except OSError as problem:
                    return problem.winerror
            with open(r"\\HV2\c$\A\text", "w") as file:
                file.write("hello")
            said = [
                sorted(os.listdir(r"\\127.40.0.2\C$\a")), os.path.exists(r"C:\a"),
                pathutils.is_same_file(r"\\HV2\C$\a\text", r"\\127.40.0.2\C$\a\text"),
                error(r"\\HV2\D$\a"), error(r"\\HV4\C$\a"), error(r"\\HV2\C$\..\HV1.sock"),
                error(r"\\..\C$\x"),
                os.path.realpath(r"\\hv2\C$\a"),
            ]
        """)
        self.assertEqual([["b", "text"], False, True, 67, 53, 2, 53, r"\\HV2\C$\a"], said)

    def wait_for(self, condition):
        deadline = time.monotonic() + 30
        while not condition():
            self.assertLess(time.monotonic(), deadline, "it does not happen")
            time.sleep(0.02)
