# SPDX-License-Identifier: Apache-2.0
from . import windows_python

# Any of the packages that see Windows will do.
SEEING = """
import ctypes, ctypes.util, os, os.path, sys
from ctypes import c_ulong, sizeof
def look():
    import sys as again
    return again.platform
"""


class PlatformViewTest(windows_python.WindowsPythonTest):
    def setUp(self):
        super().setUp()
        package = self.c_drive / "packages" / "os_brick"
        package.mkdir(parents=True)
        (package / "__init__.py").write_text(SEEING)

    def test_windows_is_shown_to_those_who_need_it_and_to_no_other(self):
        shown = self.python(r"""
            import ctypes, os, sys
            sys.path.append(r"C:\packages")
            import os_brick as seeing
            print(seeing.sys.platform, seeing.look(), seeing.os.name, seeing.sizeof(seeing.c_ulong))
            print(sys.platform, os.name, hasattr(ctypes, "windll"), ctypes.sizeof(ctypes.c_ulong))
            print(seeing.os.path is os.path, seeing.sys.modules is sys.modules, WindowsError is OSError)
        """)
        self.assertEqual(["win32 win32 nt 4", "linux posix False 8", "True True True"], shown.splitlines())

    def test_a_function_that_is_not_simulated_fails_when_it_is_called(self):
        shown = self.python(r"""
            import sys
            sys.path.append(r"C:\packages")
            from os_brick import ctypes
            for library in (ctypes.windll.kernel32, ctypes.WinDLL("hbaapi.dll")):
                library.Beep.argtypes = [ctypes.c_ulong]
                try:
                    library.Beep(1)
                except NotImplementedError as error:
                    print(error)
            try:
                ctypes.windll.kernel32.SetLastError(1)
            except TypeError as error:
                print(error)
        """)
        self.assertEqual(
            [
                "kernel32.dll: the lab does not simulate Beep",
                "hbaapi.dll: the lab does not simulate Beep",
                "kernel32.dll: SetLastError was called before its argtypes were set",
            ],
            shown.splitlines(),
        )

    def test_arguments_are_checked_as_ctypes_checks_them(self):
        shown = self.python(r"""
            import sys
            sys.path.append(r"C:\packages")
            from os_brick import ctypes
            kernel32 = ctypes.windll.kernel32
            kernel32.CloseHandle.argtypes = [ctypes.c_void_p]
            try:
                kernel32.CloseHandle(1.5)
            except ctypes.ArgumentError as error:
                print(error)
            print(kernel32.CloseHandle(12), ctypes.get_last_error(), ctypes.WinError())
        """)
        self.assertEqual(
            ["argument 1: TypeError: wrong type", "0 6 [WinError 6] The handle is invalid."],
            shown.splitlines(),
        )
