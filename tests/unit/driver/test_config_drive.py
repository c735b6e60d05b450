# SPDX-License-Identifier: Apache-2.0
import io
from unittest import mock

import pycdlib
import testtools
from nova import exception

from hyperv_driver import iso9660
from tests.unit.driver import base
from tests.unit.driver.base import instance, vif


def read(data):
    """(label, files by their Joliet names, how many files ISO 9660's own tree has), by another's reader."""
    iso = pycdlib.PyCdlib()
    iso.open_fp(io.BytesIO(data))
    files = {}
    for folder, _folders, names in iso.walk(joliet_path="/"):
        for name in names:
            path = f"{folder.rstrip('/')}/{name}"
            content = io.BytesIO()
            iso.get_file_from_iso_fp(content, joliet_path=path)
            files[path[1:]] = content.getvalue()
    plain = sum(len(names) for _folder, _folders, names in iso.walk(iso_path="/"))
    return iso.pvd.volume_identifier.decode().rstrip(), files, plain


class Iso9660Test(testtools.TestCase):
    def assertWritten(self, files):
        self.assertEqual(("config-2", files, len(files)), read(iso9660.image("config-2", files)))

    def test_files_are_read_as_written(self):
        self.assertWritten(
            {
                "openstack/latest/meta_data.json": b"{}",
                "openstack/2015-10-15/meta_data.json": b"x" * 5000,
                "openstack/content/0000": b"\0" * 2048,
                "ec2/latest/user-data": b"",
                "README": b"at the top",
            }
        )

    def test_nothing(self):
        self.assertWritten({})

    def test_directories_of_several_sectors(self):
        self.assertWritten({f"content/{number:04}": bytes([number]) for number in range(200)})
        self.assertWritten({f"{number:064}/file": b"" for number in range(64)})

    def test_names_that_capitals_and_brevity_make_one(self):
        long = "a" * 50
        self.assertWritten(
            {name: name.encode() for name in ("a b", "a_b", "A_B", f"{long}1", f"{long}2", "ü.é")}
        )

    def test_names_that_joliet_does_not_have(self):
        for name in ("a:b", "a*", "b" * 65, "line\nbreak"):
            error = self.assertRaises(ValueError, iso9660.image, "config-2", {name: b""})
            self.assertIn(repr(name), str(error))


class ConfigDriveTest(base.DriverTestCase):
    def setUp(self):
        super().setUp()
        self.asked = {}
        self.useFixture_patch("nova.api.metadata.base.InstanceMetadata", self._metadata)

    def _metadata(self, instance, **arguments):
        self.asked = arguments
        files = [("ec2\\latest\\meta-data.json", b"{}"), ("openstack/latest/user_data", "text")]
        return mock.Mock(metadata_for_config_drive=mock.Mock(return_value=files))

    def drive(self, made):
        return self.instances / made.name / "configdrive.iso"

    def test_dvd_that_only_its_machine_may_read(self):
        port = vif()
        made = self.spawn(
            instance(config_drive="True"),
            vifs=[port],
            admin_password="secret",
            injected_files=[("/etc/motd", b"hello")],
        )
        label, files, _plain = read(self.drive(made).read_bytes())
        self.assertEqual("config-2", label)
        self.assertEqual({"ec2/latest/meta-data.json": b"{}", "openstack/latest/user_data": b"text"}, files)
        self.assertEqual(
            {
                "content": [("/etc/motd", b"hello")],
                "extra_md": {"admin_pass": "secret"},
                "network_info": [port],
            },
            self.asked,
        )
        # Closed while it was empty.
        self.assertEqual({str(self.drive(made)): 0}, self.host.access.restricted)
        self.assertIn(("ide", str(self.drive(made))), self.vm(made)["disks"])

    def test_generation_2(self):
        made = self.spawn(instance(config_drive="True"), properties={"hw_machine_type": "hyperv-gen2"})
        self.assertIn(("scsi", str(self.drive(made))), self.vm(made)["disks"])
        self.assertEqual([str(self.instances / made.name / "root.vhdx")], self.vm(made)["boot"])

    def test_nobody_asked_for_it(self):
        made = self.spawn()
        self.assertFalse(self.drive(made).exists())
        self.assertEqual(1, len(self.vm(made)["disks"]))

    def test_operator_wants_it_for_all(self):
        self.config(force_config_drive=True)
        self.assertTrue(self.drive(self.spawn()).exists())

    def test_other_format(self):
        self.config(config_drive_format="vfat")
        made = instance(config_drive="True")
        self.assertRaises(exception.ConfigDriveUnsupportedFormat, self.spawn, made)
        self.assertEqual([], self.driver.list_instances())
