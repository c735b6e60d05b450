# SPDX-License-Identifier: Apache-2.0
import subprocess

from . import windows_python

RUN_ANOTHER = r"""
import subprocess, sys
subprocess.run([r"C:\Python311\python.exe", "-c", "print('another')"], check=True)
"""


class PathsTest(windows_python.WindowsPythonTest):
    def test_names_match_in_any_case_and_keep_their_first_spelling(self):
        self.python(r"""
            import os
            os.makedirs(r"C:\OpenStack\Instances")
            with open(r"c:/openstack/INSTANCES/Disk.vhdx", "w") as disk:
                disk.write("x")
        """)
        self.assertEqual("x", self.on_linux(r"C:\OpenStack\Instances\Disk.vhdx").read_text())
        shown = self.python(r"""
            import os
            print(os.listdir(r"C:\OPENSTACK"), os.path.exists(r"C:\openstack\instances\disk.VHDX"))
            print(os.path.realpath(r"C:\OPENSTACK\instances"))
        """)
        self.assertEqual("['Instances'] True\nC:\\OpenStack\\Instances", shown)

    def test_os_path_follows_the_rules_of_windows_for_windows_paths_only(self):
        shown = self.python(r"""
            import os.path as p
            print(p.join(r"C:\a", "b/c", "d"), p.join("/tmp", r"C:\x"), p.join("/tmp", "x"), p.join("a", "b"))
            print(p.split(r"C:\a\b.c"), p.splitext(r"C:\a.b\c"), p.dirname(r"\\s\sh\x"), p.basename("/a"))
            print(p.isabs(r"C:\a"), p.isabs("C:a"), p.normpath("C:/a/../b"), p.normpath("/a//b"))
            print(p.relpath(r"C:\a\b", r"c:\A"), p.commonpath([r"C:\a\b", r"C:\a\c"]), p.expanduser(r"~\x"))
        """)
        self.assertEqual(
            "\n".join(
                (
                    r"C:\a\b/c\d C:\x /tmp/x a/b",
                    r"('C:\\a', 'b.c') ('C:\\a.b\\c', '') \\s\sh" + "\\ a",
                    r"True False C:\b /a/b",
                    r"b C:\a C:\Users\Administrator\x",
                )
            ),
            shown,
        )

    def test_errors_carry_the_code_and_the_name_of_windows(self):
        shown = self.python(r"""
            import os
            for act in (
                lambda: open(r"C:\none"), lambda: os.mkdir("C:\\Windows"), lambda: os.stat(r"D:\x"),
                lambda: os.rmdir("C:\\Windows"), lambda: open("C:\\a?b", "w"),
                lambda: os.listdir(r"\\s\share"),
                lambda: os.rename("C:\\Windows", "C:\\Python311"),
            ):
                try:
                    act()
                except WindowsError as error:
                    print(type(error).__name__, error.winerror, error.filename)
        """)
        self.assertEqual(
            "\n".join((
                r"FileNotFoundError 2 C:\none", r"FileExistsError 183 C:\Windows",
                r"FileNotFoundError 3 D:\x", r"OSError 145 C:\Windows", r"OSError 123 C:\a?b",
                r"FileNotFoundError 53 \\s\share",
                r"FileExistsError 183 C:\Windows",
            )),
            shown,
        )  # fmt: skip

    def test_a_rename_may_change_the_case_of_a_name(self):
        self.python("""
            import os
            os.mkdir("C:/old"); os.rename("C:/old", "C:/OLD"); os.replace("C:/OLD", "C:/new")
        """)
        self.assertTrue(self.on_linux(r"C:\new").is_dir())

    def test_a_tree_is_walked_copied_and_removed(self):
        shown = self.python(r"""
            import glob, os, shutil, tempfile
            os.makedirs(r"C:\tree\a"); open(r"C:\tree\a\f.txt", "w").close()
            shutil.copytree(r"C:\tree", r"C:\copy"); shutil.move(r"C:\copy", r"C:\moved")
            shutil.rmtree(r"C:\TREE")
            print(list(os.walk(r"C:\moved")), os.path.exists(r"C:\tree"), glob.glob(r"C:\moved\a\*.txt"))
            with os.scandir(r"C:\moved") as entries:
                print([(entry.name, entry.path, entry.is_dir()) for entry in entries])
            with tempfile.TemporaryDirectory() as directory:
                print(directory.startswith("C:\\Windows\\Temp\\"))
        """)
        self.assertEqual(
            "[('C:\\\\moved', ['a'], []), ('C:\\\\moved\\\\a', [], ['f.txt'])] "
            "False ['C:\\\\moved\\\\a\\\\f.txt']\n"
            "[('a', 'C:\\\\moved\\\\a', True)]\nTrue",
            shown,
        )

    def test_names_of_variables_know_no_case(self):
        shown = self.python("""
            import os
            print(os.environ["path"], os.environ["PATH"], "Path" in list(os.environ))
        """)
        self.assertEqual(r"C:\Windows\system32;C:\Windows C:\Windows\system32;C:\Windows False", shown)


class LibrariesTest(windows_python.WindowsPythonTest):
    def test_a_log_file_is_written_by_logging(self):
        self.python(r"""
            import logging.handlers
            handler = logging.handlers.WatchedFileHandler(r"C:\nova.log")
            handler.emit(logging.makeLogRecord({"msg": "started"})); handler.close()
        """)
        self.assertEqual("started\n", self.on_linux(r"C:\nova.log").read_text())

    def test_a_program_is_found_in_c_and_along_path(self):
        shown = self.python(
            r"""
            import subprocess
            for program in (r"C:\Python311\python", "python", "python.exe"):
                command = [program, "-c", "import sys; print(sys.argv[1:])", r"C:\x"]
                print(subprocess.check_output(command, cwd="C:\\"))
            for wrong in (["none.exe"], "ls"):
                try:
                    subprocess.run(wrong)
                except FileNotFoundError as error:
                    print(error.winerror, error.filename)
            """,
            environment={"Path": r"C:\Windows;C:\Python311"},
        )
        self.assertEqual("b\"['C:\\\\\\\\x']\\n\"\n" * 3 + "2 none.exe\n2 ls", shown)

    def test_a_program_needs_no_execute_bit(self):
        self.on_linux(r"C:\Python311\python.exe").chmod(0o644)
        launcher = str(windows_python.SHIMS / "launch")
        command = [launcher, self.c_drive / "Python311" / "python.exe", "-c", RUN_ANOTHER]
        shown = subprocess.check_output(command, env=self.environment, text=True)
        self.assertEqual("another\n", shown)

    def test_a_script_in_c_runs_and_gets_its_arguments_untouched(self):
        self.on_linux(r"C:\job.py").write_text("import sys; print(sys.argv)")
        done = self.run_program("Python311/python.exe", r"C:\JOB.py", r"C:\x y")
        self.assertEqual(f"['{self.c_drive}/job.py', 'C:\\\\x y']\n", done.stdout)

    def test_what_would_switch_the_shims_off_is_refused(self):
        for option in ("-I", "-Es", "-sE"):
            done = self.run_program("Python311/python.exe", option, "-c", "pass")
            self.assertEqual(2, done.returncode)
            self.assertIn(f"{option} would switch the simulated Windows off", done.stderr)
