# SPDX-License-Identifier: Apache-2.0
"""Volumes over iSCSI: os-brick's Windows connector on os-win, on the simulated initiator and its targets."""

import textwrap

from lab.hyperv_model import iscsi, storage
from lab.hyperv_model.host import HostFacts
from lab.hyperv_model.jobs import Fault
from lab.hyperv_model.storage_network import FibreChannelTarget, Lun, Target
from tests.contract.driver.on_hyperv import OnHyperVTest
from tests.features import feature

ONE, TWO = "11111111-aaaa-4000-8000-000000000001", "22222222-aaaa-4000-8000-000000000002"
IQN = "iqn.2026-01.org.example:{}"
PORTAL, OTHER_PORTAL = ("192.0.2.10", 3260), ("192.0.2.11", 3260)
GIB = 1024**3
RUNNING, SHUTDOWN = 1, 4  # nova.compute.power_state
GENERATIONS = ("hyperv-gen1", "hyperv-gen2")


class OnTargetsTest(OnHyperVTest):
    def setUp(self):
        super().setUp()
        self.network = self.model.storage_network
        # As cinder's LVM driver does it: each volume has a target of its own.
        self.one, self.two = (self.add_target(name, number) for number, name in enumerate(("one", "two")))
        self.addCleanup(self.disconnect)
        self.image = self.add_image("vhdx")

    def add_target(self, name, *numbers):
        luns = {number: Lun(GIB, f"60014050000000000000000000{name:0>4}{number:02x}") for number in numbers}
        return self.network.add(Target(IQN.format(name), luns=luns))

    def disconnect(self):
        self.nova("")
        initiator = self.model.initiator
        for session in list(initiator.sessions.values()):
            initiator.log_out(session)
        initiator.static.clear()
        initiator.persistent.clear()
        for target in list(self.network.targets.values()):
            self.network.remove(target)

    def nova(self, code):
        names = f"""
            ONE = "{ONE}"
            one = iscsi_volume(ONE)
            two = iscsi_volume("{TWO}", lun=1, target_iqn="{IQN.format("two")}")
            image = "{self.image}"
        """
        return super().nova(textwrap.dedent(names) + textwrap.dedent(code))

    def drives(self, name="instance-00000001"):
        """(volume's id, controller, number of the disk) of the machine's physical drives."""
        machine = next(machine for machine in self.model.machines.values() if machine.name == name)
        controllers = {part.path: part["ResourceSubType"].split()[-2] for part in machine.of(storage.RASD)}
        return [
            (
                drive["ElementName"],
                controllers[drive["Parent"]],
                self.model.store.at(drive["HostResource"][0])["DriveNumber"],
            )
            for drive in machine.of(storage.RASD, storage.PHYSICAL_DRIVE)
        ]

    def assert_nothing_is_connected(self):
        initiator = self.model.initiator
        self.assertEqual(({}, [], []), (initiator.sessions, initiator.persistent, initiator.static))
        self.assertEqual({}, self.model.disks)


class VolumesTest(OnTargetsTest):
    def test_connector(self):
        said = self.nova("""
            CONF.set_override("my_ip", "192.0.2.7")
            CONF.set_override("host", "hv1")
            said = hyperv.get_volume_connector(None)
        """)
        self.assertEqual("iqn.1991-05.com.microsoft:hv1", said["initiator"])
        found = [said[name] for name in ("ip", "host", "os_type", "multipath")]
        self.assertEqual(["192.0.2.7", "hv1", "win32", False], found)

    @feature("Attach and detach volumes", "Volumes over iSCSI")
    def test_a_running_server_gets_volumes_and_loses_them(self):
        for machine_type in GENERATIONS:
            said = self.nova(f"""
                made, keep = spawn(instance(image_ref=image), "vhdx", hw_machine_type="{machine_type}"), True
                hyperv.attach_volume(admin, one, made, "/dev/sdb")
                hyperv.attach_volume(admin, two, made, "/dev/sdc", disk_bus="scsi")
                said = [hyperv.get_info(made).state, hyperv.get_diagnostics(made)["disks"]]
            """)
            self.assertEqual([RUNNING, 3], said)
            self.assertEqual([(ONE, "SCSI", 1), (TWO, "SCSI", 2)], self.drives())
            self.nova("""
                keep = True
                hyperv.detach_volume(admin, one, made, "/dev/sdb")
            """)
            self.assertEqual([(TWO, "SCSI", 2)], self.drives())
            self.assertEqual(
                [self.two.name], [session.name for session in self.model.initiator.sessions.values()]
            )
            self.nova("""
                for _again in range(2):
                    hyperv.detach_volume(admin, two, made, "/dev/sdc")
            """)
            self.assert_nothing_is_connected()

    @feature("Device tagging")
    def test_tagged_devices(self):
        for machine_type, root in zip(GENERATIONS, (["ide", "0:0"], ["scsi", "0:0:0:0"]), strict=True):
            said = self.nova(f"""
                from unittest import mock
                from nova.api.metadata import base as metadata
                from nova.objects import Instance
                made, port, described = instance(image_ref=image, config_drive="True"), vif(), []
                Instance.save, save = lambda _instance: None, Instance.save
                records.add_adapter(port, "nic")
                records.add_disk("boot", "image")
                records.add_disk("first", volume_id=one["serial"])
                def told(instance, **_arguments):
                    described.append(len(instance.device_metadata.devices))
                    return mock.Mock(metadata_for_config_drive=lambda: [("ec2/meta", b"{{}}")])
                with mock.patch("nova.api.metadata.base.InstanceMetadata", told):
                    spawn(made, "vhdx", [port], with_volumes(one), hw_machine_type="{machine_type}")
                records.add_disk("later", volume_id=two["serial"])
                hyperv.attach_volume(admin, two, made, "/dev/sdc")
                if "{machine_type}" == "hyperv-gen1":
                    hyperv.power_off(made)  # it takes no adapter while it runs
                late = vif(address="fa:16:3e:00:00:02")
                records.add_adapter(late, "late nic")
                hyperv.attach_interface(admin, made, None, late)
                hyperv.power_on(admin, made, [port, late], with_volumes(one, two))
                Instance.save = save
                api = mock.Mock(instance=made, _check_os_version=lambda *_: True)
                devices = metadata.InstanceMetadata._get_device_metadata(api, "latest")
                dvds = hyperv._vmops._vmutils.get_vm_dvd_disk_paths(made.name)
                said = [described, [[device["bus"], device["address"], device["tags"]] for device in devices],
                        [os.path.basename(dvd) for dvd in dvds], hyperv.get_info(made).state]
                hyperv.destroy(admin, made, [port], with_volumes(one, two))
                records.adapters.clear()
                records.disks.clear()
            """)
            first, later = (0, 1) if root[0] == "ide" else (1, 3)
            expected = [
                ["pci", "none", ["nic"]],
                [*root, ["boot"]],
                ["scsi", f"0:0:0:{first}", ["first"]],
                ["scsi", f"0:0:0:{later}", ["later"]],
                ["pci", "none", ["late nic"]],
            ]
            self.assertEqual([[3], expected, ["configdrive.iso"], RUNNING], said)

    @feature("Boot from volume")
    def test_boot_from_volume(self):
        for machine_type, bus in zip(GENERATIONS, ("IDE", "SCSI"), strict=True):
            said = self.nova(f"""
                volumes = one, two
                made, keep = boot_from_volume(instance(), *volumes, hw_machine_type="{machine_type}"), True
                hyperv.reboot(admin, made, [], "HARD", with_volumes(*volumes, boot=True))
                disks = [name for name in os.listdir(os.path.join(INSTANCES, made.name)) if "vhd" in name]
                said = [hyperv.get_info(made).state, disks]
            """)
            self.assertEqual([RUNNING, []], said)
            self.assertEqual([(ONE, bus, 1), (TWO, "SCSI", 2)], self.drives())
            self.nova("hyperv.destroy(admin, made, [], with_volumes(*volumes, boot=True))")
            self.assert_nothing_is_connected()

    @feature("Boot from volume", "Resize on the same host")
    def test_resize_and_its_revert(self):
        said = self.nova("""
            from unittest import mock
            CONF.set_override("my_ip", "192.0.2.7")
            small, large = flavor(memory_mb=512), flavor(memory_mb=1024)
            made = instance(flavor=small)
            volumes = with_volumes(one, two, boot=True)
            boot_from_volume(made, one, two)
            vmutils = hyperv._vmops._vmutils
            def seen():
                state, memory = hyperv.get_info(made).state, vmutils.get_vm_memory_info(made.name)["Limit"]
                return [state, memory, sorted(vmutils.get_vm_physical_disk_mapping(made.name))]
            hyperv.migrate_disk_and_power_off(admin, made, "192.0.2.7", large, [], volumes)
            said = [hyperv._volumeops._connectors.of("iscsi")._iscsi_utils.get_targets()]
            made.old_flavor, made.flavor = small, large
            hyperv.finish_migration(admin, None, made, "", [], image_meta(None), True, {}, volumes)
            said.append(seen())
            made.task_state = "resize_reverting"
            hyperv.destroy(admin, made, [], volumes)
            made.flavor, made.task_state = small, None
            with mock.patch("nova.objects.Instance.image_meta", image_meta(None)):
                hyperv.finish_revert_migration(admin, made, [], None, volumes)
            said.append(seen())
            hyperv.destroy(admin, made, [], volumes)
        """)
        self.assertEqual([[], [RUNNING, 1024, [ONE, TWO]], [RUNNING, 512, [ONE, TWO]]], said)
        self.assert_nothing_is_connected()

    def test_volumes_at_one_target_share_a_session(self):
        self.one.luns[7] = Lun(GIB, "60014050000000000000000000000007")
        self.nova("""
            made, keep, seven = spawn(instance(image_ref=image), "vhdx"), True, iscsi_volume("7", lun=7)
            for volume in one, seven:
                hyperv.attach_volume(admin, volume, made, "/dev/sdb")
        """)
        self.assertEqual(1, len(self.model.initiator.sessions))
        self.nova("keep = True; hyperv.detach_volume(admin, one, made, '/dev/sdb')")
        self.assertEqual([("7", "SCSI", 2)], self.drives())
        del self.one.luns[0]  # cinder's part
        self.nova("keep = True; hyperv.detach_volume(admin, seven, made, '/dev/sdb')")
        self.assert_nothing_is_connected()

    @feature("Rescue of instances that boot from a volume")
    def test_rescue(self):
        for machine_type, bus in zip(GENERATIONS, ("IDE", "SCSI"), strict=True):
            said = self.nova(f"""
                meta = image_meta("vhdx", hw_rescue_device="disk", hw_rescue_bus="{bus.lower()}")
                meta.id = image
                volumes = with_volumes(one, two, boot=True)
                made, keep = boot_from_volume(instance(), one, two, hw_machine_type="{machine_type}"), True
                hyperv.rescue(admin, made, [], meta, "secret", volumes, [])
                vmutils = hyperv._vmops._vmutils
                (disk,), _volumes = vmutils.get_vm_storage_paths(made.name)
                place = vmutils.get_disk_attachment_info(disk, False)
                said = [hyperv.get_info(made).state, os.path.basename(disk), place["controller_type"],
                        first_to_boot(made, disk) if "{bus}" == "SCSI" else place["controller_slot"] == 0]
            """)
            self.assertEqual([RUNNING, "rescue.vhdx", bus, True], said)
            self.assertEqual({(ONE, bus, 1), (TWO, "SCSI", 2)}, set(self.drives()))
            said = self.nova(f"""
                keep = True
                hyperv.unrescue(admin, made)
                (disk, _other) = sorted(vmutils.get_vm_storage_paths(made.name)[1])
                rescue_disk = os.path.join(INSTANCES, made.name, "rescue.vhdx")
                said = [hyperv.get_info(made).state, os.path.exists(rescue_disk),
                        first_to_boot(made, disk) if "{bus}" == "SCSI" else
                        vmutils.get_disk_attachment_info(disk)["controller_slot"] == 0]
            """)
            self.assertEqual([RUNNING, False, True], said)
            self.assertEqual({(ONE, bus, 1), (TWO, "SCSI", 2)}, set(self.drives()))
            self.nova("hyperv.destroy(admin, made, [], volumes)")
            self.assert_nothing_is_connected()

    def test_snapshot_takes_a_machine_that_is_off(self):
        said = self.nova("""
            from unittest import mock
            made, new = instance(image_ref=image, project_id="p"), "99999999-0000-4000-8000-000000000001"
            spawn(made, "vhdx", block_device_info=with_volumes(one))
            uploads, said = [], []
            def update(_api, _context, image_id, metadata, data, purge_props):
                uploads.append(metadata["disk_format"])
            with mock.patch("nova.image.glance.API.update", update):
                for state in range(2):
                    try:
                        hyperv.snapshot(admin, made, new, lambda **states: None)
                    except Exception as error:
                        said.append(str(error))
                    hyperv.power_off(made)
            said += uploads
        """)
        self.assertIn("with which Hyper-V takes no checkpoint; needs Off", said[0])
        self.assertEqual(["vhdx"], said[1:])

    @feature("Extend a volume")
    def test_extend(self):
        self.nova("""
            made, keep = spawn(instance(image_ref=image), "vhdx"), True
            hyperv.attach_volume(admin, one, made, "/dev/sdb")
        """)
        self.one.luns[0].size = 2 * GIB
        extend = "keep = True; hyperv.extend_volume(admin, one, made, {} << 30)"
        self.assertIsNone(self.nova(extend.format(2)))
        self.assertIn("Windows finds 2147483648 bytes", self.nova(extend.format(3))["raised"])

    def test_disks_that_bear_other_numbers_after_the_hosts_boot(self):
        self.nova("""
            volumes = two, one
            made, keep = boot_from_volume(instance(), *volumes), True
            hyperv.power_off(made)
        """)
        self.assertEqual([(TWO, "IDE", 1), (ONE, "SCSI", 2)], self.drives())
        self.two.luns[1].late = 0.5
        self.model.initiator.log_in_again()
        said = self.nova("""
            hyperv.power_on(admin, made, [], with_volumes(*volumes, boot=True))
            said, keep = hyperv.get_info(made).state, True
        """)
        self.assertEqual(RUNNING, said)
        self.assertEqual([(TWO, "IDE", 2), (ONE, "SCSI", 1)], self.drives())

    def test_several_paths_take_multipath_io(self):
        said = self.nova("""
            CONF.set_override("use_multipath_io", True, group="hyperv")
            try:
                hyperv.get_volume_connector(None)
            finally:
                CONF.clear_override("use_multipath_io", group="hyperv")
        """)
        self.assertIn("requires the Multipath IO Windows feature", said["raised"])

    def test_a_disk_that_is_late(self):
        self.one.luns[0].late = 1.5
        said = self.nova("""
            made = spawn(instance(image_ref=image), "vhdx")
            hyperv.attach_volume(admin, one, made, "/dev/sdb")
            said = list(hyperv._vmops._vmutils.get_vm_physical_disk_mapping(made.name))
        """)
        self.assertEqual([ONE], said)

    def test_a_disk_that_does_not_come_leaves_nothing(self):
        del self.one.luns[0]
        said = self.nova("""
            made, keep = spawn(instance(image_ref=image), "vhdx"), True
            hyperv.attach_volume(admin, one, made, "/dev/sdb")
        """)
        self.assertIn(f"VolumeAttachFailed: Volume {ONE} could not be attached", said["raised"])
        self.assertEqual([], self.drives())
        self.assert_nothing_is_connected()

    def test_chap(self):
        self.one.chap = ("nova", "a secret of 16 b")
        volume = 'iscsi_volume(one["serial"], auth_method="CHAP", auth_username="nova", auth_password="{}")'
        attach = f"keep = True; hyperv.attach_volume(admin, {volume}, made, '/dev/sdb')"
        self.nova('made, keep = spawn(instance(image_ref=image), "vhdx"), True')
        said = self.nova(attach.format("another, of 16 b"))["raised"]
        self.assertIn("VolumeAttachFailed", said)
        self.assertNotIn("another", said)
        self.assertIsNone(self.nova(attach.format("a secret of 16 b")))
        self.assertEqual([(ONE, "SCSI", 1)], self.drives())
        self.errors.seek(0)
        log = self.errors.read()
        self.assertIn("Authentication Failure", log)
        for secret in ("another, of 16 b", "a secret of 16 b"):
            self.assertNotIn(secret, log)

    def test_chap_with_debug(self):
        # os-brick's own masking takes no quotes, and leaves exceptions alone.
        wrong, right = (f"""a"b'{word}""" for word in ("swordfish-12", "stockfish-12"))
        self.one.chap = ("nova", right)
        self.nova("""
            import logging
            debug = logging.StreamHandler()
            logging.getLogger().addHandler(debug)
            logging.getLogger().setLevel(logging.DEBUG)
            made, keep = spawn(instance(image_ref=image), "vhdx"), True
        """)
        self.addCleanup(
            self.nova,
            """
            logging.getLogger().removeHandler(debug)
            logging.getLogger().setLevel(logging.WARNING)
        """,
        )
        said = self.nova(f"""
            keep = True
            secret = dict(auth_method="CHAP", auth_username="nova")
            refused = iscsi_volume(ONE, auth_password={wrong!r}, **secret)
            hyperv.attach_volume(admin, refused, made, "/dev/sdb")
        """)
        self.assertIn("VolumeAttachFailed", said["raised"])
        self.assertIsNone(
            self.nova(f"""
            right = iscsi_volume(ONE, auth_password={right!r}, **secret)
            hyperv.attach_volume(admin, right, made, "/dev/sdb")
            hyperv.extend_volume(admin, right, made, {GIB})
            hyperv.detach_volume(admin, right, made, "/dev/sdb")
        """)
        )
        self.errors.seek(0)
        log = self.errors.read()
        for call in ("connect_volume: call", "connect_volume: exception", "disconnect_volume: call"):
            self.assertIn(call, log)
        for secret in ("swordfish", "stockfish"):
            self.assertNotIn(secret, log)

    def test_a_spawn_that_finds_no_target_leaves_nothing(self):
        self.network.cut(PORTAL)
        self.addCleanup(self.network.mend, PORTAL)
        said = self.nova("boot_from_volume(instance(), one)")
        self.assertIn("VolumeAttachFailed", said["raised"])
        self.assertEqual({}, self.model.machines)
        self.assert_nothing_is_connected()

    def test_a_login_that_is_refused_once(self):
        self.model.faults.append(
            Fault("iscsidsc.LoginIScsiTargetW", "the target is busy", iscsi.CONNECTION_FAILED, seconds=0.2)
        )
        attach = 'keep = True; hyperv.attach_volume(admin, one, made, "/dev/sdb")'
        self.nova('made, keep = spawn(instance(image_ref=image), "vhdx"), True')
        self.assertIn("VolumeAttachFailed", self.nova(attach)["raised"])
        self.assert_nothing_is_connected()
        self.assertIsNone(self.nova(attach))

    def test_a_lost_session(self):
        self.nova("""
            made, keep = boot_from_volume(instance(), one), True
            hyperv.power_off(made)
        """)
        power_on = "keep = True; hyperv.power_on(admin, made, [], with_volumes(one, boot=True))"
        self.network.cut(PORTAL)
        self.assertIn("VolumeAttachFailed", self.nova(power_on)["raised"])
        self.network.mend(PORTAL)
        self.assertIsNone(self.nova(power_on))
        self.assertEqual([(ONE, "IDE", 1)], self.drives())

    def test_a_host_that_brings_new_disks_online(self):
        self.model.new_disk_policy = 1
        self.addCleanup(setattr, self.model, "new_disk_policy", 2)
        said = self.nova("boot_from_volume(instance(), one)")
        self.assertIn("expected OfflineShared or OfflineAll", said["raised"])

    def test_many_at_once(self):
        for number in range(4):
            self.add_target(number, *range(4 * number, 4 * number + 4))
        said = self.nova("""
            from concurrent.futures import ThreadPoolExecutor
            def life(number):
                made, target = instance(f"x-{number}"), f"iqn.2026-01.org.example:{number // 4}"
                volume = iscsi_volume(f"{number:08}", number, target_iqn=target)
                boot_from_volume(made, volume)
                state = hyperv.get_info(made).state
                hyperv.destroy(admin, made, [], with_volumes(volume, boot=True))
                return state
            with ThreadPoolExecutor(8) as pool:
                said = list(pool.map(life, range(16)))
        """)
        self.assertEqual([RUNNING] * 16, said)


class MultipathTest(OnTargetsTest):
    facts = HostFacts(mpio=True)

    @feature("Volumes over several paths (MPIO)")
    def test_a_volume_over_two_paths(self):
        self.one.portals = (PORTAL, OTHER_PORTAL)
        said = self.nova("""
            CONF.set_override("use_multipath_io", True, group="hyperv")
            portals = ["192.0.2.10:3260", "192.0.2.11:3260"]
            names, luns = 2 * [one["data"]["target_iqn"]], [0, 0]
            one["data"] |= {"target_portals": portals, "target_iqns": names, "target_luns": luns}
            made, keep = spawn(instance(image_ref=image), "vhdx"), True
            hyperv.attach_volume(admin, one, made, "/dev/sdb")
            said = hyperv.get_volume_connector(None)["multipath"]
        """)
        self.assertTrue(said)
        sessions = self.model.initiator.sessions.values()
        self.assertEqual({PORTAL, OTHER_PORTAL}, {session.portal for session in sessions})
        self.assertEqual(([(ONE, "SCSI", 1)], [1]), (self.drives(), list(self.model.disks)))
        # One path less is none of the guest's business.
        self.network.cut(PORTAL)
        self.assertEqual([1], list(self.model.disks))
        self.network.mend(PORTAL)
        self.nova("""
            one["data"] |= {"target_portals": portals, "target_iqns": names, "target_luns": luns}
            hyperv.detach_volume(admin, one, made, "/dev/sdb")
        """)
        self.assert_nothing_is_connected()


class FibreChannelTest(OnTargetsTest):
    facts = HostFacts(mpio=True, fibre_channel=(("50000000000000A0", "50000000000000A1"),))

    @feature("Volumes over Fibre Channel")
    def test_a_running_server_gets_a_volume_and_loses_it(self):
        target = FibreChannelTarget("20200002AC00383D", "20210002AC00383D")
        self.network.fabric.append(target)
        self.addCleanup(self.network.fabric.clear)
        said = self.nova("""
            made, keep = spawn(instance(image_ref=image), "vhdx"), True
            connector = hyperv.get_volume_connector(None)
            said = [connector["wwnns"], connector["wwpns"]]
        """)
        self.assertEqual([["50000000000000A0"], ["50000000000000A1"]], said)
        attach = "keep = True; volume = fibre_channel_volume(ONE, lun=4)\n"
        attach += "hyperv.attach_volume(admin, volume, made, '/dev/sdb')"
        self.assertIn("VolumeAttachFailed", self.nova(attach)["raised"])
        target.luns[4] = Lun(GIB, "6000000000000000000000000000000f")
        self.assertIsNone(self.nova(attach))
        self.assertEqual([(ONE, "SCSI", 1)], self.drives())
        target.luns[4].size = 2 * GIB
        said = self.nova("""
            keep = True
            hyperv.extend_volume(admin, volume, made, 2 << 30)
            hyperv.detach_volume(admin, volume, made, "/dev/sdb")
        """)
        self.assertEqual((None, []), (said, self.drives()))
