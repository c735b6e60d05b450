# SPDX-License-Identifier: Apache-2.0
import tempfile
from pathlib import Path

import testtools

from lab.windows_sandbox.registry import Registry


class TestRegistry(testtools.TestCase):
    def setUp(self):
        super().setUp()
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.path = Path(folder.name) / "registry.json"
        self.registry = Registry(self.path)

    def test_names_match_in_any_case_and_keep_their_spelling(self):
        self.registry.set(r"HKLM\SOFTWARE\Vendor", "Name", "REG_SZ", "text")
        self.assertEqual(("REG_SZ", "text"), self.registry.get(r"hklm:\software\VENDOR", "NAME"))
        self.assertEqual(["Vendor"], self.registry.sub_keys(r"HKLM\software"))
        self.assertEqual(
            {"Name": ("REG_SZ", "text")}, self.registry.values(r"HKEY_LOCAL_MACHINE\Software\Vendor")
        )

    def test_everything_is_found_again(self):
        for kind, data in (
            ("REG_BINARY", b"\0\xff"),
            ("REG_DWORD", 5),
            ("REG_MULTI_SZ", ["a", "b"]),
            ("REG_SZ", "ü"),
        ):
            self.registry.set(r"HKLM\X", kind, kind, data)
        again = Registry(self.path)
        self.assertEqual(self.registry.values(r"HKLM\X"), again.values(r"HKLM\X"))
        self.assertEqual(b"\0\xff", again.data(r"HKLM\X", "REG_BINARY"))

    def test_removal(self):
        self.registry.set(r"HKLM\X\Y", "v", "REG_SZ", "1")
        self.registry.delete_value(r"HKLM\X\Y", "V")
        self.assertIsNone(self.registry.get(r"HKLM\X\Y", "v"))
        self.registry.delete_key(r"HKLM\x")
        self.assertFalse(self.registry.key_exists(r"HKLM\X\Y"))
        self.assertRaises(KeyError, self.registry.delete_key, r"HKLM\X")

    def test_classes_root_is_a_part_of_the_machine(self):
        self.registry.set(r"HKCR\.py", "", "REG_SZ", "Python")
        self.assertEqual("Python", self.registry.data(r"HKLM\SOFTWARE\Classes\.py", ""))

    def test_what_is_unknown_is_refused(self):
        self.assertRaises(KeyError, self.registry.values, r"HKLM\Nothing")
        error = self.assertRaises(KeyError, self.registry.get, r"HKXX\Nothing", "v")
        self.assertIn("HKLM", str(error))
        self.assertRaises(ValueError, self.registry.set, r"HKLM\X", "v", "REG_WORD", 1)
