# SPDX-License-Identifier: Apache-2.0
r"""Windows paths and the Linux files behind them.

``C:\x`` is ``$WINDOWS_C/x`` (default ``/c``). A mapped share ``\\server\share`` is ``shares/server/share`` in
$WINDOWS_HOST_RUN (lab/hyperv_model/smb.py), ``\\HOST\C$`` is ``$WINDOWS_NETWORK/HOST`` (default ``/network``;
lab/hyperv_model/neighbours.py). Names match in any case and are created as given, as on NTFS.
Rules of names: Microsoft, "Naming Files, Paths, and Namespaces".
"""

import errno
import ntpath
import os
import posix
import re
import socket

# winerror.h, for the errno values that file functions give.
_WINERROR = {
    errno.ENOENT: 2, errno.EACCES: 5, errno.EPERM: 5, errno.EEXIST: 183, errno.ENOTEMPTY: 145,
    errno.ENOTDIR: 267, errno.EISDIR: 5, errno.EINVAL: 87,
    errno.ENOSPC: 112, errno.EXDEV: 17, errno.EMFILE: 4, errno.EBUSY: 32,
    errno.ENOEXEC: 193, errno.ENAMETOOLONG: 206, errno.EROFS: 19, errno.ELOOP: 1921,
}  # fmt: skip
_ABSOLUTE = re.compile(r"[A-Za-z]:(?:[\\/]|\Z)|\\\\")
_FORBIDDEN = re.compile(r'[<>"|?*:\x00-\x1f]')
_PIPE = re.compile(r"\\\\[.?]\\pipe\\(?P<name>.+)", re.IGNORECASE)

# What Windows says that Linux does not.
_TEXTS = {32: "The process cannot access the file because it is being used by another process"}
ERROR_INVALID_NAME = 123
ERROR_PATH_NOT_FOUND = 3
ERROR_BAD_NETPATH = 53
ERROR_BAD_NET_NAME = 67


def is_windows(path) -> bool:
    """Say whether `path` (text, bytes or path-like; anything else is not) is an absolute Windows path."""
    if isinstance(path, os.PathLike):
        path = os.fspath(path)
    if isinstance(path, bytes):
        path = os.fsdecode(path)
    return isinstance(path, str) and _ABSOLUTE.match(path) is not None


def c_drive() -> str:
    """Return the Linux directory that is C:\\."""
    return os.environ.get("WINDOWS_C", "/c").rstrip("/")


def network() -> str:
    """Return the Linux directory with the C: drives of the hosts that this one reaches."""
    return os.environ.get("WINDOWS_NETWORK", "/network").rstrip("/")


def pipe_name(path: str) -> str | None:
    r"""Return NAME of ``\\.\pipe\NAME``, or None if `path` is no pipe's."""
    match = _PIPE.fullmatch(path)
    return match["name"] if match else None


def to_host(path):
    """Return the Linux path of Windows path `path` (bytes give bytes); any other path comes back as it is.

    Raises OSError with ``winerror`` for a drive other than C:, a share that is neither mapped nor C$ of a
    host that answers, a device, a name that NTFS forbids.
    """
    if not is_windows(path):
        return path
    if isinstance(path := os.fspath(path), bytes):
        return os.fsencode(to_host(os.fsdecode(path)))
    plain = path[4:] if path.startswith(("\\\\?\\", "\\\\.\\")) and path[5:6] == ":" else path
    drive, tail = ntpath.splitdrive(plain)
    if drive.startswith(("\\", "/")):
        root = _share_root(path, drive)
    elif drive.upper() != "C:":
        raise windows_error(errno.ENOENT, path, winerror=ERROR_PATH_NOT_FOUND)
    else:
        root = c_drive()
    names = [name.rstrip(". ") for name in ntpath.normpath(tail or "\\").split("\\") if name]
    if any(not name or _FORBIDDEN.search(name) for name in names):
        raise windows_error(errno.EINVAL, path, winerror=ERROR_INVALID_NAME)
    return _find(root, names)


def _share_root(path: str, share: str) -> str:
    computer, _, name = share.replace("/", "\\")[2:].partition("\\")
    administrative = name.endswith("$")
    if administrative:
        root = f"{network()}/{computer.upper()}"
        there = _answers(f"{root}.sock")
    else:
        run = os.environ.get("WINDOWS_HOST_RUN", "/run/windows-host")
        root = f"{run}/shares/{computer.lower()}/{name.lower()}"
        there = _exists(root)
    if not there or not computer.strip(".?"):
        raise windows_error(errno.ENOENT, path, winerror=ERROR_BAD_NETPATH)
    if administrative and name.upper() != "C$":
        raise windows_error(errno.ENOENT, path, winerror=ERROR_BAD_NET_NAME)
    return root


def _answers(socket_path: str) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as end:
        try:
            end.connect(socket_path)
        except OSError:
            return False
    return True


def from_host(path: str) -> str:
    """Return the Windows path of Linux path `path` if it is below C:\\ or another host's, else `path`."""
    if path.startswith(network() + "/"):
        computer, _, below = path[len(network()) + 1 :].partition("/")
        return rf"\\{computer}\C$\{below}".replace("/", "\\")
    root = c_drive()
    if path == root or path.startswith(root + "/"):
        return "C:\\" + path[len(root) + 1 :].replace("/", "\\")
    return path


def windows_error(code: int, filename=None, filename2=None, *, winerror: int | None = None) -> OSError:
    """Return an OSError as Windows' Python raises it: ``winerror`` follows from errno `code` if not given."""
    error = OSError(code, _TEXTS.get(winerror, os.strerror(code)), filename, None, filename2)
    error.winerror = _WINERROR.get(code, 87) if winerror is None else winerror
    return error


def winerror_of(error: OSError) -> int:
    """Return the Win32 error code that `error` stands for; raises `error` itself if it has none."""
    code = getattr(error, "winerror", None) or _WINERROR.get(error.errno)
    if code is None:
        raise error
    return code


def _find(root: str, names: list[str]) -> str:
    exact = "/".join([root, *names])
    if _exists(exact):
        return exact
    found = root
    for position, name in enumerate(names):
        match = name if _exists(f"{found}/{name}") else _other_case(found, name)
        if match is None:
            return "/".join([found, *names[position:]])
        found = f"{found}/{match}"
    return found


def _other_case(directory: str, name: str) -> str | None:
    folded = name.casefold()
    try:
        return next((entry for entry in posix.listdir(directory) if entry.casefold() == folded), None)
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        return None


def _exists(path: str) -> bool:
    try:
        posix.lstat(path)
    except OSError:
        return False
    return True
