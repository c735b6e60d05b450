# SPDX-License-Identifier: Apache-2.0
import base64
import hashlib
import io
import tarfile
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

    def test_times(self):
        given = {"path": r"C:\file", "modification_time": "2025-12-29 12:34:56 +02"}
        given |= {"modification_time_format": "yyyy-MM-dd HH:mm:ss zz", "access_time": "2025-01-01 00:00:00"}
        self.assertTrue(self.succeed("win_file", state="touch", **given)["changed"])
        stat = self.session.local(r"C:\file").stat()
        self.assertEqual((1735689600, 1767004496), (stat.st_atime, stat.st_mtime))
        self.assertFalse(self.succeed("win_file", state="touch", **given)["changed"])
        self.assertTrue(self.succeed("win_file", path=r"C:\file", state="touch", _check_mode=True)["changed"])
        self.assertEqual(1767004496, self.session.local(r"C:\file").stat().st_mtime)
        self.assertTrue(self.succeed("win_file", path=r"C:\file", state="touch")["changed"])
        for value in ("2025-02-30 00:00:00", "yesterday"):
            self.fail_with("Invalid access_time", "win_file", path=r"C:\file", access_time=value)
        self.fail_with(
            "does not know tt",
            "win_file",
            path=r"C:\file",
            access_time="1 PM",
            access_time_format="HH tt",
        )

    def test_times_are_no_parameters_of_older_releases(self):
        self.ship_oldest()
        self.fail_with("Unsupported parameters", "win_file", path=r"C:\x", state="touch", access_time="now")

    def test_peek(self):
        self.session.writable(r"C:\binary").write_bytes(b"a\0")
        self.write(r"C:\text", "a")
        for path, said in (("binary", ("file", True)), ("text", ("file", False)), ("no", ("absent", False))):
            peek = self.succeed("ansible.legacy.file", path=f"C:\\{path}", _diff_peek=True)
            self.assertEqual(said, (peek["state"], peek["appears_binary"]))

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

    def test_find_both_kinds_in_the_letters_that_are_given(self):
        self.assertEqual(["a.log", "below"], self.found(file_type="any"))
        expression = {"patterns": [r"\.log$"], "use_regex": True, "recurse": True}
        self.assertEqual(["a.log", "b.LOG"], self.found(**expression))
        self.assertEqual(["a.log"], self.found(**expression, case_sensitive=True))
        self.ship_oldest()
        self.fail_with("value of file_type must be one of", "win_find", paths=["C:\\"], file_type="any")
        self.assertEqual(["a.log"], self.found(patterns=["*.log"]))

    def test_a_folder_s_size_is_one(self):
        self.assertEqual(["below"], self.found(file_type="directory", size="1b"))
        self.assertEqual([], self.found(file_type="directory", size="2b"))

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

    def pack(self, path, *entries):
        with tarfile.open(self.session.writable(path), "w:gz") as archive:
            for name, data in entries:
                entry = tarfile.TarInfo(name)
                entry.size = len(data)
                archive.addfile(entry, io.BytesIO(data))

    def test_untar(self):
        unpack = {"src": r"C:\s.tar.gz", "dest": r"C:\d"}
        self.pack(r"C:\s.tar.gz", ("a/file", b"x"))
        self.assertTrue(self.succeed("community.windows.win_unzip", **unpack)["changed"])
        self.assertEqual("x", self.session.local(r"C:\d\a\file").read_text())
        self.fail_with("PSCX", "community.windows.win_unzip", **unpack, recurse=True)
        self.pack(r"C:\s.tar.gz", ("../out", b"x"))
        self.fail_with("outside the destination", "community.windows.win_unzip", **unpack)
        self.write(r"C:\s.tar.gz", "none")
        self.fail_with("using tar.exe", "community.windows.win_unzip", **unpack)
        self.write(r"C:\s.zip", "none")
        self.fail_with("Error unzipping", "community.windows.win_unzip", src=r"C:\s.zip", dest=r"C:\d")
        self.ship_oldest()
        self.fail_with("non-'.zip'", "community.windows.win_unzip", **unpack)
