# SPDX-License-Identifier: Apache-2.0
r"""``\\HOST\C$``: the C: drives of the hosts that a host reaches, which administrators have (documented)."""

import errno
import re
from collections.abc import Callable
from pathlib import Path

from lab.hyperv_model.neighbours import Neighbours
from lab.windows_sandbox.errors import Win32Error
from lab.windows_sandbox.filesystem import FileSystem

_UNC = re.compile(r"\\\\(?P<computer>[^\\/?.][^\\/]*)\\(?P<share>[^\\/]+)(?P<below>\\.*)?")


def local_path(filesystem: FileSystem, neighbours: Neighbours | None) -> Callable[[str], Path]:
    """Return the function from a Windows path, on C: or such a share, to the local path that it is kept at.

    It raises OSError for a path that the host cannot have; for a host that does not answer, and for a share
    other than C$.
    """

    def local(path: str) -> Path:
        match = _UNC.fullmatch(path)
        try:
            if not match or not neighbours:
                return filesystem.local(path)
            drive = neighbours.drive_of(match["computer"])
            if match["share"].upper() != "C$":
                raise OSError(errno.ENOENT, "The network name cannot be found: hosts share C$ only", path)
            return FileSystem(drive).local("C:" + (match["below"] or "\\"))
        except Win32Error as error:
            raise OSError(errno.ENOENT, str(error), path) from error

    return local
