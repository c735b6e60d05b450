# SPDX-License-Identifier: Apache-2.0
import os
import pathlib
import shutil
from unittest import mock

from nova import exception
from nova.compute import power_state
from nova.network import model

from hyperv_driver import iso9660, oswin
from tests.unit.driver import base
from tests.unit.driver.base import GIB, MIB, instance, vif

GENERATION_2 = {"hw_machine_type": "hyperv-gen2"}
SECURE = {"os_secure_boot": "required"}


class SpawnTest(base.DriverTestCase):
    def state(self, made):
        return self.driver.get_info(made).state

    def test_running_with_what_the_flavor_says(self):
        made = self.spawn()
        self.assertEqual(power_state.RUNNING, self.state(made))
        self.assertEqual((512, 2), (self.vm(made)["memory_mb"], self.vm(made)["vcpus"]))
        self.assertEqual([made.name], self.driver.list_instances())
        self.assertEqual([made.uuid], self.driver.list_instance_uuids())
        self.assertEqual(str(self.instances / made.name), self.vm(made)["path"])

    def test_host_of_machines_if_the_flavor_or_image_requires_it(self):
        self.config(dynamic_memory_ratio=2.0, group="hyperv")
        required = {"trait:HW_CPU_X86_VMX": "required"}
        forbidden = {"trait:HW_CPU_X86_VMX": "forbidden"}
        for number, (specs, properties, expected) in enumerate(
            (
                (required, {}, (True, 1)),
                ({}, {"trait:HW_CPU_X86_SVM": "required"}, (True, 1)),
                (forbidden, {}, (False, 2.0)),
                ({}, {"trait:HW_CPU_X86_AVX": "required"}, (False, 2.0)),
            )
        ):
            made = instance(f"x-{number}", flavor=base.flavor(extra_specs=specs))
            self.spawn(made, properties=properties)
            self.assertEqual(expected, (self.vm(made)["is host"], self.vm(made)["memory_ratio"]))

    def test_stays_off_if_asked(self):
        self.assertEqual(power_state.SHUTDOWN, self.state(self.spawn(power_on=False)))

    def test_generation_1_boots_from_ide(self):
        made = self.spawn()
        self.assertEqual([("ide", str(self.instances / made.name / "root.vhdx"))], self.vm(made)["disks"])
        self.assertEqual(1, self.vm(made)["generation"])

    def test_generation_2_boots_from_scsi(self):
        made = self.spawn(properties={"hw_machine_type": "hyperv-gen2"})
        root = str(self.instances / made.name / "root.vhdx")
        self.assertEqual([("scsi", root)], self.vm(made)["disks"])
        self.assertEqual([root], self.vm(made)["boot"])

    def test_generation_by_the_firmware(self):
        for name, (firmware, generation) in enumerate((("uefi", 2), ("bios", 1))):
            made = self.spawn(instance(f"x-{name}"), properties={"hw_firmware_type": firmware})
            self.assertEqual(generation, self.vm(made)["generation"])

    def test_vhdx_is_a_difference_from_the_image_grown(self):
        made = self.spawn()
        image = str(self.instances / "_base" / f"{made.image_ref}.vhdx")
        self.assertEqual({"size": GIB, "parent": image}, self.disk(made, "root.vhdx"))

    def test_vhd_is_a_difference_from_a_grown_copy(self):
        made = self.spawn(disk_format="vhd")
        grown = str(self.instances / "_base" / f"{made.image_ref}_1G.vhd")
        self.assertEqual({"size": GIB, "parent": grown}, self.disk(made, "root.vhd"))
        self.assertEqual({image_of(grown)}, {image_of(path) for path in (self.instances / "_base").iterdir()})

    def test_flavor_without_a_disk_takes_the_images_size(self):
        for disk_format in ("vhd", "vhdx"):
            made = self.spawn(instance(f"x-{len(disk_format)}", flavor=base.flavor(root_gb=0)), disk_format)
            image = str(self.instances / "_base" / f"{made.image_ref}.{disk_format}")
            self.assertEqual({"size": 20 * MIB, "parent": image}, self.disk(made, f"root.{disk_format}"))

    def test_copy_of_the_image_without_cow(self):
        self.config(use_cow_images=False)
        made = self.spawn()
        root = self.instances / made.name / "root.vhdx"
        self.assertEqual(base.image_file("vhdx"), root.read_bytes())
        self.assertEqual({"size": GIB, "parent": None}, self.disk(made, "root.vhdx"))

    def test_one_semaphore_at_a_time(self):
        # With max_concurrent_disk_ops = 1, whoever takes it twice waits for ever.
        self.config(use_cow_images=False)
        semaphore = OneAtATime()
        self.useFixture_patch("nova.compute.utils.disk_ops_semaphore", semaphore)
        self.spawn(disk_format="vhd")
        self.config(use_cow_images=True)
        self.spawn(instance("x-2"), disk_format="vhd")
        self.assertEqual(2, semaphore.taken)

    def test_unshelved_instance_has_its_image_to_itself(self):
        for disk_format in ("vhdx", "vhd"):
            made = self.spawn(instance(vm_state="shelved_offloaded"), disk_format)
            root = str(self.instances / made.name / f"root.{disk_format}")
            disk = self.host.vhdutils.disks.get(root)
            self.assertEqual((None, GIB), (disk["parent"], disk["size"]))
            self.assertFalse((self.instances / "_base").exists())
            self.driver.destroy(self.context, made, [])

    def test_image_is_fetched_once(self):
        first = self.spawn()
        self.spawn(instance("x-2", image_ref=first.image_ref))
        self.assertEqual([first.image_ref], self.fetches)

    def test_ephemerals(self):
        made = self.spawn(block_device_info={"ephemerals": [{"size": 2}, {"size": 3}]})
        self.assertEqual(3 * GIB, self.disk(made, "ephemeral1.vhdx")["size"])
        self.assertEqual(["ide", "scsi", "scsi"], [bus for bus, _path in self.vm(made)["disks"]])

    def test_swap(self):
        swap = {"device_name": "/dev/sdc", "swap_size": 64}
        made = self.spawn(block_device_info={"swap": swap, "ephemerals": [{"size": 1}]})
        self.assertEqual(64 * MIB, self.disk(made, "swap.vhdx")["size"])
        self.assertEqual(3, len(self.vm(made)["disks"]))

    def test_swap_is_no_smaller_than_hyper_v_s_disks(self):
        made = self.spawn(block_device_info={"swap": {"device_name": "/dev/sdb", "swap_size": 1}})
        self.assertEqual(3 * MIB, self.disk(made, "swap.vhdx")["size"])

    def test_iso_image_beside_an_empty_root_disk(self):
        for number, properties in enumerate(({}, GENERATION_2)):
            made = instance(f"x-{number}")
            self.glance[made.image_ref] = iso9660.image("installer", {"setup.exe": b"MZ"})
            self.spawn(made, "iso", properties=properties)
            folder = self.instances / made.name
            self.assertEqual(self.glance[made.image_ref], (folder / "boot.iso").read_bytes())
            self.assertEqual({"size": GIB, "parent": None}, self.disk(made, "root.vhdx"))
            self.assertEqual(
                {str(folder / "root.vhdx"), str(folder / "boot.iso")},
                {path for _bus, path in self.vm(made)["disks"]},
            )
        self.assertEqual([str(folder / "boot.iso"), str(folder / "root.vhdx")], self.vm(made)["boot"])
        made = instance("x-2", image_ref=made.image_ref, flavor=base.flavor(root_gb=0))
        error = self.assertRaises(exception.InstanceUnacceptable, self.spawn, made, "iso")
        self.assertIn("no root disk to install to", str(error))

    def test_secure_boot(self):
        for os_type, authority in (("linux", "UEFI CA"), ("windows", "Windows")):
            made = self.spawn(instance("x-2"), properties=SECURE | GENERATION_2 | {"os_type": os_type})
            self.assertEqual(authority, self.vm(made)["secure boot"])
            self.driver.destroy(self.context, made, [])
        flavor = base.flavor(extra_specs={"os:secure_boot": "required"})
        made = self.spawn(instance(flavor=flavor), properties=GENERATION_2 | {"os_type": "linux"})
        self.assertEqual("UEFI CA", self.vm(made)["secure boot"])

    def test_dynamic_memory(self):
        self.assertEqual(1.0, self.vm(self.spawn())["memory_ratio"])
        self.config(dynamic_memory_ratio=2.0, group="hyperv")
        self.assertEqual(2.0, self.vm(self.spawn(instance("x-2")))["memory_ratio"])

    def test_adapters(self):
        flat, tagged = vif(), vif(details={"vlan": "101"}, address="fa:16:3e:00:00:02")
        made = self.spawn(vifs=[flat, tagged])
        self.assertEqual(
            {
                flat["id"]: {"mac": "fa:16:3e:00:00:01", "switch": "external"},
                tagged["id"]: {"mac": "fa:16:3e:00:00:02", "switch": "external", "vlan": 101},
            },
            self.vm(made)["nics"],
        )

    def test_waits_for_ports_that_are_not_ready(self):
        self.config(vif_plugging_timeout=5)
        late = vif(active=False)
        self.spawn(vifs=[vif(), late])
        self.assertEqual([("network-vif-plugged", late["id"])], self.virtapi.awaited)

    def test_waits_for_what_an_agent_wires_whatever_neutron_says_from_before(self):
        self.config(vif_plugging_timeout=5)
        again = vif(active=True, details={"hyperv_wired_by_agent": True})
        self.spawn(vifs=[again])
        self.assertEqual([("network-vif-plugged", again["id"])], self.virtapi.awaited)

    def test_listens_before_an_agent_can_see_the_adapter(self):
        seen = []
        self.virtapi.before = lambda: seen.extend(
            nic for vm in self.host.vmutils.vms.values() for nic in vm["nics"]
        )
        self.spawn(vifs=[vif(active=False)])
        self.assertEqual([], seen)

    def test_makes_the_machine_while_neutron_makes_the_ports(self):
        vms = self.host.vmutils.vms
        seen = []

        class AsyncNetworkInfo(list):
            def __iter__(self):
                seen.append([vm["disks"] != [] for vm in vms.values()])
                return super().__iter__()

            def __len__(self):
                return len(list(self))

        network_info = AsyncNetworkInfo([vif()])
        made = instance()
        self.glance[made.image_ref] = base.image_file("vhdx")
        self.driver.spawn(self.context, made, base.image_meta("vhdx"), [], None, {}, network_info)
        self.assertEqual([True], seen[0])

    def test_leaves_to_an_agent_what_it_wires(self):
        port = vif(details={"hyperv_wired_by_agent": True, "vlan": "101"})
        made = self.spawn(vifs=[port])
        self.assertEqual({port["id"]: {"mac": port["address"]}}, self.vm(made)["nics"])

    def test_port_that_never_gets_ready(self):
        self.virtapi.failure = exception.InstanceEventTimeout()
        self.assertRaises(exception.VirtualInterfaceCreateException, self.spawn, vifs=[vif(active=False)])
        self.assertNothingLeft()
        self.config(vif_plugging_is_fatal=False)
        self.assertEqual(power_state.RUNNING, self.state(self.spawn(vifs=[vif(active=False)])))

    def test_port_bound_for_something_else(self):
        for type_ in (model.VIF_TYPE_BINDING_FAILED, model.VIF_TYPE_OVS):
            self.assertRaises(exception.VirtualInterfacePlugException, self.spawn, vifs=[vif(type=type_)])
        self.assertNothingLeft()

    def test_second_instance_of_that_name(self):
        self.spawn()
        self.assertRaises(exception.InstanceExists, self.spawn)
        self.assertEqual(1, len(self.driver.list_instances()))

    def test_image_larger_than_the_flavor(self):
        made = instance()
        self.glance[made.image_ref] = base.image_file("vhdx", size=2 * GIB)
        self.assertRaises(exception.FlavorDiskSmallerThanImage, self.spawn, made)
        self.assertNothingLeft()

    def test_image_that_lies(self):
        made = instance()
        self.glance[made.image_ref] = base.image_file("vhd")
        error = self.assertRaises(exception.ImageUnacceptable, self.spawn, made)
        self.assertIn("its content is vhd, expected vhdx", str(error))
        self.assertNothingLeft()
        self.assertEqual([], os.listdir(self.instances / "_base"))

    def test_what_it_does_not_do_is_refused(self):
        for words, made, arguments in (
            ("files to inject", instance(), {"injected_files": [("/etc/motd", "hello")]}),
            ("takes generation 2", instance(), {"properties": SECURE}),
            ("os_type is None", instance(), {"properties": SECURE | GENERATION_2}),
            ("asks for RemoteFX", instance(flavor=base.flavor(extra_specs={"os:resolution": "1x1"})), {}),
            ("hw_machine_type is pc", instance(), {"properties": {"hw_machine_type": "pc"}}),
            ("hw_firmware_type is uefi, and hw_machine_type hyperv-gen1", instance(),
             {"properties": {"hw_machine_type": "hyperv-gen1", "hw_firmware_type": "uefi"}}),
            ("bios with hyperv-gen1 or uefi with hyperv-gen2", instance(),
             {"properties": {"hw_machine_type": "hyperv-gen2", "hw_firmware_type": "bios"}}),
            ("cannot have VHD disks", instance(),
             {"disk_format": "vhd", "properties": GENERATION_2}),
        ):  # fmt: skip
            error = self.assertRaises(exception.InstanceUnacceptable, self.spawn, made, **arguments)
            self.assertIn(words, str(error))
        self.assertEqual([], self.fetches)

    def test_name_that_is_no_folders(self):
        (self.instances / "_base").mkdir()
        self.config(instance_name_template="%(display_name)s")
        for name in ("..", "..\\..\\Windows", "../..", "C:\\x", "_base", "x_aside", "x.", "x ", "a'b", ""):
            made = instance(display_name=name)
            error = self.assertRaises(exception.InstanceUnacceptable, self.spawn, made)
            self.assertIn("is to be that of a folder", str(error))
            self.driver.destroy(self.context, made, [])
        self.assertEqual(["_base"], os.listdir(self.instances))
        self.spawn(instance(display_name="x-1.example.org"))

    def test_nova_gives_up_what_no_host_can_do(self):
        # nova.compute.manager: of these it tells the user, of any other it tries the next host.
        error = self.assertRaises(exception.InvalidInput, self.spawn, properties={"hw_machine_type": "pc"})
        self.assertIn("is unacceptable: hw_machine_type is pc", error.format_message())

    def test_image_of_another_format(self):
        made = instance()
        self.glance[made.image_ref] = b""
        error = self.assertRaises(
            exception.InstanceUnacceptable,
            self.driver.spawn, self.context, made, base.image_meta("qcow2"), [], None, {},
        )  # fmt: skip
        self.assertIn("its image is qcow2, expected one of: vhd, vhdx, iso", str(error))

    def test_failure_of_hyperv_leaves_nothing_and_is_novas_exception(self):
        failing = mock.patch.object(
            self.host.vmutils, "attach_ide_drive", side_effect=oswin.exceptions.HyperVException("no slot")
        )
        with failing:
            error = self.assertRaises(exception.NovaException, self.spawn)
        self.assertEqual("spawn: no slot", str(error))
        self.assertNothingLeft()

    def test_leftovers_of_a_former_attempt(self):
        made = instance()
        leftover = self.instances / made.name / "root.vhdx.part"
        leftover.parent.mkdir()
        leftover.write_text("half")
        self.spawn(made)
        self.assertFalse(leftover.exists())

    def disk(self, made, name):
        return self.host.vhdutils.disks[str(self.instances / made.name / name)]

    def assertNothingLeft(self):
        self.assertEqual([], self.driver.list_instances())
        self.assertEqual([], [name for name in os.listdir(self.instances) if name != "_base"])


class OneAtATime:
    """A semaphore that fails rather than waits."""

    def __init__(self):
        self.held = False
        self.taken = 0

    def __enter__(self):
        assert not self.held
        self.held = True
        self.taken += 1

    def __exit__(self, *_exception):
        self.held = False


def image_of(path):
    return pathlib.Path(path).name.partition("_")[0].partition(".")[0]


class DestroyTest(base.DriverTestCase):
    def test_takes_machine_and_files(self):
        made = self.spawn()
        self.driver.destroy(self.context, made, [])
        self.assertEqual([], self.driver.list_instances())
        self.assertFalse((self.instances / made.name).exists())

    def test_may_keep_the_disks(self):
        made = self.spawn()
        self.driver.destroy(self.context, made, [], destroy_disks=False)
        self.assertTrue((self.instances / made.name / "root.vhdx").exists())
        self.driver.cleanup(self.context, made, [])
        self.assertFalse((self.instances / made.name).exists())

    def test_machine_that_is_gone(self):
        made = instance()
        (self.instances / made.name).mkdir()
        self.driver.destroy(self.context, made, [])
        self.assertFalse((self.instances / made.name).exists())

    def test_lingering_files(self):
        made = instance()
        (self.instances / made.name).mkdir()
        (self.instances / f"{made.name}_aside").mkdir()  # of a resize that failed
        self.assertTrue(self.driver.delete_instance_files(made))
        self.assertEqual([], os.listdir(self.instances))


class ImageCacheTest(base.DriverTestCase):
    def test_unused_images_are_removed_when_old(self):
        used, unused = self.spawn(disk_format="vhd"), self.spawn(instance("x-2"), disk_format="vhd")
        self.config(remove_unused_original_minimum_age_seconds=0, group="image_cache")
        for path in (self.instances / "_base").iterdir():
            os.utime(path, (0, 0))
        self.driver.manage_image_cache(self.context, [used])
        left = {image_of(path) for path in (self.instances / "_base").iterdir()}
        self.assertEqual(({used.image_ref}, 2), (left, len(os.listdir(self.instances / "_base"))))
        self.assertNotIn(unused.image_ref, left)

    def age_all(self):
        self.config(remove_unused_original_minimum_age_seconds=3600, group="image_cache")
        for path in (self.instances / "_base").iterdir():
            os.utime(path, (0, 0))

    def test_an_image_that_disks_aside_need_stays(self):
        made = self.spawn(disk_format="vhd")
        self.config(my_ip="192.0.2.7")
        self.driver.migrate_disk_and_power_off(self.context, made, "192.0.2.7", base.flavor(), [])
        needed = self.host.vhdutils.disks[str(self.instances / f"{made.name}_aside" / "root.vhd")]["parent"]
        self.age_all()
        self.driver.manage_image_cache(self.context, [])  # nova has it on another host
        self.assertEqual([os.path.basename(needed)], os.listdir(self.instances / "_base"))

    def test_what_was_never_finished_goes_though_its_image_is_used(self):
        made = self.spawn()
        for name in (f"{made.image_ref}.vhdx.1.part", f"{made.image_ref}_1G.vhd.1.part.vhd"):
            (self.instances / "_base" / name).write_text("")
        self.age_all()
        self.driver.manage_image_cache(self.context, [made])
        self.assertEqual([f"{made.image_ref}.vhdx"], os.listdir(self.instances / "_base"))

    def test_another_host_fetches_it_at_the_same_time(self):
        made = instance(flavor=base.flavor(root_gb=2))
        self.glance[made.image_ref] = base.image_file("vhd")
        cache, pathutils = self.instances / "_base", self.host.pathutils

        def rename(part, path):
            # As Windows does, which replaces nothing.
            if path.endswith(".vhd") and cache in pathlib.Path(path).parents:
                shutil.copy(part, path)
                raise FileExistsError(path)
            os.rename(part, path)

        with mock.patch.object(pathutils, "rename", rename):
            first = self.driver._imagecache.get(self.context, made.image_ref, "vhd")
        self.assertEqual([os.path.basename(first)], os.listdir(cache))
        parts = []

        def note(part, path):
            parts.append(part)
            os.rename(part, path)

        with mock.patch.object(pathutils, "rename", note):
            for _host in range(2):
                (cache / f"{made.image_ref}.vhd").unlink()
                self.driver._imagecache.get(self.context, made.image_ref, "vhd")
        self.assertEqual(2, len(set(parts)))

    def test_what_another_driver_cached_is_inspected(self):
        first, second = instance("x-1"), instance("x-2")
        (self.instances / "_base").mkdir()
        (self.instances / "_base" / f"{first.image_ref}.vhdx").write_bytes(base.image_file("vhdx"))
        lie = self.instances / "_base" / f"{second.image_ref}.vhdx"
        lie.write_bytes(base.image_file("vhd"))
        self.spawn(first)
        error = self.assertRaises(exception.ImageUnacceptable, self.spawn, second)
        self.assertIn("its content is vhd, expected vhdx", str(error))
        self.assertEqual(([], True), (self.fetches, lie.exists()))

    def test_one_that_cannot_be_removed_keeps_no_other(self):
        made = self.spawn(), self.spawn(instance("x-2"))
        self.age_all()
        busy = str(self.instances / "_base" / f"{made[0].image_ref}.vhdx")

        def remove(path):
            if path == busy:
                raise PermissionError("used by another process")
            os.remove(path)

        with mock.patch.object(self.host.pathutils, "remove", remove):
            self.driver.manage_image_cache(self.context, [])
        self.assertEqual([os.path.basename(busy)], os.listdir(self.instances / "_base"))

    def test_young_ones_stay_and_use_makes_young(self):
        made = self.spawn()
        image = self.instances / "_base" / f"{made.image_ref}.vhdx"
        os.utime(image, (0, 0))
        self.spawn(instance("x-2", image_ref=made.image_ref))
        self.driver.manage_image_cache(self.context, [])
        self.assertTrue(image.exists())

    def test_fetched_ahead_of_need(self):
        image = base.instance().image_ref
        self.glance[image] = base.image_file("vhdx")
        self.useFixture_patch("nova.image.glance.API.get", lambda *_arguments: {"disk_format": "vhdx"})
        self.assertTrue(self.driver.cache_image(self.context, image))
        self.assertFalse(self.driver.cache_image(self.context, image))
        self.spawn(instance(image_ref=image))
        self.assertEqual([image], self.fetches)

    def test_nothing_cached_yet(self):
        self.driver.manage_image_cache(self.context, [])
