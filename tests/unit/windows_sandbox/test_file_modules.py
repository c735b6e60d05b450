# SPDX-License-Identifier: Apache-2.0
import base64
import hashlib
import zipfile

from tests.unit.windows_sandbox.host_case import HostCase


class TestWinFile(HostCase):
    def test_directory(self):
        self.assertTrue(self.succeed("win_file", path=r"C:\a\b", state="directory")["changed"])
        self.assertFalse(self.succeed("win_file", path=r"c:\A\B", state="directory")["changed"])

    def test_check_mode_changes_nothing(self):
        self.assertTrue(
            self.succeed("win_file", path=r"C:\a", state="directory", _check_mode=True)["changed"]
        )
        self.assertFalse(self.session.exists(r"C:\a"))

    def test_absent(self):
        self.write(r"C:\a\b\file")
        self.assertTrue(self.succeed("win_file", path=r"C:\A", state="absent")["changed"])
        self.assertFalse(self.succeed("win_file", path=r"C:\A", state="absent")["changed"])

    def test_refusals(self):
        self.write(r"C:\file")
        self.fail_with("is not a directory", "win_file", path=r"C:\file", state="directory")
        self.fail_with("is not a file", "win_file", path=r"C:\Users", state="file")
        self.fail_with("will not be created", "win_file", path=r"C:\new", state="file")
        self.fail_with("a part of the path is a file", "win_file", path=r"C:\file\x", state="directory")
        self.fail_with("Could not find a part", "win_file", path=r"C:\no\x", state="touch")
        self.fail_with("Unsupported parameters", "win_file", path=r"C:\x", stat="directory")
        self.fail_with("no counterpart of module ansible.windows.win_dsc", "ansible.windows.win_dsc")

    def test_variables_in_paths(self):
        self.succeed("win_file", path=r"%TEMP%\x", state="directory")
        self.assertTrue(self.session.is_directory(r"C:\Users\zuul\AppData\Local\Temp\x"))


class TestWinStatAndFind(HostCase):
    def setUp(self):
        super().setUp()
        self.write(r"C:\logs\a.log", "four")
        self.write(r"C:\logs\below\b.LOG", "0" * 2048)
        self.write(r"C:\logs\below\c.txt")

    def test_stat(self):
        stat = self.succeed("win_stat", path=r"c:\LOGS\A.log")["stat"]
        self.assertEqual(
            (r"C:\logs\a.log", 4, ".log", True),
            (stat["path"], stat["size"], stat["extension"], stat["isreg"]),
        )
        self.assertEqual(hashlib.sha1(b"four").hexdigest(), stat["checksum"])
        self.assertEqual(2052, self.succeed("win_stat", path=r"C:\logs")["stat"]["size"])
        self.assertEqual({"exists": False}, self.succeed("win_stat", path=r"C:\nothing")["stat"])

    def found(self, **parameters):
        files = self.succeed("win_find", paths=[r"C:\logs"], **parameters)["files"]
        return [file["filename"] for file in files]

    def test_find(self):
        self.assertEqual(["a.log"], self.found())
        self.assertEqual(["a.log", "b.LOG", "c.txt"], self.found(recurse=True))
        self.assertEqual(["a.log", "b.LOG"], self.found(recurse=True, patterns=["*.log"]))
        self.assertEqual(["b.LOG"], self.found(recurse=True, patterns=["^b"], use_regex=True))
        self.assertEqual(["b.LOG"], self.found(recurse=True, size="2k"))
        self.assertEqual(["below"], self.found(file_type="directory"))
        self.assertEqual([], self.found(recurse=True, age="1h"))
        self.assertEqual(["a.log"], self.found(recurse=True, depth=1))

    def test_find_in_what_is_no_folder(self):
        result = self.succeed("win_find", paths=[r"C:\nothing"])
        self.assertIn("does not exist", result["warnings"][-1])
        self.fail_with("Invalid size pattern", "win_find", paths=[r"C:\logs"], size="two")

    def test_slurp(self):
        self.assertEqual(b"four", base64.b64decode(self.succeed("slurp", src=r"C:\logs\a.log")["content"]))
        self.fail_with("is a directory", "slurp", src=r"C:\logs")
        self.fail_with("is not found", "slurp", src=r"C:\..\..\etc\passwd")


class TestWinCopy(HostCase):
    def test_query(self):
        self.write(r"C:\d\same", "x")
        same = {"src": "/s/same", "dest": "same", "checksum": "11f6ad8ec52a2984abaafd7c3b516503785c2072"}
        other = {"src": "/s/other", "dest": "other", "checksum": "0" * 40}
        result = self.succeed(
            "win_copy",
            _copy_mode="query",
            dest=r"C:\d",
            files=[same, other],
            directories=[{"src": "/s/e", "dest": "e"}],
        )
        self.assertEqual([other], result["files"])
        self.assertEqual(["e"], [directory["dest"] for directory in result["directories"]])

    def test_single(self):
        self.write(r"C:\tmp\source", "text")
        self.succeed("win_copy", src=r"C:\tmp\source", dest="C:\\d\\", _original_basename="name.txt")
        self.assertEqual("text", self.session.local(r"C:\d\name.txt").read_text())
        self.fail_with(
            r"Destination directory 'C:\no' does not exist", "win_copy", src=r"C:\tmp\source", dest=r"C:\no\x"
        )

    def test_explode(self):
        self.session.writable(r"C:\tmp").mkdir()
        with zipfile.ZipFile(self.session.writable(r"C:\tmp\source.zip"), "w") as archive:
            archive.writestr(base64.b64encode(b"empty").decode() + "/", "")
            archive.writestr(base64.b64encode("a/ü.txt".encode()).decode(), "x")
        self.succeed("win_copy", src=r"C:\tmp\source.zip", dest=r"C:\d", _copy_mode="explode")
        self.assertTrue(self.session.is_directory(r"C:\d\empty"))
        self.assertEqual("x", self.session.local(r"C:\d\a\ü.txt").read_text())

    def test_explode_cannot_leave_the_drive(self):
        self.session.writable(r"C:\tmp").mkdir()
        with zipfile.ZipFile(self.session.writable(r"C:\tmp\source.zip"), "w") as archive:
            archive.writestr(base64.b64encode(b"../../../../escaped.txt!").decode(), "x")
        self.succeed("win_copy", src=r"C:\tmp\source.zip", dest=r"C:\d", _copy_mode="explode")
        self.assertTrue(self.session.is_file(r"C:\escaped.txt!"))

    def test_remote(self):
        self.write(r"C:\s\a\file", "x")
        copy = {"src": r"C:\s\a", "dest": r"C:\d", "_copy_mode": "remote"}
        planned = self.run_module("win_copy", True, True, **copy)
        # As the folder is still missing, the module says so of its file again.
        self.assertEqual("+C:\\d\\a\\\n" * 2 + "+C:\\d\\a\\file\n", planned["diff"]["prepared"])
        self.assertTrue(self.succeed("win_copy", **copy)["changed"])
        self.assertTrue(self.session.is_file(r"C:\d\a\file"))
        self.assertFalse(self.succeed("win_copy", **copy)["changed"])
        result = self.succeed("win_copy", src=r"C:\s\a\FILE", dest=r"C:\d", _copy_mode="remote")
        self.assertEqual((True, r"C:\d\file", 1), (result["changed"], result["dest"], result["size"]))
        self.write(r"C:\s\a\file", "new")
        again = {"src": r"C:\s\a" + "\\", "dest": r"C:\d\a", "_copy_mode": "remote", "backup": True}
        result = self.run_module("win_copy", _diff=True, **again)
        self.assertEqual("-C:\\d\\a\\file\n+C:\\d\\a\\file\n", result["diff"]["prepared"])
        self.assertEqual("x", self.session.local(result["backup_file"]).read_text())

    def test_zip_and_unzip(self):
        self.write(r"C:\s\a\file", "x")
        self.succeed("community.windows.win_zip", src=r"C:\s\*", dest=r"C:\s.zip")
        self.succeed("community.windows.win_unzip", src=r"C:\s.zip", dest=r"C:\d", delete_archive=True)
        self.assertEqual("x", self.session.local(r"C:\d\a\file").read_text())
        self.assertFalse(self.session.exists(r"C:\s.zip"))
