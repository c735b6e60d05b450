# SPDX-License-Identifier: Apache-2.0
"""DLLs whose functions are Python functions, called as ctypes calls foreign ones."""

import ctypes
import importlib
import ntpath

from vhd import VirtualDiskError

from .. import paths
from . import errors


def function(*, fails_with=None, returns_code=False, buffers=()):
    """Make a Python function one of a DLL.

    An OSError, Win32Error or VirtualDiskError that it raises becomes the return value if the function
    `returns_code` (success is 0 then); else the last error, with `fails_with` as return value. Of the
    arguments at the positions `buffers`, texts that the function writes, it gets the addresses.
    """

    def mark(implementation):
        implementation.fails_with, implementation.returns_code = fails_with, returns_code
        implementation.buffers = buffers
        return implementation

    return mark


class Function:
    """A function of a DLL; `argtypes` and `restype` convert arguments and result, as ctypes' own do."""

    argtypes = None
    restype = ctypes.c_int

    def __init__(self, library: str, name: str, implementation):
        self.__name__ = name
        self._library, self._implementation = library, implementation

    def __call__(self, *args):
        if self._implementation is None:
            raise NotImplementedError(f"{self._library}.dll: the lab does not simulate {self.__name__}")
        if self.argtypes is None:
            raise TypeError(f"{self._library}.dll: {self.__name__} was called before its argtypes were set")
        raised = []

        def guarded(*converted):
            try:
                return self._run(converted)
            except BaseException as error:  # noqa: BLE001 (a foreign function cannot raise: the caller does)
                raised.append(error)
                return 0

        types = list(self.argtypes)
        for position in self._implementation.buffers:
            types[position] = ctypes.c_void_p
        # Through a real foreign function, so that ctypes checks and converts what it would on Windows.
        result = ctypes.CFUNCTYPE(self.restype, *types)(guarded)(*args)
        if raised:
            raise raised[0]
        return result

    def _run(self, args):
        implementation = self._implementation
        try:
            result = implementation(*args)
        except (OSError, errors.Win32Error, VirtualDiskError) as error:
            code = error.code if hasattr(error, "code") else paths.winerror_of(error)
            if implementation.returns_code:
                return code
            errors.set(code)
            return implementation.fails_with
        return 0 if implementation.returns_code else result


class Library:
    """A DLL: has any function, so that its prototype can be declared; one not simulated fails when called."""

    def __init__(self, name: str):
        self._name = name
        try:
            self._module = importlib.import_module(f"{__package__}.{name}")
        except ModuleNotFoundError as error:
            if error.name != f"{__package__}.{name}":
                raise
            self._module = None  # none of its functions is simulated

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        implementation = getattr(self._module, name, None)
        if not hasattr(implementation, "returns_code"):
            implementation = None
        found = Function(self._name, name, implementation)
        setattr(self, name, found)
        return found


class Loader:
    """ctypes.windll."""

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        library = self.load(name)
        setattr(self, name, library)
        return library

    @staticmethod
    def load(name, *_args, **_named) -> Library:
        """Return the DLL `name`, with or without a path and ".dll"."""
        return Library(ntpath.basename(name).lower().removesuffix(".dll"))
