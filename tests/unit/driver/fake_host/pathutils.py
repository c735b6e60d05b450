# SPDX-License-Identifier: Apache-2.0
"""os-win's pathutils, on this machine's files."""

import os
import shutil


class FakePathUtils:
    exists = staticmethod(os.path.exists)
    open = staticmethod(open)
    makedirs = staticmethod(os.makedirs)
    remove = staticmethod(os.remove)

    def __init__(self, vhdutils):
        self._vhdutils = vhdutils

    def copyfile(self, src, dest):
        shutil.copyfile(src, dest)
        if src in self._vhdutils.disks:
            self._vhdutils.disks[dest] = dict(self._vhdutils.disks[src])

    def rename(self, src, dest):
        os.rename(src, dest)
        disks = self._vhdutils.disks
        for path in [path for path in disks if path == src or path.startswith(src + os.sep)]:
            disks[dest + path.removeprefix(src)] = disks.pop(path)

    def check_create_dir(self, path):
        os.makedirs(path, exist_ok=True)

    def check_remove_dir(self, path):
        if os.path.exists(path):
            shutil.rmtree(path)
