# SPDX-License-Identifier: Apache-2.0
"""Volumes over SMB: os-brick's Windows connector on os-win, on the simulated host and a share elsewhere."""

import pathlib
import tempfile
import textwrap

from lab.hyperv_model import storage, vhd
from lab.hyperv_model.storage_network import Share
from tests.contract.driver.on_hyperv import OnHyperVTest
from tests.features import feature

RUNNING, SUSPENDED = 1, 7  # nova.compute.power_state
DISKS = ("volume-1.vhdx", "volume-2.vhdx")
SNAPSHOT, OTHER = "aaaaaaaa-0000-4000-8000-000000000001", "bbbbbbbb-0000-4000-8000-000000000002"


class SmbVolumesTest(OnHyperVTest):
    def setUp(self):
        super().setUp()
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.share = self.model.storage_network.share(
            Share("198.51.100.20", "Volumes", pathlib.Path(folder.name), {"nova": "swordfish"})
        )
        for name in DISKS:
            vhd.create(self.share.folder / name, 1 << 30, vhd.DYNAMIC)
        self.addCleanup(self.unmap)
        self.image = self.add_image("vhdx")

    def unmap(self):
        self.nova("records.disks.clear()")
        for mapping in self.model.store.of("root/Microsoft/Windows/SMB", "MSFT_SmbMapping"):
            self.model.mappings.remove(mapping)

    def nova(self, code):
        names = f"""
            options = "-o username=nova,password=swordfish"
            one, two = (smb_volume(str(n), name, options=options) for n, name in enumerate({DISKS}))
            image = "{self.image}"
        """
        return super().nova(textwrap.dedent(names) + textwrap.dedent(code))

    def disks(self):
        """(controller, file) of each of the machine's disks."""
        (machine,) = self.model.machines.values()
        parts = {part.path: part for part in machine.of(storage.RASD)}
        return [
            (
                parts[parts[disk["Parent"]]["Parent"]]["ResourceSubType"].split()[-2],
                disk["HostResource"][0].rpartition("\\")[2],
            )
            for disk in machine.of(storage.SASD, storage.HARD_DISK)
        ]

    @feature("Attach and detach volumes", "Volumes over SMB")
    def test_a_running_server_gets_volumes_and_loses_them(self):
        said = self.nova("""
            made, keep = spawn(instance(image_ref=image), "vhdx"), True
            for volume in one, two:
                hyperv.attach_volume(admin, volume, made, "/dev/sdb")
            said = hyperv.get_info(made).state
        """)
        self.assertEqual(RUNNING, said)
        self.assertEqual([("IDE", "root.vhdx"), *(("SCSI", name) for name in DISKS)], self.disks())
        self.nova("keep = True; hyperv.detach_volume(admin, one, made, '/dev/sdb')")
        self.assertEqual([("IDE", "root.vhdx"), ("SCSI", DISKS[1])], self.disks())
        # Hyper-V has a file of the share open: the mapping stays until the last one goes.
        self.assertEqual(1, len(self.model.mappings.mapped))
        self.nova("keep = True; hyperv.detach_volume(admin, two, made, '/dev/sdb')")
        self.assertEqual([("IDE", "root.vhdx")], self.disks())
        self.assertEqual({}, self.model.mappings.mapped)
        self.assertEqual(sorted(DISKS), sorted(path.name for path in self.share.folder.iterdir()))

    @feature("Boot from volume")
    def test_boot_from_volume(self):
        for machine_type, bus in (("hyperv-gen1", "IDE"), ("hyperv-gen2", "SCSI")):
            said = self.nova(f"""
                made, keep = boot_from_volume(instance(), one, two, hw_machine_type="{machine_type}"), True
                volumes = with_volumes(one, two, boot=True)
                hyperv.reboot(admin, made, [], "HARD", volumes)
                said = hyperv.get_info(made).state
            """)
            self.assertEqual(RUNNING, said)
            self.assertEqual([(bus, DISKS[0]), ("SCSI", DISKS[1])], self.disks())
            self.nova("hyperv.destroy(admin, made, [], volumes)")
            self.assertEqual({}, self.model.mappings.mapped)

    def nova_for_cinder(self, code):
        """self.nova() that records volume one, with what cinder's driver and nova's API do to snapshots."""
        given = """
            import contextlib, json
            from unittest import mock
            from nova import objects

            SNAPSHOT, OTHER = IDS

            def record():
                return objects.BlockDeviceMapping(volume_id="0", tag=None, connection_info=json.dumps(one))

            @contextlib.contextmanager
            def cinder(told):
                with (
                    mock.patch("nova.objects.BlockDeviceMapping.save"),
                    mock.patch("nova.objects.Instance.save", lambda made, expected_task_state: None),
                    mock.patch(
                        "nova.volume.cinder.API.update_snapshot_status",
                        lambda _api, _context, snapshot, status: told.append((snapshot, status)),
                    ),
                ):
                    yield

            def name(snapshot):
                return one["data"]["name"].replace(".", f".{snapshot}.", 1)

            def create(snapshot):
                info = {"snapshot_id": snapshot, "type": "qcow2", "new_file": name(snapshot)}
                hyperv.volume_snapshot_create(admin, made, "0", info)

            def delete(snapshot):
                info = {"volume_id": "0", "file_to_merge": name(snapshot)}
                hyperv.volume_snapshot_delete(admin, made, "0", snapshot, info)

            def active():
                (disk,) = records.disks
                return json.loads(disk.connection_info)["data"]["name"]
        """
        given = textwrap.dedent(given).replace("IDS", repr((SNAPSHOT, OTHER)))
        return self.nova(given + textwrap.dedent(code))

    def chain(self, name):
        """The names of a volume's disk and its parents, and the word at its beginning."""
        path, names = rf"\\198.51.100.20\Volumes\{name}", []
        with vhd.open_chain(path, self.model.local_path) as disk:
            word = disk.read(0, 512).rstrip(b"\0").decode()
        while path:
            names.append(path.rpartition("\\")[2])
            path = vhd.parent_of(self.model.local_path(path), path)
        return names, word

    def write(self, name, word):
        """Write what the machine would, to the disk that its drive has."""
        with vhd.open_chain(rf"\\198.51.100.20\Volumes\{name}", self.model.local_path, write=True) as disk:
            disk.write(0, word.encode().ljust(512, b"\0"))

    @feature("Snapshots of attached volumes over SMB")
    def test_snapshots_of_the_volumes_of_running_servers(self):
        start = (
            'spawn(instance(image_ref=image), "vhdx", block_device_info=with_volumes(one))',
            'boot_from_volume(instance(), one, hw_machine_type="hyperv-gen1")',
            'boot_from_volume(instance(), one, hw_machine_type="hyperv-gen2")',
        )
        first, second = ("volume-1.a.vhdx", "volume-1.b.vhdx")
        for made in start:
            said = self.nova_for_cinder(f"""
                made, keep, told = {made}, True, []
                records.disks[:] = [record()]
                with cinder(told):
                    create("a")
                said = [told, active(), hyperv.get_info(made).state, made.task_state]
            """)
            self.assertEqual([[["a", "creating"]], first, RUNNING, None], said)
            self.write(first, "after a")
            self.nova_for_cinder("keep, told = True, []\nwith cinder(told):\n    create('b')")
            self.write(second, "after b")
            self.assertEqual(([second, first, DISKS[0]], "after b"), self.chain(second))
            self.assertEqual("after a", self.chain(first)[1])
            self.assertEqual("", self.chain(DISKS[0])[1])
            self.assertIn(second, [name for _controller, name in self.disks()])

            # The older one first: what is in it goes to the volume, and its child has another parent.
            said = self.nova_for_cinder("""
                keep, told = True, []
                with cinder(told):
                    delete("a")
                said = [told, active(), hyperv.get_info(made).state]
            """)
            self.assertEqual([[["a", "deleting"]], second, RUNNING], said)
            self.assertEqual(([second, DISKS[0]], "after b"), self.chain(second))
            self.assertEqual("after a", self.chain(DISKS[0])[1])
            # Cinder's driver reads the merged one's parent, and removes it.
            path = rf"\\198.51.100.20\Volumes\{first}"
            self.assertIn(DISKS[0], vhd.parent_of(self.model.local_path(path), path))
            (self.share.folder / first).unlink()

            said = self.nova_for_cinder("""
                keep, told = True, []
                with cinder(told):
                    delete("b")
                said = [told, active(), hyperv.get_info(made).state]
            """)
            self.assertEqual([[["b", "deleting"]], DISKS[0], RUNNING], said)
            self.assertEqual(([DISKS[0]], "after b"), self.chain(DISKS[0]))
            (self.share.folder / second).unlink()
            self.assertIn(DISKS[0], [name for _controller, name in self.disks()])
            self.write(DISKS[0], "")
            self.nova("records.disks.clear(); hyperv.destroy(admin, made, [], with_volumes(one))")

    @feature("Snapshots of attached volumes over SMB")
    def test_a_volume_whose_newest_snapshot_was_deleted(self):
        start = (
            'spawn(instance(image_ref=image), "vhdx", block_device_info=with_volumes(one))',
            'boot_from_volume(instance(), one, hw_machine_type="hyperv-gen1")',
            'boot_from_volume(instance(), one, hw_machine_type="hyperv-gen2")',
        )
        for made in start:
            boots = "boot_from" in made
            self.nova_for_cinder(f"""
                made, keep, told = {made}, True, []
                records.disks[:] = [record()]
                with cinder(told):
                    create(SNAPSHOT)
                    delete(SNAPSHOT)
            """)
            (self.share.folder / f"volume-1.{SNAPSHOT}.vhdx").unlink()
            said = self.nova_for_cinder(f"""
                keep = True
                # Cinder's record of the attachment, which nova takes for its own at a hard reboot.
                one["data"]["name"], stale = name(SNAPSHOT), one
                volumes = with_volumes(stale, boot={boots})
                hyperv.reboot(admin, made, [], "HARD", volumes)
                if {boots}:
                    meta = image_meta("vhdx")
                    meta.id = image
                    hyperv.rescue(admin, made, [], meta, "secret", volumes, [])
                    hyperv.unrescue(admin, made)
                place = hyperv._volumeops.attachment(made.name, stale)
                said = [hyperv.get_info(made).state, place["controller_type"]]
            """)
            bus = "IDE" if "gen1" in made else "SCSI"
            self.assertEqual([RUNNING, bus], said)
            self.assertIn((bus, DISKS[0]), self.disks())
            # A further one is taken and deleted.
            said = self.nova_for_cinder("""
                keep, told = True, []
                records.disks[0].connection_info = json.dumps(stale)
                with cinder(told):
                    create(OTHER)
                    said = active()
                    delete(OTHER)
                said = [said, active(), told]
            """)
            other = f"volume-1.{OTHER}.vhdx"
            self.assertEqual([other, DISKS[0], [[OTHER, "creating"], [OTHER, "deleting"]]], said)
            (self.share.folder / other).unlink()
            self.nova(f"""
                keep = True
                if {boots}:
                    hyperv.power_off(made)
                hyperv.detach_volume(admin, stale, made, "/dev/sdb")
            """)
            self.assertEqual([] if boots else [("IDE", "root.vhdx")], self.disks())
            self.assertEqual({}, self.model.mappings.mapped)
            self.assertEqual(sorted(DISKS), sorted(path.name for path in self.share.folder.iterdir()))
            self.nova("records.disks.clear(); hyperv.destroy(admin, made, [], None)")

    @feature("Clean up after a crash")
    def test_nova_compute_dies_while_it_takes_a_snapshot(self):
        one = 'instance("x-1", uuid="14444444-0000-4000-8000-000000000000", image_ref=image)'
        for step in ("_vmutils.update_vm_disk_path", "_powerops.resume"):
            with self.assertRaises(RuntimeError):
                self.nova_for_cinder(f"""
                    made = spawn({one}, "vhdx", block_device_info=with_volumes(one))
                    records.disks[:] = [record()]
                    hyperv._volumesnapshotops.{step} = lambda *_, **_named: os._exit(1)
                    with cinder([]):
                        create(SNAPSHOT)
                """)
            self.restart()
            said = self.nova_for_cinder(f"""
                keep, made = True, {one}
                made.task_state, said = "image_snapshot_pending", [hyperv.get_info(made).state]
                with mock.patch(
                    "nova.objects.MigrationList.get_in_progress_by_host_and_node", return_value=[]
                ):
                    hyperv.process_instances_at_startup(admin, [made])
                said.append(hyperv.get_info(made).state)
                hyperv.detach_volume(admin, one, made, "/dev/sdb")
            """)
            self.assertEqual([SUSPENDED, RUNNING], said)
            self.assertEqual([("IDE", "root.vhdx")], self.disks())
            self.nova("")
            (self.share.folder / f"volume-1.{SNAPSHOT}.vhdx").unlink()

    def test_snapshots_that_are_refused_leave_server_and_volume(self):
        said = self.nova_for_cinder("""
            made, keep, told = boot_from_volume(instance(), one), True, []
            records.disks[:] = [record()]
            hyperv.pause(made)
            with cinder(told):
                try:
                    create("a")
                except Exception as error:
                    said = [str(error), told, active(), made.task_state]
        """)
        self.assertIn("the machine is Paused, expected Running, Saved or Off", said[0])
        self.assertEqual([[["a", "error"]], DISKS[0], None], said[1:])
        self.assertEqual([("IDE", DISKS[0])], self.disks())
        self.nova("hyperv.destroy(admin, made, [], with_volumes(one))")
        self.assertEqual(sorted(DISKS), sorted(path.name for path in self.share.folder.iterdir()))

    @feature("Volume QoS")
    def test_limits(self):
        said = self.nova("""
            made = spawn(instance(image_ref=image), "vhdx")
            for volume, limits in (one, {"total_iops_sec": "300"}), (two, {"total_bytes_sec": "8193"}):
                volume["data"]["qos_specs"] = limits
                hyperv.attach_volume(admin, volume, made, "/dev/sdb")
            vmutils = hyperv._vmops._vmutils
            find = vmutils._get_mounted_disk_resource_from_path
            said = [find(path, is_physical=False).IOPSLimit
                    for path in vmutils.get_vm_storage_paths(made.name)[0]]
            for volume in one, two:
                hyperv.detach_volume(admin, volume, made, "/dev/sdb")
        """)
        self.assertEqual([0, 300, 2], [limit or 0 for limit in said])

    def test_a_share_that_was_unmapped_meanwhile(self):
        self.nova("""
            made, keep = boot_from_volume(instance(), one), True
            hyperv.power_off(made)
        """)
        (mapping,) = self.model.store.of("root/Microsoft/Windows/SMB", "MSFT_SmbMapping")
        self.model.mappings.remove(mapping)
        said = self.nova("""
            hyperv.power_on(admin, made, [], with_volumes(one, boot=True))
            said = hyperv.get_info(made).state
        """)
        self.assertEqual(RUNNING, said)

    def test_wrong_password(self):
        self.share.accounts["nova"] = "another"
        said = self.nova("boot_from_volume(instance(), one)")["raised"]
        self.assertIn("VolumeAttachFailed", said)
        self.assertIn("expects another user name or password", said)
        self.errors.seek(0)
        self.assertNotIn("swordfish", said + self.errors.read())
        self.assertEqual(({}, {}), (self.model.machines, self.model.mappings.mapped))

    def test_passwords_with_debug(self):
        # os-brick takes either name of it, and ends it at a comma or a blank.
        for number, name in enumerate(("pass", "password")):
            wrong, right = (f"{word}-{number}\'{word}\"fish" for word in ("sword", "stock"))
            self.share.accounts["nova"] = right
            said = self.nova(f"""
                import logging
                debug = logging.StreamHandler()
                logging.getLogger().addHandler(debug)
                logging.getLogger().setLevel(logging.DEBUG)
                made, said = spawn(instance(image_ref=image), "vhdx"), []
                for secret in {wrong!r}, {right!r}:
                    volume = smb_volume("0", {DISKS[0]!r}, options=f"-o username=nova,{name}={{secret}}")
                    try:
                        hyperv.attach_volume(admin, volume, made, "/dev/sdb")
                        hyperv.detach_volume(admin, volume, made, "/dev/sdb")
                        said.append("attached")
                    except Exception as error:
                        said.append(str(error))
                logging.getLogger().removeHandler(debug)
                logging.getLogger().setLevel(logging.WARNING)
            """)
            self.assertIn("expects another user name or password", said[0])
            self.assertEqual("attached", said[1])
            self.errors.seek(0)
            log = self.errors.read()
            self.assertIn("connect_volume: call", log)
            self.assertNotIn("fish", log + said[0])

    def test_generation_2_with_a_vhd(self):
        vhd.create(self.share.folder / "volume-3.vhd", 1 << 30, vhd.DYNAMIC)
        said = self.nova("""
            three = smb_volume("3", "volume-3.vhd", options=options)
            boot_from_volume(instance(), three, hw_machine_type="hyperv-gen2")
        """)
        self.assertIn("does not support the VHD format", said["raised"])
        self.assertEqual(({}, {}), (self.model.machines, self.model.mappings.mapped))
