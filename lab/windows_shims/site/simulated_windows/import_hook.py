# SPDX-License-Identifier: Apache-2.0
"""Acts on a module before or after its code runs, without importing it early."""

import importlib.machinery
import sys


class Hook:
    """A finder that shows each module that `concerns` accepts to the functions `before` and `after`."""

    def __init__(self, concerns, *, before=None, after=None):
        self._concerns, self._before, self._after = concerns, before, after

    def install(self) -> None:
        """Put the hook before Python's own finder."""
        sys.meta_path.insert(0, self)

    def find_spec(self, name, path=None, target=None):
        if not self._concerns(name):
            return None
        spec = importlib.machinery.PathFinder.find_spec(name, path, target)
        if spec is not None and spec.loader is not None:
            spec.loader = _Loader(spec.loader, self._before, self._after)
        return spec


class _Loader:
    def __init__(self, loader, before, after):
        self._loader, self._before, self._after = loader, before, after

    def __getattr__(self, name):
        return getattr(self._loader, name)

    def create_module(self, spec):
        return self._loader.create_module(spec)

    def exec_module(self, module):
        if self._before:
            self._before(module)
        self._loader.exec_module(module)
        if self._after:
            self._after(module)
