# SPDX-License-Identifier: Apache-2.0
"""pywin32's pywintypes: its exception."""


class error(Exception):
    """A Win32 function failed: code, name of the function, text of the system."""

    @property
    def winerror(self) -> int:
        return self.args[0]

    @property
    def funcname(self) -> str:
        return self.args[1]

    @property
    def strerror(self) -> str:
        return self.args[2]
