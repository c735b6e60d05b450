# SPDX-License-Identifier: Apache-2.0
"""Python on the host finds the files of machines that are on in use, as Python on Windows does."""

from lab.hyperv_model import states
from tests.contract.hyperv_model.os_win_case import DISABLED, ENABLED, OsWinCase, OsWinError


class FilesInUseCase(OsWinCase):
    def setUp(self):
        super().setUp()
        self.parent = self.file(r"C:\base\parent.vhdx")
        self.child = self.file(r"C:\vm\child.vhdx", parent=self.parent)
        self.other = self.file(r"C:\vm\other.vhdx")
        self.attach(self.create(generation=2), self.child)
        self.vmutils.set_vm_state("vm-1", ENABLED)

    def python(self, code):
        return self.os_win.wmi(f"import os, shutil\n{code}")

    def refused(self, code):
        """Run code that Windows refuses; returns the winerror, the type of the error, and its text."""
        return self.python(
            f"try:\n    {code}\nexcept OSError as error:\n"
            "    result = [error.winerror, type(error).__name__, str(error), error.filename, error.filename2]"
        )

    def test_it_is_neither_deleted_nor_overwritten_nor_moved(self):
        for path in (self.parent, self.child):
            held = self.local(path).read_bytes()
            for code in (
                f"os.remove({path!r})",
                f"os.unlink(path={path.lower()!r})",
                f"os.replace({self.other!r}, {path!r})",
                f"os.rename({path!r}, {path + '.old'!r})",
                f"os.truncate({path!r}, 0)",
                f"open({path!r}, 'r+b')",
                f"os.open({path!r}, os.O_RDWR)",
                f"shutil.copyfile({self.other!r}, {path!r})",
                f"shutil.move({path!r}, r'C:\\moved.vhdx')",
            ):
                with self.subTest(code=code):
                    told = self.refused(code)
                    self.assertEqual([32, "PermissionError"], told[:2])
                    self.assertIn("it is being used by another process", told[2])
                    self.assertIn(path.lower(), [str(name).lower() for name in told[3:]])
            self.assertEqual(held, self.local(path).read_bytes())

    def test_what_is_not_in_use_is_changed(self):
        self.python(f"os.remove({self.other!r})\nopen({self.other!r}, 'w').close()")
        self.assertEqual("", self.local(self.other).read_text())
        self.python(f"open({self.child!r}, 'rb').close()")
        self.vmutils.set_vm_state("vm-1", DISABLED)
        self.python(f"os.rename({self.child!r}, r'C:\\moved.vhdx')\nos.remove(r'C:\\moved.vhdx')")
        self.assertFalse(self.local(self.child).exists())

    def test_a_folder_is_not_moved_with_it(self):
        self.assertEqual([5, "PermissionError"], self.refused("os.rename(r'C:\\vm', r'C:\\other')")[:2])
        self.assertEqual([32, "PermissionError"], self.refused("shutil.rmtree(r'C:\\vm')")[:2])
        self.assertTrue(self.local(self.child).exists())

    def test_os_wins_own_functions_meet_it(self):
        pathutils = self.os_win.pathutils
        with self.assertRaisesRegex(OsWinError, "used by another process"):
            pathutils.move_folder_files(r"C:\vm", r"C:\base")
        self.assertEqual(states.RUNNING, self.machine("vm-1").state)
        self.assertTrue(self.local(self.child).exists())
