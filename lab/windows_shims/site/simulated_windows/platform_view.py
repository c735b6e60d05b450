# SPDX-License-Identifier: Apache-2.0
"""Shows Windows to the packages that are written for it, and to no other.

A package in :data:`SEES_WINDOWS` gets its own view of ``sys`` (platform is win32), ``os`` (name is nt) and
``ctypes`` (windll; a long of 32 bits, as in Windows' LLP64 model). All others keep seeing their Linux.
"""

import builtins
import functools
import os
import sys
import types

from . import import_hook

SEES_WINDOWS = ("os_win", "wmi", "hyperv_driver", "os_brick")


def install() -> None:
    """Give the packages their view on import; WindowsError is OSError everywhere, as on Windows."""
    builtins.WindowsError = OSError
    import_hook.Hook(lambda name: name.partition(".")[0] in SEES_WINDOWS, before=_give_view).install()


def _give_view(module) -> None:
    module.__dict__["__builtins__"] = {**vars(builtins), "__import__": windows_import}


def windows_import(name, globals=None, locals=None, fromlist=(), level=0):
    """``__import__`` for a package that sees Windows."""
    module = builtins.__import__(name, globals, locals, fromlist, level)
    if level == 0 and module is sys.modules.get("ctypes"):
        return _windows_ctypes()
    return _VIEWS.get(module, module) if level == 0 else module


class _View(types.ModuleType):
    """A module with some names replaced; everything else is the original's, also what is set later."""

    def __init__(self, original, **replaced):
        super().__init__(original.__name__, original.__doc__)
        self.__dict__.update(replaced, _original=original)

    def __getattr__(self, name):
        return getattr(self._original, name)

    def __dir__(self):
        return sorted({*dir(self._original), *self.__dict__})


_VIEWS = {sys: _View(sys, platform="win32"), os: _View(os, name="nt")}


def seen_by_windows(module):
    return _VIEWS.get(module, module)


@functools.cache
def _windows_ctypes():
    import ctypes

    from . import dll
    from .dll import errors

    return _View(
        ctypes, c_long=ctypes.c_int32, c_ulong=ctypes.c_uint32, windll=dll.WINDLL, WinDLL=dll.WINDLL.load,
        WINFUNCTYPE=ctypes.CFUNCTYPE, cdll=types.SimpleNamespace(LoadLibrary=dll.WINDLL.load),
        get_last_error=errors.get, set_last_error=errors.set, WinError=errors.win_error,
    )  # fmt: skip
