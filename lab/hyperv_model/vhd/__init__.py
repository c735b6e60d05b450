# SPDX-License-Identifier: Apache-2.0
"""Virtual disks: real VHD and VHDX files, as virtdisk.dll and Hyper-V leave them.

Used by the model (in the host's process) and, bound into every Windows process, by the stand-in for
virtdisk.dll; so it imports nothing of the lab. A file names its parent by a Windows path.
"""

import contextlib
import errno
import ntpath
import os
import shutil
import uuid
from collections.abc import Callable

from . import vhd_format, vhdx_format
from .disk import DIFFERENCING, DYNAMIC, FIXED, Disk, ParentLink
from .errors import VHD_CHILD_PARENT_ID_MISMATCH as _ID_MISMATCH
from .errors import VHD_DIFFERENCING_CHAIN_CYCLE_DETECTED as _CYCLE
from .errors import VHD_FORMAT_UNKNOWN as _UNKNOWN
from .errors import VHD_INVALID_TYPE as _INVALID_TYPE
from .errors import VHD_PARENT_VHD_NOT_FOUND as _NO_PARENT
from .errors import VirtualDiskError

__all__ = [
    "DIFFERENCING", "DYNAMIC", "FIXED", "Disk", "ParentLink", "VirtualDiskError", "compact", "convert",
    "create", "create_differencing", "merge", "open_chain", "open_disk", "parent_of", "reconnect",
]  # fmt: skip
_FORMATS = {"vhd": vhd_format, "vhdx": vhdx_format}

LocalPath = Callable[[str], str | os.PathLike]


def open_disk(path: str | os.PathLike, *, write: bool = False) -> Disk:
    """Open the virtual disk in the file `path`, whatever its name says, without its parents.

    Raises FileNotFoundError, or VirtualDiskError (a ValueError) if the file is no sound VHD or VHDX.
    """
    file = open(path, "r+b" if write else "rb")  # the disk closes it
    with contextlib.ExitStack() as on_error:
        on_error.enter_context(file)
        start = file.read(8)
        end = file.seek(0, os.SEEK_END)
        file.seek(max(0, end - 512))
        if start == vhdx_format.parts.SIGNATURE:
            disk = vhdx_format.Vhdx(file, path)
        elif file.read(8) == vhd_format.COOKIE:
            disk = vhd_format.Vhd(file, path)
        else:
            raise VirtualDiskError(_UNKNOWN, f"{path}: neither a VHD nor a VHDX")
        on_error.pop_all()
        return disk


def open_chain(windows_path: str, local_path: LocalPath, *, write: bool = False) -> Disk:
    """Open a virtual disk and all its parents (those for reading).

    `local_path` turns Windows paths into this machine's.

    Raises as open_disk does, and VirtualDiskError if a parent is missing or not the one that the child was
    made from, or the chain is a circle.
    """
    disk = open_disk(local_path(windows_path), write=write)
    with contextlib.ExitStack() as on_error:
        on_error.callback(disk.close)
        child, name, seen = disk, windows_path, {os.path.realpath(disk.path)}
        while child.parent_link:
            name = _find_parent(child, name, local_path)
            child.parent = open_disk(local_path(name))
            if os.path.realpath(child.parent.path) in seen:
                raise VirtualDiskError(_CYCLE, f"{windows_path}: {name} is a parent of itself")
            seen.add(os.path.realpath(child.parent.path))
            if child.parent.identifier != child.parent_link.identifier:
                raise VirtualDiskError(_ID_MISMATCH, f"{child.path}: {name} is not the disk it was made from")
            child = child.parent
        on_error.pop_all()
        return disk


def parent_of(path: str | os.PathLike, windows_path: str) -> str | None:
    """Return the Windows path of the parent of the disk in file `path`, or None.

    `windows_path` is the disk's own, to which the parent's is relative.
    """
    with open_disk(path) as disk:
        return next(_parent_candidates(disk, windows_path), None)


def create(path: str | os.PathLike, size: int, kind: str, **more) -> None:
    """Make a new, empty `kind` ("fixed" or "dynamic") disk of `size` bytes; the extension names the format.

    Optional: `identifier` (uuid.UUID), `block_size`, `sector_size`, `physical_sector_size` (bytes, 0: the
    format's default). Raises FileExistsError, OSError (ENOSPC) if a fixed disk does not fit, or
    VirtualDiskError for an impossible size or extension.
    """
    format_of_path = _format_of(path)
    if kind == FIXED:
        # The file itself is sparse here, to be quick.
        _check_space(path, size)
    with _removed_on_error(path):
        format_of_path.create(os.fspath(path), size, kind, **{"identifier": uuid.uuid4(), **more})


def create_differencing(
    windows_path: str, parent: str, local_path: LocalPath, *, size: int = 0, **more
) -> None:
    """Make a differencing disk of `parent` (Windows paths both), as large as that unless `size` is given."""
    path = os.fspath(local_path(windows_path))
    with open_chain(parent, local_path) as parent_disk:
        if _format_of(path) is not _FORMATS[parent_disk.format]:
            raise VirtualDiskError(
                _UNKNOWN, f"{windows_path}: its parent {parent} is a {parent_disk.format.upper()}"
            )
        link = _link(windows_path, parent, parent_disk)
        more = {"identifier": uuid.uuid4(), **more, "link": link, "parent": parent_disk}
        format_of_path = _format_of(path)
        with _removed_on_error(path):
            format_of_path.create(path, size or parent_disk.size, DIFFERENCING, **more)


def convert(windows_path: str, source: str, local_path: LocalPath, *, kind: str = DYNAMIC, **more) -> None:
    """Make a disk with what a guest reads from `source` and all its parents; formats may differ, sectors not.

    Raises VirtualDiskError if the other format has no such sectors.
    """
    with open_chain(source, local_path) as source_disk:
        path = os.fspath(local_path(windows_path))
        more["sector_size"] = source_disk.sector_size
        create(path, source_disk.size, kind, **more)
        with _removed_on_error(path), open_disk(path, write=True) as disk:
            for offset, length in source_disk.data_ranges():
                data = source_disk.read(offset, length)
                if data.count(0) != length:
                    disk.write(offset, data)


def compact(windows_path: str, local_path: LocalPath, *, zeros: bool) -> None:
    """Make the file of a dynamic or differencing disk smaller; what a guest reads stays.

    `zeros`: look for blocks that are nothing but zeros, beside those that are unused. Raises VirtualDiskError
    for a fixed VHD.
    """
    with open_chain(windows_path, local_path, write=True) as disk:
        if zeros and disk.kind != FIXED:
            disk.release_zeros()
        disk.compact()


def merge(windows_path: str, local_path: LocalPath) -> str:
    """Write what a differencing disk holds into its parent, whose Windows path is returned.

    The file stays. Other children of the parent are spoilt: it is not the disk that they were made from.
    Raises OSError (ENOSPC), with both as they were, if the parent cannot grow so much.
    """
    with open_chain(windows_path, local_path) as child:
        parent = _find_parent(child, windows_path, local_path)
        with open_chain(parent, local_path, write=True) as target:
            _check_space(target.path, target.growth(child.own_ranges()))
            if child.size > target.size:
                target.resize(child.size)
            for offset, length in child.own_ranges():
                target.write(offset, child.read(offset, length))
    return parent


def reconnect(windows_path: str, parent: str, local_path: LocalPath, *, merged: bool = False) -> None:
    """Tell a differencing disk where its parent is now (Windows paths both).

    `merged`: the parent that it was made from has been merged into this one. Raises VirtualDiskError if it is
    no differencing disk, or, unless `merged`, was not made from this parent.
    """
    with open_disk(local_path(windows_path), write=True) as child, open_disk(local_path(parent)) as disk:
        if child.kind != DIFFERENCING:
            raise VirtualDiskError(_INVALID_TYPE, f"{windows_path}: a {child.kind} disk has no parent")
        if not merged and disk.identifier != child.parent_link.identifier:
            raise VirtualDiskError(_ID_MISMATCH, f"{windows_path}: {parent} is not the disk it was made from")
        child.set_parent_link(_link(windows_path, parent, disk))


def _check_space(path: str | os.PathLike, size: int) -> None:
    if size > shutil.disk_usage(os.path.dirname(path)).free:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), os.fspath(path))


@contextlib.contextmanager
def _removed_on_error(path: str | os.PathLike):
    """Leave no half of a disk behind."""
    try:
        yield
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)
        raise


def _link(child: str, parent: str, parent_disk: Disk) -> ParentLink:
    relative = ntpath.relpath(parent, ntpath.dirname(child))
    return ParentLink(parent_disk.identifier, f".\\{relative}", parent)


def _parent_candidates(disk: Disk, windows_path: str):
    link = disk.parent_link
    if link and link.relative:
        yield ntpath.normpath(ntpath.join(ntpath.dirname(windows_path), link.relative))
    if link and link.absolute:
        yield link.absolute.removeprefix("\\\\?\\")


def _find_parent(disk: Disk, windows_path: str, local_path: LocalPath) -> str:
    candidates = list(_parent_candidates(disk, windows_path))
    for candidate in candidates:
        if os.path.exists(local_path(candidate)):
            return candidate
    raise VirtualDiskError(
        _NO_PARENT, f"{windows_path}: its parent is missing, looked for {' and '.join(candidates)}"
    )


def _format_of(path: str | os.PathLike):
    extension = os.path.splitext(path)[1][1:].lower()
    extension = {"avhd": "vhd", "avhdx": "vhdx"}.get(extension, extension)
    if extension not in _FORMATS:
        raise VirtualDiskError(_UNKNOWN, f"{path}: extension {extension or 'none'}, expected vhd or vhdx")
    if os.path.exists(path):
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), os.fspath(path))
    return _FORMATS[extension]
