# SPDX-License-Identifier: Apache-2.0
r"""Real venv and pip in the lab's python.exe, as the Windows roles use them."""

import zipfile

from tests.unit.windows_shims import windows_python

# A wheel's files, but for the list of them.
WHEEL = {
    "told.py": "import sys\ndef main(): print(sys.prefix, sys.argv[1:])\n",
    "told-1.2.dist-info/METADATA": "Metadata-Version: 2.1\nName: told\nVersion: 1.2\n",
    "told-1.2.dist-info/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    "told-1.2.dist-info/entry_points.txt": "[console_scripts]\ntold = told:main\n",
}
PYTHON = "venv/Scripts/python.exe"
OFFLINE = ("--no-index", "--disable-pip-version-check")


class VenvTest(windows_python.WindowsPythonTest):
    def setUp(self):
        super().setUp()
        self.environment["PIP_NO_CACHE_DIR"] = "1"

    def run_well(self, program, *arguments):
        done = self.run_program(program, *arguments)
        self.assertEqual(0, done.returncode, done.stdout + done.stderr)
        return done.stdout

    def add_wheel(self):
        wheels = self.c_drive / "wheels"
        wheels.mkdir()
        with zipfile.ZipFile(wheels / "told-1.2-py3-none-any.whl", "w") as wheel:
            for name, content in WHEEL.items():
                wheel.writestr(name, content)
            wheel.writestr("told-1.2.dist-info/RECORD", "".join(f"{name},,\n" for name in WHEEL))

    def test_an_environment_with_pip_installs_and_runs_as_on_windows(self):
        self.add_wheel()
        self.run_well("Python311/python.exe", "-m", "venv", r"C:\venv")
        venv = self.c_drive / "venv"
        expected = ["Include", "Lib", "Scripts", "pythonservice.exe", "pyvenv.cfg"]
        self.assertEqual(expected, sorted(path.name for path in venv.iterdir()))
        self.run_well("venv/Scripts/pip.exe", "install", *OFFLINE, r"--find-links=C:\WHEELS", "told")
        self.assertTrue((venv / "Lib" / "site-packages" / "told.py").is_file())
        self.assertEqual(f"{venv} ['C:\\\\x']\n", self.run_well("venv/Scripts/told.exe", r"C:\x"))
        self.run_well(PYTHON, "-m", "pip", "check")
        self.run_well(PYTHON, "-m", "pip", "uninstall", "--yes", "told")
        self.assertFalse((venv / "Scripts" / "told.exe").exists())

    def test_an_environment_sees_a_base_by_a_pth_file(self):
        self.add_wheel()
        self.run_well("Python311/python.exe", "-m", "venv", r"C:\base")
        self.run_well("Python311/python.exe", "-m", "venv", "--without-pip", r"C:\venv")
        packages = self.c_drive / "venv" / "Lib" / "site-packages"
        (packages / "base.pth").write_text(r"import site; site.addsitedir(r'C:\BASE\Lib\site-packages')")
        self.run_well(PYTHON, "-m", "pip", "install", *OFFLINE, r"C:\wheels\told-1.2-py3-none-any.whl")
        self.assertTrue((packages / "told.py").is_file())
        self.assertEqual(f"{self.c_drive}/venv ['1']\n", self.run_well("venv/Scripts/told.exe", "1"))

    def test_the_base_interpreter_has_the_standard_library_only(self):
        shown = self.python("""
            import importlib.util, sys
            print(sys.prefix == sys.base_prefix, importlib.util.find_spec("apt"))
        """)
        self.assertEqual("True None", shown)
