# SPDX-License-Identifier: Apache-2.0
import tempfile
from pathlib import Path

import testtools

from lab.windows_sandbox import md4
from lab.windows_sandbox.accounts import ADMINISTRATORS, Accounts


class TestMd4(testtools.TestCase):
    def test_vectors_of_rfc_1320(self):
        for message, digest in (
            (b"", "31d6cfe0d16ae931b73c59d7e0c089c0"),
            (b"abc", "a448017aaf21d8525fc10ae87aa6729d"),
            (b"message digest", "d9130a8164549fe818874806e1c7014b"),
            (b"1234567890" * 8, "e33b4ddc9c38f2199c3e7b164fcc0536"),
        ):
            self.assertEqual(digest, md4.digest(message).hex())

    def test_password_hash(self):
        self.assertEqual("8846F7EAEE8FB117AD06BDD830B7586C", md4.password_hash("password"))


class TestAccounts(testtools.TestCase):
    def setUp(self):
        super().setUp()
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        self.accounts = Accounts(self.folder, "HOST")

    def test_built_in(self):
        self.assertEqual("S-1-5-32-544", self.accounts.group("administrators").sid)
        self.assertEqual(["Administrator", "Guest"], [user.name for user in self.accounts.users()])
        self.assertTrue(self.accounts.user("S-1-5-21-1004336348-1177238915-682003330-500"))

    def test_every_spelling(self):
        self.accounts.create_user("Zuul", "secret")
        for name in ("zuul", "HOST\\ZUUL", ".\\zuul", self.accounts.user("zuul").sid):
            self.assertEqual("Zuul", self.accounts.user(name).name)
        self.assertIsNone(self.accounts.user("OTHER\\zuul"))
        self.assertEqual(ADMINISTRATORS, self.accounts.group("BUILTIN\\administrators").name)

    def test_passwords(self):
        self.accounts.create_user("zuul", "secret")
        self.assertEqual("zuul", self.accounts.user_of_password("ZUUL", "secret"))
        self.assertIsNone(self.accounts.user_of_password("zuul", "Secret"))
        for changes in ({"disabled": True}, {"password_expired": True}):
            self.accounts.change_user("zuul", **changes)
            self.assertIsNone(self.accounts.user_of_password("zuul", "secret"))
            self.assertEqual("", self.accounts.password_file.read_text())
            self.accounts.change_user("zuul", **dict.fromkeys(changes, False))
        self.accounts.change_user("zuul", password="")
        self.assertIsNone(self.accounts.user_of_password("zuul", ""))

    def test_kept_where_no_one_else_reads(self):
        self.accounts.ensure_administrator("zuul")
        self.accounts.change_user("zuul", password="secret")
        again = Accounts(self.folder, "HOST")
        self.assertEqual("zuul", again.user_of_password("zuul", "secret"))
        self.assertTrue(again.is_administrator("zuul"))
        for path in self.folder.iterdir():
            self.assertEqual(0o600, path.stat().st_mode & 0o777, path)
            self.assertNotIn("secret", path.read_text())

    def test_a_deleted_user_leaves_its_groups(self):
        self.accounts.ensure_administrator("zuul")
        self.accounts.delete_user("ZUUL")
        self.assertIsNone(self.accounts.user("zuul"))
        self.assertEqual(("Administrator",), self.accounts.group(ADMINISTRATORS).members)
