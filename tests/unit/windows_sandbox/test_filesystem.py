# SPDX-License-Identifier: Apache-2.0
import os
import tempfile
from pathlib import Path

import testtools

from lab.windows_sandbox import errors
from lab.windows_sandbox.errors import Win32Error
from lab.windows_sandbox.filesystem import FileSystem


class FileSystemCase(testtools.TestCase):
    def setUp(self):
        super().setUp()
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = Path(folder.name)

    def assertRefused(self, code, call, *arguments):
        error = self.assertRaises(Win32Error, call, *arguments)
        self.assertEqual(code, error.code, str(error))


class TestPaths(FileSystemCase):
    def setUp(self):
        super().setUp()
        self.files = FileSystem(self.root / "C")
        (self.root / "C" / "OpenStack" / "Log").mkdir(parents=True)
        (self.root / "C" / "OpenStack" / "Log" / "Nova.log").write_text("x")

    def test_names_match_in_any_case(self):
        self.assertEqual("x", self.files.local(r"c:\OPENSTACK/log\nova.LOG").read_text())

    def test_new_names_keep_their_spelling(self):
        self.assertEqual("New", self.files.local(r"C:\openstack\New").name)
        self.assertEqual("OpenStack", self.files.local(r"C:\openstack\New").parent.name)

    def test_relative_paths_start_from_the_given_folder(self):
        self.assertEqual(r"C:\a\c", self.files.absolute(r"..\c", r"C:\a\b"))
        self.assertEqual(r"C:\x", self.files.absolute(r"\x", r"C:\a\b"))

    def test_extended_paths_lose_their_prefix(self):
        self.assertEqual(r"C:\a", self.files.absolute("\\\\?\\C:\\a"))

    def test_trailing_dots_and_blanks_are_dropped(self):
        self.assertEqual(r"C:\a\b", self.files.absolute("C:\\a. \\b."))

    def test_dots_cannot_leave_the_drive(self):
        self.assertEqual(self.root / "C" / "etc", self.files.local(r"C:\..\..\..\etc"))

    def test_other_drives_shares_and_bad_names_are_refused(self):
        self.assertRefused(errors.PATH_NOT_FOUND, self.files.absolute, r"D:\x")
        self.assertRefused(errors.PATH_NOT_FOUND, self.files.absolute, r"\\server\share\x")
        self.assertRefused(errors.INVALID_NAME, self.files.absolute, r"C:\a|b")
        self.assertRefused(errors.INVALID_NAME, self.files.absolute, "C:relative")

    def test_windows_path_of_a_local_one(self):
        self.assertEqual(r"C:\OpenStack\Log", self.files.windows(self.files.local(r"c:\openstack\LOG")))

    def test_processes_see_the_spelling_of_the_disk(self):
        self.assertEqual("/c/OpenStack/Log/Nova.log", self.files.inside(r"C:\openstack\log\nova.log"))

    def test_children_of_what_is_no_folder(self):
        self.assertEqual(["Log"], self.files.children(r"C:\openstack"))
        self.assertRefused(errors.DIRECTORY, self.files.children, r"C:\openstack\log\nova.log")
        self.assertRefused(errors.PATH_NOT_FOUND, self.files.children, r"C:\nowhere")


class TestLinks(FileSystemCase):
    def setUp(self):
        super().setUp()
        self.files = FileSystem(self.root / "C")
        self.c = self.root / "C"
        (self.c / "real").mkdir()
        (self.c / "real" / "file").write_text("x")

    def link(self, name, target):
        os.symlink(target, self.c / name)

    def test_links_of_processes_lead_within_the_drive(self):
        self.link("absolute", "/c/real")
        self.link("relative", "real/../real")
        for name in ("absolute", "relative"):
            self.assertEqual("x", self.files.local(rf"C:\{name}\FILE").read_text())

    def test_relative_links_cannot_leave_the_drive(self):
        self.link("up", "../../../../etc")
        self.assertEqual(self.c / "etc" / "passwd", self.files.local(r"C:\up\passwd"))

    def test_links_to_this_machine_are_refused(self):
        self.link("out", "/etc")
        self.link("file", "/etc/passwd")
        self.assertRefused(errors.ACCESS_DENIED, self.files.local, r"C:\out\passwd")
        self.assertRefused(errors.ACCESS_DENIED, self.files.local_for_writing, r"C:\file")

    def test_circles_end(self):
        self.link("a", "b")
        self.link("b", "a")
        self.assertRefused(errors.PATH_NOT_FOUND, self.files.local, r"C:\a")

    def test_the_link_itself(self):
        self.link("out", "/etc")
        self.assertEqual(self.c / "out", self.files.local(r"C:\out", follow=False))


class TestImage(FileSystemCase):
    def setUp(self):
        super().setUp()
        base = self.root / "image" / "C" / "OpenStack" / "base"
        (base / "Lib").mkdir(parents=True)
        (base / "python.cfg").write_text("from the image")
        self.files = FileSystem(self.root / "C", self.root / "image")

    def test_shows_read_only(self):
        self.assertEqual("from the image", self.files.local(r"c:\openstack\BASE\Python.cfg").read_text())
        self.assertRefused(errors.ACCESS_DENIED, self.files.local_for_writing, r"C:\OpenStack\base\new")
        self.assertRefused(errors.ACCESS_DENIED, self.files.local_for_writing, r"C:\OpenStack\base")

    def test_beside_it_one_can_write(self):
        self.files.local_for_writing(r"C:\OpenStack\venv").mkdir()
        self.assertEqual(["base", "venv"], self.files.children(r"C:\OpenStack"))
        self.assertFalse((self.root / "image" / "C" / "OpenStack" / "venv").exists())

    def test_what_holds_it_cannot_be_removed(self):
        self.assertRefused(errors.ACCESS_DENIED, self.files.local_for_writing, r"C:\OpenStack")

    def test_is_part_of_the_tree(self):
        self.assertIn(r"C:\OpenStack\base\python.cfg", list(self.files.tree("C:\\")))
        self.assertEqual(
            r"C:\OpenStack\base\Lib", self.files.windows(self.files.local(r"C:\openstack\base\lib"))
        )

    def test_links_lead_into_it(self):
        os.symlink("/c/OpenStack/base/python.cfg", self.root / "C" / "link")
        self.assertEqual("from the image", self.files.local(r"C:\link").read_text())
        self.assertRefused(errors.ACCESS_DENIED, self.files.local_for_writing, r"C:\link")

    def test_files_directly_in_the_drive_are_no_image(self):
        (self.root / "image" / "C" / "file").write_text("x")
        self.assertRaises(ValueError, FileSystem, self.root / "C", self.root / "image")
