# SPDX-License-Identifier: Apache-2.0
from tests.contract.driver.on_hyperv import OnHyperVTest
from tests.features import feature
from tests.unit.driver.test_images import changed_vhd

RUNNING, PAUSED, SHUTDOWN = 1, 3, 4  # nova.compute.power_state


class LifecycleTest(OnHyperVTest):
    @feature(
        "Spawn and destroy, generation 1",
        "Power on and off, soft and hard reboot",
        "Pause and unpause",
        "Ephemeral disks",
        "VHD and VHDX images, copy-on-write",
    )
    def test_generation_1_from_vhdx(self):
        image = self.add_image("vhdx")
        said = self.nova(f"""
            said = {{}}
            ports = [vif(), vif(address="fa:16:3e:00:00:02", details={{"vlan": "101"}})]
            made = spawn(instance(image_ref="{image}"), "vhdx", ports, {{"ephemerals": [{{"size": 1}}]}})
            state = lambda: hyperv.get_info(made).state
            said["spawned"] = [state(), hyperv.list_instances() == [made.name],
                               hyperv.list_instance_uuids() == [made.uuid], hyperv.instance_exists(made)]
            states = []
            for change in (
                lambda: hyperv.pause(made),
                lambda: hyperv.unpause(made),
                lambda: hyperv.power_off(made),
                lambda: hyperv.power_on(admin, made, ports),
                lambda: hyperv.reboot(admin, made, ports, "SOFT"),
                lambda: hyperv.reboot(admin, made, ports, "HARD"),
                lambda: hyperv.power_off(made, timeout=20, retry_interval=5),
            ):
                change()
                states.append(state())
            said["states"] = states
            hyperv.plug_vifs(made, ports)
            hyperv.unplug_vifs(made, ports)
            vmutils = hyperv._vmops._vmutils
            said["nics"] = sorted(vmutils.get_vm_nic_names(made.name)) == sorted(port["id"] for port in ports)
            root = vmutils.get_vm_storage_paths(made.name)[0][0]
            said["root"] = root.rpartition("\\\\")[2]
            vhdutils = hyperv._diskops._vhdutils
            said["parent"] = vhdutils.get_vhd_parent_path(root)
            said["size"] = vhdutils.get_vhd_size(root)["VirtualSize"]
            hyperv.destroy(admin, made, ports)
            said["left"] = [hyperv.list_instances(), os.listdir(INSTANCES)]
        """)
        self.assertEqual([RUNNING, True, True, True], said["spawned"])
        self.assertEqual([PAUSED, RUNNING, SHUTDOWN, RUNNING, RUNNING, RUNNING, SHUTDOWN], said["states"])
        self.assertTrue(said["nics"])
        self.assertEqual("root.vhdx", said["root"])
        self.assertEqual(rf"C:\OpenStack\instances\_base\{image}.vhdx".lower(), said["parent"].lower())
        self.assertEqual(2**30, said["size"])
        self.assertEqual([[], ["_base"]], said["left"])

    @feature("Spawn and destroy, generation 2", "OpenStack named to guests (chassis asset tag)")
    def test_generation_2_from_vhdx(self):
        image = self.add_image("vhdx")
        said = self.nova(f"""
            made = spawn(instance(image_ref="{image}"), "vhdx", [vif()], hw_machine_type="hyperv-gen2")
            vmutils = hyperv._vmops._vmutils
            said = [hyperv.get_info(made).state, vmutils.get_vm_generation(made.name),
                    [os.path.basename(path) for path in vmutils.get_vm_storage_paths(made.name)[0]],
                    vmutils._lookup_vm_check(made.name).ChassisAssetTag]
            hyperv.destroy(admin, made, [])
        """)
        self.assertEqual([RUNNING, 2, ["root.vhdx"], "OpenStack Nova"], said)

    @feature("VHD and VHDX images, copy-on-write")
    def test_vhd_shares_a_grown_copy(self):
        image = self.add_image("vhd")
        said = self.nova(f"""
            vhdutils = hyperv._diskops._vhdutils
            said = []
            for name in ("x-1", "x-2"):
                made = spawn(instance(name, image_ref="{image}"), "vhd")
                root = hyperv._vmops._vmutils.get_vm_storage_paths(made.name)[0][0]
                said.append([os.path.basename(vhdutils.get_vhd_parent_path(root)).lower(),
                             vhdutils.get_vhd_size(root)["VirtualSize"]])
        """)
        self.assertEqual(2 * [[f"{image}_1g.vhd", 2**30]], said)

    @feature("VHD and VHDX images, copied")
    def test_copies_without_cow(self):
        images = {disk_format: self.add_image(disk_format) for disk_format in ("vhd", "vhdx")}
        said = self.nova(f"""
            CONF.set_override("use_cow_images", False)
            said = []
            for name, (disk_format, image) in enumerate({images}.items()):
                made = spawn(instance(f"x-{{name}}", image_ref=image), disk_format)
                root = hyperv._vmops._vmutils.get_vm_storage_paths(made.name)[0][0]
                vhdutils = hyperv._diskops._vhdutils
                said.append([vhdutils.get_vhd_parent_path(root), vhdutils.get_vhd_size(root)["VirtualSize"]])
        """)
        self.assertEqual(2 * [[None, 2**30]], said)

    def test_hyperv_refuses_and_nothing_is_left(self):
        image = self.add_image("vhdx")
        said = self.nova(f"""
            too_much = instance(image_ref="{image}", flavor=flavor(memory_mb=1024 * 1024))
            spawn(too_much, "vhdx", [vif()])
        """)
        self.assertEqual("NovaException: spawn: ", said["raised"][:22])
        self.assertEqual(["_base"], self.nova("said = os.listdir(INSTANCES)"))

    @feature("Many builds at once on native threads")
    def test_many_at_once(self):
        image = self.add_image("vhdx")
        said = self.nova(f"""
            import concurrent.futures
            def life(number):
                made = spawn(instance(f"x-{{number}}", image_ref="{image}"), "vhdx", [vif()])
                hyperv.reboot(admin, made, [], "HARD")
                state = hyperv.get_info(made).state
                hyperv.destroy(admin, made, [])
                return state
            with concurrent.futures.ThreadPoolExecutor(8) as threads:
                said = [list(threads.map(life, range(16))), hyperv.list_instances()]
        """)
        self.assertEqual([16 * [RUNNING], []], said)


class AnsweredAtOnceTest(LifecycleTest):
    """Hyper-V may answer at once what it may do as a job: the same holds."""

    job_seconds = 0


class HostTest(OnHyperVTest):
    @feature("Host resources in placement", "Host uptime")
    def test_resources_are_the_hosts(self):
        said = self.nova("""
            from nova.compute import provider_tree
            (node,) = hyperv.get_available_nodes()
            tree = provider_tree.ProviderTree()
            tree.new_root(node, "11111111-1111-4111-8111-111111111111")
            hyperv.update_provider_tree(tree, node)
            said = [hyperv.get_available_resource(node),
                    {name: record["total"] for name, record in tree.data(node).inventory.items()},
                    hyperv.get_host_uptime()]
        """)
        resources, totals, uptime = said
        facts = self.model.facts
        self.assertEqual(facts.logical_processors * facts.sockets, resources["vcpus"])
        self.assertEqual(facts.memory_mb, resources["memory_mb"])
        self.assertEqual(
            ["hyperv", 10020348], [resources[f"hypervisor_{name}"] for name in ("type", "version")]
        )
        self.assertEqual(
            {"VCPU": resources["vcpus"], "MEMORY_MB": facts.memory_mb, "DISK_GB": resources["local_gb"]},
            totals,
        )
        self.assertGreater(resources["local_gb"], 0)
        self.assertRegex(uptime, r" up \d+ days, ")

    @feature("Host resources in placement")
    def test_a_host_that_gets_more_is_seen(self):
        told = """
            from nova.compute import provider_tree
            (node,) = hyperv.get_available_nodes()
            tree = provider_tree.ProviderTree()
            tree.new_root(node, "11111111-1111-4111-8111-111111111111")
            hyperv.update_provider_tree(tree, node)
            resources, inventory = hyperv.get_available_resource(node), tree.data(node).inventory
            said = [[resources[name] for name in ("vcpus", "memory_mb")],
                    [inventory[name]["total"] for name in ("VCPU", "MEMORY_MB")]]
        """
        before = self.nova(told)
        self.assertEqual(before[0], before[1])
        vcpus, memory_mb = before[0]
        (windows,) = self.model.store.of("root/cimv2", "Win32_OperatingSystem")
        processors = self.model.store.of("root/cimv2", "Win32_Processor")
        changes = [(windows, "TotalVisibleMemorySize", (memory_mb + 1024) * 1024)]
        name = "NumberOfLogicalProcessors"
        changes += [(processor, name, 2 * processor[name]) for processor in processors]
        for instance, name, value in changes:
            self.addCleanup(instance.__setitem__, name, instance[name])
            instance[name] = value
        self.assertEqual(2 * [[2 * vcpus, memory_mb + 1024]], self.nova(told))

    @feature("Host power")
    def test_the_host_goes_down_if_told_to(self):
        asked = []
        self.model.on_shutdown = asked.append
        self.addCleanup(setattr, self.model, "on_shutdown", None)
        said = self.nova("""
            said = [hyperv.host_power_action(action) for action in ("reboot", "shutdown")]
            hyperv.host_power_action("startup")
        """)
        self.assertEqual([True, False], asked)
        self.assertEqual(
            "NotImplementedError: host power action startup, expected one of: reboot, shutdown",
            said["raised"],
        )

    @feature("Trusted image certificates")
    def test_images_are_verified_as_they_are_fetched(self):
        image = self.add_image("vhdx", "55555555")
        said = self.nova(f"""
            from nova import exception, objects
            from unittest import mock
            def refuse(_api, _context, image_id, data=None, dest_path=None, trusted_certs=None):
                raise exception.CertificateValidationFailed(cert_uuid="one", reason=str(trusted_certs.ids))
            certs = objects.TrustedCerts(ids=["signed-by-nobody"])
            glance = mock.patch("nova.image.glance.API.download", refuse)
            with glance, mock.patch.object(images, "fetch", real):
                spawn(instance(image_ref="{image}", trusted_certs=certs), "vhdx")
        """)
        self.assertIn("CertificateValidationFailed", said["raised"])
        self.assertIn("signed-by-nobody", said["raised"])
        cached = self.nova('said = os.listdir(os.path.join(INSTANCES, "_base"))')
        self.assertEqual([], [name for name in cached if image in name])

    @feature("Lifecycle events", "Console log")
    def test_events_and_console(self):
        image = self.add_image("vhdx")
        said = self.nova(f"""
            from hyperv_driver import powerops
            events = []
            heard = lambda event: events.append([event.get_name(), event.get_instance_uuid()])
            made = spawn(instance(image_ref="{image}"), "vhdx")
            time.sleep(2.5)  # Windows compares with its last look: until then the machine is new, not changed
            hyperv.register_event_listener(heard)
            vmutils = hyperv._vmops._vmutils
            for number, state in enumerate((powerops.OFF, powerops.RUNNING), start=1):
                vmutils.set_vm_state(made.name, state)  # not by nova
                wait_for(lambda: len(events) == number)
            output = lambda: hyperv.get_console_output(admin, made)
            wait_for(lambda: len(output().splitlines()) > 12)
            said = [[[name, uuid == made.uuid] for name, uuid in events], output()]
        """)
        self.assertEqual([["Stopped", True], ["Started", True]], said[0])
        self.assertGreater(len(said[1].splitlines()), 12)

    @feature("Serial console")
    def test_serial_console(self):
        image = self.add_image("vhdx")
        said = self.nova(f"""
            import socket
            CONF.set_override("enabled", True, group="serial_console")
            made = spawn(instance("x-1", image_ref="{image}"), "vhdx")
            CONF.clear_override("enabled", group="serial_console")
            console = hyperv.get_serial_console(admin, made)
            booted = wait_for(lambda: "Simulated guest" in hyperv.get_console_output(admin, made))
            with socket.create_connection((console.host, console.port), timeout=20) as client:
                client.sendall(b"echo of what is typed")
                read_until(client, b"is typed")
                hyperv.reboot(admin, made, [], "HARD")
                read_until(client, b"Simulated guest")
            said = [booted, "echo of what" in hyperv.get_console_output(admin, made)]
        """)
        self.assertEqual([True, True], said)

    @feature("Serial ports of console and log, by the image")
    def test_console_and_log_on_ports_of_their_own(self):
        image = self.add_image("vhdx")
        said = self.nova(f"""
            import socket
            CONF.set_override("enabled", True, group="serial_console")
            properties = {{"image_interactive_serial_port": "2", "image_logging_serial_port": "1"}}
            made = spawn(instance("x-1", image_ref="{image}", system_metadata=properties), "vhdx")
            hyperv.cleanup_host("this")
            hyperv = driver.HyperVDriver(FakeVirtAPI())
            hyperv.init_host("this")
            CONF.clear_override("enabled", group="serial_console")
            console = hyperv.get_serial_console(admin, made)
            with socket.create_connection((console.host, console.port), timeout=20) as client:
                client.sendall(b"echo of what is typed")
                read_until(client, b"is typed")
            hyperv.reboot(admin, made, [], "HARD")
            logged = wait_for(lambda: "Simulated guest" in hyperv.get_console_output(admin, made))
            said = [logged, "is typed" in hyperv.get_console_output(admin, made),
                    hyperv._vmops._vmutils.get_vm_serial_port_connections(made.name)]
        """)
        self.assertEqual([True, False], said[:2])
        self.assertEqual(["nova-console", "nova-terminal"], [path[9:].rsplit("-", 5)[0] for path in said[2]])

    def test_restarted_service_finds_its_instances(self):
        image = self.add_image("vhdx")
        said = self.nova(f"""
            made = spawn(instance("x-1", image_ref="{image}"), "vhdx", [vif()])
            hyperv.cleanup_host("this")
            hyperv = driver.HyperVDriver(FakeVirtAPI())
            hyperv.init_host("this")
            before = len(hyperv.get_console_output(admin, made))
            hyperv.reboot(admin, made, [], "HARD")
            grown = wait_for(lambda: len(hyperv.get_console_output(admin, made)) > before + 200)
            said = [hyperv.list_instances(), hyperv.get_info(made).state, grown]
        """)
        self.assertEqual([["instance-00000001"], RUNNING, True], said)

    def test_host_without_a_folder_of_instances(self):
        said = self.nova("""
            folder = r"C:\\OpenStack\\new\\instances"
            CONF.set_override("instances_path", folder)
            try:
                hyperv.cleanup_host("this")
                hyperv = driver.HyperVDriver(FakeVirtAPI())
                hyperv.init_host("this")
                said = [hyperv.get_available_resource(*hyperv.get_available_nodes())["local_gb"] > 0,
                        os.listdir(folder)]
            finally:
                CONF.set_override("instances_path", INSTANCES)
        """)
        self.assertEqual([True, []], said)

    def test_first_external_switch_without_a_name(self):
        image = self.add_image("vhdx")
        said = self.nova(f"""
            CONF.clear_override("vswitch_name", group="hyperv")
            try:
                hyperv._networkops.check_switch()
                spawn(instance("x-1", image_ref="{image}"), "vhdx", [port := vif()])
            finally:
                CONF.set_override("vswitch_name", "external", group="hyperv")
            networkutils = hyperv._networkops._networkutils
            said = networkutils._get_switch_port_allocation(port["id"])[0].HostResource
        """)
        (switch,) = self.model.store.of("root/virtualization/v2", "Msvm_VirtualEthernetSwitch")
        self.assertIn(switch["Name"], said[0])

    @feature("Images inspected before Hyper-V sees them")
    def test_image_that_brings_a_parent(self):
        image = self.add_image("vhd", "33333333")
        data = changed_vhd((self.glance / image).read_bytes(), parent_name=r"C:\Windows\secret.vhd")
        (self.glance / image).write_bytes(data)
        said = self.nova(f"""
            spawn(instance(image_ref="{image}"), "vhd")
        """)
        self.assertIn("ImageUnacceptable", said["raised"])
        self.assertIn("a dynamic disk that names a parent", said["raised"])
        self.assertEqual([], [path for path in self.c_drive.rglob("*") if path.name.startswith(image)][1:])
