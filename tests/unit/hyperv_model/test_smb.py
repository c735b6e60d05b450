# SPDX-License-Identifier: Apache-2.0
"""Shares of other computers: mapped, refused, in use."""

from lab.hyperv_model import smb, vhd
from lab.hyperv_model.errors import FAILED, CimError
from lab.hyperv_model.storage_network import Share
from tests.unit.hyperv_model.case import ModelCase

DISK = r"\\files\vols\a.vhdx"


class SmbCase(ModelCase):
    def setUp(self):
        super().setUp()
        folder = self.root / "share"
        folder.mkdir()
        vhd.create(folder / "a.vhdx", 16 << 20, vhd.DYNAMIC)
        self.share = self.model.storage_network.share(Share("files", "vols", folder, {"nova": "right"}))
        self.smb = self.model.namespace(smb.SMB)

    def map(self, path=r"\\Files\Vols", user="nova", password="right"):
        arguments = {"RemotePath": path, "UserName": user, "Password": password}
        self.smb.invoke("MSFT_SmbMapping", "Create", arguments)

    def refused(self, code, call, *arguments, **named):
        with self.assertRaises(CimError) as caught:
            call(*arguments, **named)
        self.assertEqual(hex(code), hex(caught.exception.code))
        self.assertNotIn("right", str(caught.exception))

    def unmap(self, force=False):
        (mapping,) = self.smb.query("SELECT * FROM MSFT_SmbMapping")
        self.smb.invoke(mapping.path, "Remove", {"Force": force})

    def test_a_file_is_there_while_the_share_is_mapped(self):
        self.assertRaises(OSError, self.model.local_path, DISK)
        self.map()
        self.assertEqual(self.share.folder / "a.vhdx", self.model.local_path(DISK))
        seen = self.root / "run" / "shares" / "files" / "vols"
        self.assertEqual(["a.vhdx"], [path.name for path in seen.iterdir()])
        self.unmap()
        self.assertRaises(OSError, self.model.local_path, DISK)
        self.assertFalse(seen.exists())

    def test_who_is_refused(self):
        self.refused(smb.LOGON_FAILURE, self.map, password="wrong")
        self.refused(smb.LOGON_FAILURE, self.map, user="nobody")
        self.refused(smb.ACCESS_DENIED, self.map, user=None, password=None)
        self.refused(smb.BAD_NETPATH, self.map, path=r"\\files\other")
        self.share.accounts = None
        self.map(user=None, password=None)

    def test_a_share_in_use_stays(self):
        self.map()
        machine = self.define()
        self.attach(machine, DISK)
        self.request(machine, 2)
        self.refused(FAILED, self.unmap)
        self.unmap(force=True)
