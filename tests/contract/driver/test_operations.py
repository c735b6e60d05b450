# SPDX-License-Identifier: Apache-2.0
"""What can be asked of a server between spawn and destroy."""

from hyperv_driver import iso9660
from lab import guesses
from lab.hyperv_model import vhd
from lab.hyperv_model.virtual_system import SECURE_BOOT_TEMPLATES
from tests.contract.driver.on_hyperv import OnHyperVTest
from tests.features import feature

IMAGE_SIZE = 20 * 1024**2
RUNNING, SHUTDOWN, SUSPENDED = 1, 4, 7  # nova.compute.power_state


class OperationsTest(OnHyperVTest):
    guesses = (guesses.INTERRUPT_REBOOTS,)  # of the crash dump

    @feature("Suspend and resume", "Resume on host boot")
    def test_suspend_and_resume(self):
        image = self.add_image("vhdx")
        said = self.nova(f"""
            made = spawn(instance(image_ref="{image}"), "vhdx")
            said = []
            for change in (
                lambda: hyperv.suspend(admin, made),
                lambda: hyperv.resume(admin, made, []),
                lambda: hyperv.suspend(admin, made),
                lambda: hyperv.resume_state_on_host_boot(admin, made, [], []),
            ):
                change()
                said.append(hyperv.get_info(made).state)
        """)
        self.assertEqual([SUSPENDED, RUNNING, SUSPENDED, RUNNING], said)

    @feature("Attach and detach interfaces")
    def test_adapters_come_and_go(self):
        image = self.add_image("vhdx")
        said = self.nova(f"""
            made = spawn(
                instance(image_ref="{image}"), "vhdx", [vif()], hw_machine_type="hyperv-gen2"
            )
            nics = lambda: hyperv._vmops._vmutils.get_vm_nic_names(made.name)
            port = vif(address="fa:16:3e:00:00:02", details={{"vlan": "101"}})
            hyperv.attach_interface(admin, made, None, port)
            said = [len(nics()), port["id"] in nics()]
            hyperv.detach_interface(admin, made, port)
            hyperv.detach_interface(admin, made, port)
            said += [len(nics()), port["id"] in nics()]
        """)
        self.assertEqual([2, True, 1, False], said)

    @feature("Attach and detach interfaces")
    def test_adapters_of_generation_1(self):
        image = self.add_image("vhdx")
        said = self.nova(f"""
            made, port = spawn(instance(image_ref="{image}"), "vhdx"), vif()
            try:
                hyperv._vmops._vmutils.create_nic(made.name, port["id"], port["address"])
            except Exception as error:
                refused = str(error)
            hyperv.power_off(made)
            hyperv.attach_interface(admin, made, None, port)
            hyperv.power_on(admin, made, [port])
            said = [refused, hyperv._vmops._vmutils.get_vm_nic_names(made.name) == [port["id"]]]
        """)
        self.assertIn("cannot be added or removed while the machine is Running", said[0])
        self.assertTrue(said[1])

    @feature("Snapshot of a running instance", "Shelve and unshelve")
    def test_snapshot_of_a_running_server(self):
        for disk_format in ("vhdx", "vhd"):
            image = self.add_image(disk_format)
            said = self.nova(f"""
                from unittest import mock
                uploaded, states = [], []
                def update(_api, _context, image_id, metadata, data, purge_props):
                    shutil.copyfileobj(data, open(rf"C:\\glance\\{{image_id}}", "wb"))
                    uploaded.append(metadata["disk_format"])
                def update_task_state(task_state, expected_state=None):
                    states.append(task_state)
                new = "99999999-0000-4000-8000-{len(disk_format):012}"
                made = spawn(instance(image_ref="{image}", project_id="p"), "{disk_format}")
                folder = os.path.join(INSTANCES, made.name)
                disks = lambda: [name for name in os.listdir(folder) if "vhd" in name]
                with mock.patch("nova.image.glance.API.update", update):
                    hyperv.snapshot(admin, made, new, update_task_state)
                vmutils = hyperv._vmops._vmutils
                left = [vmutils.get_vm_snapshots(made.name), disks()]
                state = hyperv.get_info(made).state
                hyperv.reboot(admin, made, [], "HARD")
                hyperv.destroy(admin, made, [])
                again = spawn(instance("x-2", image_ref=new, vm_state="shelved_offloaded"), "{disk_format}")
                # Nova then deletes that image, and the instance is of the one that it was of before.
                again.image_ref, again.vm_state = "{image}", "active"
                hyperv.power_off(again)
                CONF.set_override("remove_unused_original_minimum_age_seconds", 0, group="image_cache")
                hyperv.manage_image_cache(admin, [again])
                CONF.clear_override("remove_unused_original_minimum_age_seconds", group="image_cache")
                hyperv.power_on(admin, again, [])
                root = vmutils.get_vm_storage_paths(again.name)[0][0]
                size = hyperv._diskops._vhdutils.get_vhd_size(root)["VirtualSize"]
                said = [uploaded, states, left, state, hyperv.get_info(again).state, size]
            """)
            self.assertEqual(
                [
                    [disk_format],
                    ["image_pending_upload", "image_uploading"],
                    [[], [f"root.{disk_format}"]],
                    RUNNING,
                    RUNNING,
                    2**30,
                ],
                said,
            )
            new = self.glance / f"99999999-0000-4000-8000-{len(disk_format):012}"
            with vhd.open_disk(new) as disk:
                self.assertEqual((vhd.DYNAMIC, 2**30), (disk.kind, disk.size))
                self.assertEqual(b"last", disk.read(IMAGE_SIZE - 4, 4))

    def test_deletion_waits_for_a_snapshot(self):
        image = self.add_image("vhdx")
        said = self.nova(f"""
            import threading
            from unittest import mock
            new = "99999999-0000-4000-8000-000000000002"
            made, order = spawn(instance(image_ref="{image}", project_id="p"), "vhdx"), []
            uploading, end = threading.Event(), threading.Event()
            def update(_api, _context, image_id, metadata, data, purge_props):
                uploading.set()
                end.wait(60)
                order.append(len(data.read()) > 0)
            def snapshot():
                hyperv.snapshot(admin, made, new, lambda **states: None)
                order.append("taken")
            def destroy():
                hyperv.destroy(admin, made, [])
                order.append("deleted")
            with mock.patch("nova.image.glance.API.update", update):
                threads = [threading.Thread(target=call) for call in (snapshot, destroy)]
                threads[0].start()
                uploading.wait(60)
                threads[1].start()
                threads[1].join(1)
                said = [hyperv.list_instances() == [made.name]]
                end.set()
                for thread in threads:
                    thread.join()
            said += [order, hyperv.list_instances(), os.listdir(INSTANCES)]
        """)
        self.assertEqual([True, [True, "taken", "deleted"], [], ["_base"]], said)

    @feature("Config drive", "Swap disks", "Secure boot", "Dynamic memory")
    def test_config_drive_swap_and_secure_boot(self):
        image = self.add_image("vhdx")
        for machine_type, dvd in (("hyperv-gen1", "1\\1"), ("hyperv-gen2", "0\\2")):
            said = self.nova(f"""
                from unittest import mock
                metadata = mock.Mock()
                metadata.metadata_for_config_drive.return_value = [(r"ec2\\latest\\user-data", b"secret")]
                extra_specs = {{"os:secure_boot": "required"}} if "{machine_type}" == "hyperv-gen2" else {{}}
                made = instance(
                    image_ref="{image}", config_drive="True", flavor=flavor(extra_specs=extra_specs)
                )
                swap = {{"device_name": "/dev/sdc", "swap_size": 64}}
                CONF.set_override("dynamic_memory_ratio", 2.0, group="hyperv")
                with mock.patch("nova.api.metadata.base.InstanceMetadata", return_value=metadata):
                    properties = {{"hw_machine_type": "{machine_type}", "os_type": "linux"}}
                    spawn(made, "vhdx", [], {{"swap": swap}}, **properties)
                CONF.clear_override("dynamic_memory_ratio", group="hyperv")
                vmutils = hyperv._vmops._vmutils
                drive = os.path.join(INSTANCES, made.name, "configdrive.iso")
                settings = vmutils._lookup_vm_check(made.name)
                attachment = vmutils.get_disk_attachment_info(drive, is_physical=False)
                said = [
                    hyperv.get_info(made).state,
                    [os.path.basename(path) for path in vmutils.get_vm_dvd_disk_paths(made.name)],
                    sorted(os.path.basename(path) for path in vmutils.get_vm_storage_paths(made.name)[0]),
                    [settings.SecureBootEnabled, settings.SecureBootTemplateId],
                    f"{{attachment['controller_addr']}}\\\\{{attachment['controller_slot']}}",
                    vmutils.get_vm_memory_info(made.name)["Reservation"],
                    oct(os.stat(drive).st_mode & 0o777),
                ]
            """)
            secure = [False, None]
            if machine_type == "hyperv-gen2":
                secure = [True, SECURE_BOOT_TEMPLATES["MicrosoftUEFICertificateAuthority"]]
            self.assertEqual(
                [
                    RUNNING,
                    ["configdrive.iso"],
                    ["configdrive.iso", "root.vhdx", "swap.vhdx"],
                    secure,
                    dvd,
                    256,
                    "0o600",
                ],
                said,
            )

    @feature("Boot from ISO")
    def test_iso_image(self):
        image = "88888888-0000-4000-8000-000000000000"
        (self.glance / image).write_bytes(iso9660.image("installer", {"setup.exe": b"MZ"}))
        for machine_type in ("hyperv-gen1", "hyperv-gen2"):
            said = self.nova(f"""
                made = spawn(instance(image_ref="{image}"), "iso", hw_machine_type="{machine_type}")
                vmutils = hyperv._vmops._vmutils
                settings = vmutils._lookup_vm_check(made.name)
                paths = vmutils.get_vm_storage_paths(made.name)[0]
                first = settings.BootSourceOrder[0] if "{machine_type}" == "hyperv-gen2" else None
                dvd = os.path.join(INSTANCES, made.name, "boot.iso")
                boot = vmutils._drive_to_boot_source(dvd) if first else None
                said = [hyperv.get_info(made).state, sorted(map(os.path.basename, paths)),
                        str(first).lower() == str(boot).lower()]
            """)
            self.assertEqual([RUNNING, ["boot.iso", "root.vhdx"], True], said, machine_type)

    @feature("Rescue")
    def test_rescue(self):
        for machine_type in ("hyperv-gen1", "hyperv-gen2"):
            image = self.add_image("vhdx")
            said = self.nova(f"""
                made = spawn(instance(image_ref="{image}"), "vhdx", [vif()], hw_machine_type="{machine_type}")
                vmutils = hyperv._vmops._vmutils
                file = lambda name: os.path.join(INSTANCES, made.name, name)
                drives = lambda: sorted(map(os.path.basename, vmutils.get_vm_storage_paths(made.name)[0]))
                meta = image_meta("vhdx")
                meta.id = "{image}"
                hyperv.power_off(made)
                hyperv.rescue(admin, made, [], meta, "secret", None, [])
                def place():
                    info = vmutils.get_disk_attachment_info(file("root.vhdx"), False)
                    return [info["controller_type"], info["controller_slot"]]
                said = [hyperv.get_info(made).state, drives(), place()]
                hyperv.unrescue(admin, made)
                said += [hyperv.get_info(made).state, drives(), place(),
                         os.path.exists(file("rescue.vhdx"))]
            """)
            home, away = (["IDE", 0], ["IDE", 1]) if machine_type == "hyperv-gen1" else 2 * (["SCSI", 0],)
            expected = [RUNNING, ["rescue.vhdx", "root.vhdx"], away, RUNNING, ["root.vhdx"], home, False]
            self.assertEqual(expected, said, machine_type)

    @feature("Rescue from an ISO image, all disks in their places (stable rescue)")
    def test_rescue_from_a_dvd(self):
        iso = "88888888-0000-4000-8000-000000000001"
        (self.glance / iso).write_bytes(iso9660.image("rescue", {"setup.exe": b"MZ"}))
        own = {"vhdx": self.add_image("vhdx"), "iso": iso}
        for machine_type in ("hyperv-gen1", "hyperv-gen2"):
            for disk_format, image in own.items():
                said = self.nova(f"""
                    made = instance(image_ref="{image}")
                    spawn(
                        made, "{disk_format}", [vif()], {{"ephemerals": [{{"size": 1}}]}},
                        hw_machine_type="{machine_type}",
                    )
                    vmutils = hyperv._vmops._vmutils
                    file = lambda name: os.path.join(INSTANCES, made.name, name)
                    def places():
                        found = {{}}
                        for path in vmutils.get_vm_storage_paths(made.name)[0]:
                            info = vmutils.get_disk_attachment_info(path, False)
                            place = [info["controller_type"], int(info["controller_addr"]),
                                     info["controller_slot"]]
                            found[os.path.basename(path)] = place
                        return found
                    meta = image_meta("iso", hw_rescue_device="cdrom")
                    meta.id, before = "{iso}", places()
                    hyperv.rescue(admin, made, [], meta, "secret", None, [])
                    rescued, state = places(), hyperv.get_info(made).state
                    first = "{machine_type}" == "hyperv-gen1" or first_to_boot(made, file("rescue.iso"))
                    hyperv.unrescue(admin, made)
                    boots = file("boot.iso" if "{disk_format}" == "iso" else "root.vhdx")
                    first = first and ("{machine_type}" == "hyperv-gen1" or first_to_boot(made, boots))
                    said = [state, before, rescued, first, places(), os.path.exists(file("rescue.iso"))]
                """)
                state, before, rescued, first, after, left = said
                self.assertEqual((RUNNING, True, before, False), (state, first, after, left))
                dvd = rescued.pop("rescue.iso")
                if machine_type == "hyperv-gen1":
                    self.assertEqual(["IDE", 1, 0], dvd)
                    before.pop("boot.iso", None)  # it would be tried first
                self.assertEqual(before, rescued)

    @feature("Resize on the same host")
    def test_resize(self):
        for disk_format in ("vhdx", "vhd"):
            image = self.add_image(disk_format)
            said = self.nova(f"""
                from unittest import mock
                CONF.set_override("my_ip", "192.0.2.7")
                small = flavor(root_gb=1, memory_mb=512, ephemeral_gb=1)
                large = flavor(root_gb=2, memory_mb=1024, ephemeral_gb=2)
                disks = {{"ephemerals": [{{"size": 1}}]}}
                made, port = instance(image_ref="{image}", flavor=small), vif()
                spawn(made, "{disk_format}", [port], disks)
                vmutils, vhdutils = hyperv._vmops._vmutils, hyperv._diskops._vhdutils
                def seen():
                    paths = vmutils.get_vm_storage_paths(made.name)[0]
                    sizes = [vhdutils.get_vhd_size(path)["VirtualSize"] >> 30 for path in paths]
                    memory = vmutils.get_vm_memory_info(made.name)["Limit"]
                    nics = vmutils.get_vm_nic_names(made.name) == [port["id"]]
                    return [hyperv.get_info(made).state, sizes, memory, nics]
                def resize():
                    hyperv.migrate_disk_and_power_off(admin, made, "192.0.2.7", large, [port])
                    made.old_flavor, made.flavor = small, large
                    meta = image_meta("{disk_format}")
                    hyperv.finish_migration(admin, None, made, "", [port], meta, True, {{}}, disks)
                resize()
                said = [seen()]
                made.task_state = "resize_reverting"
                hyperv.destroy(admin, made, [port], disks)
                made.flavor, made.task_state = small, None
                with mock.patch("nova.objects.Instance.image_meta", image_meta("{disk_format}")):
                    hyperv.finish_revert_migration(admin, made, [port], None, disks)
                said.append(seen())
                resize()
                hyperv.confirm_migration(admin, None, made, [port])
                said += [seen(), sorted(os.listdir(INSTANCES))]
            """)
            large, small = [RUNNING, [2, 2], 1024, True], [RUNNING, [1, 1], 512, True]
            self.assertEqual([large, small, large, ["_base", "instance-00000001"]], said)

    def test_adapters_of_a_machine_that_is_made_anew(self):
        image = self.add_image("vhdx")
        said = self.nova(f"""
            CONF.set_override("cache_temporary_wmi_objects", True, group="os_win")
            hyperv.cleanup_host("this")
            hyperv = driver.HyperVDriver(FakeVirtAPI())
            hyperv.init_host("this")
            small, large = flavor(memory_mb=512), flavor(memory_mb=1024)
            made, port = instance(image_ref="{image}", flavor=small), vif(details={{"vlan": 7}})
            spawn(made, "vhdx", [port])
            networkutils = hyperv._networkops._networkutils
            hyperv.migrate_disk_and_power_off(admin, made, CONF.my_ip, large, [port])
            made.old_flavor, made.flavor = small, large
            hyperv.finish_migration(admin, None, made, "", [port], image_meta("vhdx"), True, {{}}, None)
            (connected,) = networkutils._conn.Msvm_EthernetPortAllocationSettingData(ElementName=port["id"])
            said = [networkutils.get_vswitch_id("external") in connected.HostResource[0],
                    networkutils._get_vlan_setting_data_from_port_alloc(connected).AccessVlanId]
        """)
        self.assertEqual([True, 7], said)

    @feature("Image cache", "Images fetched ahead (cache_image)")
    def test_unused_images_go(self):
        image = self.add_image("vhdx", "77777777")
        said = self.nova(f"""
            CONF.set_override("remove_unused_original_minimum_age_seconds", 0, group="image_cache")
            from unittest import mock
            base = os.path.join(INSTANCES, "_base")
            with mock.patch("nova.image.glance.API.get", return_value={{"disk_format": "vhdx"}}):
                ahead = [hyperv.cache_image(admin, "{image}"), hyperv.cache_image(admin, "{image}")]
            made = spawn(instance(image_ref="{image}"), "vhdx")
            cached = lambda: "{image}.vhdx" in os.listdir(base)
            hyperv.manage_image_cache(admin, [made])
            said = [ahead, cached()]
            # Resized to another host, it may come back.
            hyperv.migrate_disk_and_power_off(admin, made, CONF.my_ip, flavor(root_gb=2), [])
            hyperv.manage_image_cache(admin, [])
            said.append(cached())
            hyperv.destroy(admin, made, [])
            hyperv.manage_image_cache(admin, [])
            said.append(cached())
            CONF.clear_override("remove_unused_original_minimum_age_seconds", group="image_cache")
        """)
        self.assertEqual([[True, False], True, True, False], said)

    @feature("Clean up after a crash")
    def test_what_a_crash_left(self):
        image = self.add_image("vhdx")
        said = self.nova(f"""
            from os_win import utilsfactory
            from unittest import mock
            vmutils, migrationutils = hyperv._vmops._vmutils, utilsfactory.get_migrationutils()
            made = spawn(instance("x-1", image_ref="{image}"), "vhdx")
            vmutils.take_vm_snapshot(made.name, "by hand")
            vmutils.take_vm_snapshot(made.name, "nova-snapshot")
            hyperv.power_off(spawn(instance("x-2", image_ref="{image}"), "vhdx"))
            migrationutils.export_vm("instance-00000002", r"C:\\export", 1)
            (guid,) = os.listdir(r"C:\\export\\Virtual Machines")
            hyperv.destroy(admin, instance("x-2"), [])
            migrationutils.import_vm_definition(rf"C:\\export\\Virtual Machines\\{{guid}}", r"C:\\export")
            planned = migrationutils.planned_vm_exists("instance-00000002")
            with mock.patch("nova.objects.MigrationList.get_in_progress_by_host_and_node", return_value=[]):
                hyperv.process_instances_at_startup(admin, [made])
            said = [planned, migrationutils.planned_vm_exists("instance-00000002"),
                    [len(vmutils.get_vm_snapshots(made.name, name)) for name in ("by hand", "nova-snapshot")],
                    hyperv.list_instances(), hyperv.get_info(made).state]
            vmutils.remove_vm_snapshot(vmutils.get_vm_snapshots(made.name)[0])
        """)
        self.assertEqual([True, False, [1, 0], ["instance-00000001"], RUNNING], said)

    @feature("Clean up after a crash")
    def test_a_resize_that_a_crash_ended(self):
        image = self.add_image("vhdx")
        said = self.nova(f"""
            from unittest import mock
            class Died(BaseException):
                pass
            made, said = instance(image_ref="{image}"), []
            spawn(made, "vhdx", [port := vif()])
            vmutils, pathutils = hyperv._vmops._vmutils, hyperv._diskops._pathutils
            for owner, step in ((vmutils, "destroy_vm"), (pathutils, "rename")):
                with mock.patch.object(owner, step, side_effect=Died):
                    try:
                        hyperv.migrate_disk_and_power_off(admin, made, CONF.my_ip, flavor(root_gb=2), [port])
                    except Died:
                        said.append(hyperv.list_instances() == [made.name])
                # As nova does when it starts and finds the instance resize_migrating.
                with mock.patch("nova.objects.Instance.image_meta", image_meta("vhdx")):
                    hyperv.finish_revert_migration(admin, made, [port], None)
                drives = [os.path.basename(path) for path in vmutils.get_vm_storage_paths(made.name)[0]]
                said.append([hyperv.get_info(made).state, drives])
        """)
        self.assertEqual([True, [RUNNING, ["root.vhdx"]], False, [RUNNING, ["root.vhdx"]]], said)

    @feature("Crash dump (NMI)")
    def test_crash_dump(self):
        image = self.add_image("vhdx")
        said = self.nova(f"""
            made = spawn(instance(image_ref="{image}"), "vhdx")
            boots = lambda: hyperv.get_console_output(admin, made).count("Simulated guest of")
            booted = wait_for(lambda: boots() == 1)
            hyperv.trigger_crash_dump(made)
            kept = [booted, wait_for(lambda: boots() == 2), hyperv.get_info(made).state]
            hyperv.power_off(made)
            hyperv.trigger_crash_dump(made)
        """)
        self.assertIn("it is Off, expected Running", said["raised"])
        self.assertEqual([True, True, RUNNING], self.nova("said = kept"))

    @feature("Nested virtualization")
    def test_a_guest_that_has_guests(self):
        image = self.add_image("vhdx")
        said = self.nova(f"""
            wants = flavor(extra_specs={{"trait:HW_CPU_X86_VMX": "required"}})
            CONF.set_override("dynamic_memory_ratio", 2.0, group="hyperv")
            made = [spawn(instance("x-1", image_ref="{image}", flavor=wants), "vhdx"),
                    spawn(instance("x-2", image_ref="{image}"), "vhdx")]
            CONF.clear_override("dynamic_memory_ratio", group="hyperv")
            vmutils, said = hyperv._vmops._vmutils, []
            for one in made:
                (processor,) = vmutils._conn.query(
                    "SELECT * FROM Msvm_ProcessorSettingData WHERE InstanceID LIKE "
                    f"'Microsoft:{{vmutils.get_vm_id(one.name)}}%'")
                memory = vmutils.get_vm_memory_info(one.name)
                said.append([processor.ExposeVirtualizationExtensions, memory["DynamicMemoryEnabled"]])
        """)
        self.assertEqual([[True, False], [False, True]], said)

    @feature("Disk QoS")
    def test_limits_of_disks(self):
        image = self.add_image("vhdx")
        said = self.nova(f"""
            limited = flavor(extra_specs={{"quota:disk_total_bytes_sec": "4096000"}})
            made = instance(image_ref="{image}", flavor=limited)
            spawn(made, "vhdx", [], {{"ephemerals": [{{"size": 1}}]}})
            meta, vmutils = image_meta("vhdx"), hyperv._vmops._vmutils
            meta.id = "{image}"
            limits = lambda: [
                vmutils._get_mounted_disk_resource_from_path(path, is_physical=False).IOPSLimit
                for path in vmutils.get_vm_storage_paths(made.name)[0]
            ]
            said = [limits()]
            hyperv.rescue(admin, made, [], meta, "secret", None, [])
            hyperv.unrescue(admin, made)
            said.append(limits())
        """)
        self.assertEqual([[500, 500], [500, 500]], said)

    @feature("Metrics")
    def test_metrics(self):
        image = self.add_image("vhdx")
        said = self.nova(f"""
            from os_win import utilsfactory
            metricsutils = utilsfactory.get_metricsutils()
            made = [spawn(instance("x-1", image_ref="{image}"), "vhdx")]
            CONF.set_override("enable_instance_metrics_collection", True, group="hyperv")
            made.append(spawn(instance("x-2", image_ref="{image}"), "vhdx"))
            CONF.clear_override("enable_instance_metrics_collection", group="hyperv")
            disks = lambda one: len(list(metricsutils.get_disk_metrics(one.name)))
            said = [[metricsutils.get_memory_metrics(one.name), disks(one)] for one in made]
        """)
        self.assertEqual([[0, 1], [512, 1]], said)

    def test_what_happens_at_the_hosts_shutdown(self):
        image = self.add_image("vhdx")
        said = self.nova(f"""
            said, settings = [], lambda one: hyperv._vmops._vmutils._lookup_vm_check(one.name)
            for number, shuts_down in enumerate((False, True), start=1):
                CONF.set_override("instance_automatic_shutdown", shuts_down, group="hyperv")
                made = spawn(instance(f"x-{{number}}", image_ref="{image}"), "vhdx")
                said.append(settings(made).AutomaticShutdownAction)
            CONF.clear_override("instance_automatic_shutdown", group="hyperv")
        """)
        self.assertEqual([3, 4], said)  # save, shut down

    @feature("Diagnostics")
    def test_diagnostics(self):
        image = self.add_image("vhdx")
        said = self.nova(f"""
            from nova.network import model
            from unittest import mock
            made = spawn(instance(image_ref="{image}"), "vhdx", [vif()])
            network_info = model.NetworkInfo([vif()])
            with mock.patch("nova.objects.Instance.get_network_info", return_value=network_info):
                found = hyperv.get_instance_diagnostics(made)
            said = [found.state, found.num_cpus, found.num_disks, found.memory_details.used, found.uptime,
                    hyperv.get_diagnostics(made)["memory_used_mb"]]
        """)
        self.assertEqual(["running", 2, 1, 512, 0, 512], said)
