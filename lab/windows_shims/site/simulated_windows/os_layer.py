# SPDX-License-Identifier: Apache-2.0
"""Lets functions of os, os.path, io and builtins take Windows paths; every other path is left to Linux.

The functions are replaced in place: code that never heard of the lab (nova, oslo, shutil) uses them.
"""

import builtins
import errno
import functools
import io
import ntpath
import os
import posixpath
import shutil

from . import paths, pipes, sharing

ONE_PATH = (
    "access", "chdir", "chmod", "chown", "getxattr", "lchown", "listdir", "listxattr", "lstat", "mkdir",
    "open", "readlink", "remove", "removexattr", "rmdir", "setxattr", "stat", "statvfs", "truncate", "unlink",
    "utime",
)  # fmt: skip
TWO_PATHS = ("link", "replace", "symlink")
# They are refused for a file that is in use; so are a move, and opening it to write.
CHANGES = ("remove", "truncate", "unlink")
PATH_ARGUMENTS = ("path", "src", "dst", "file")
SAME_IN_NTPATH = ("basename", "dirname", "isabs", "normcase", "normpath", "split", "splitdrive", "splitext")


def install() -> None:
    """Replace the functions. Calling it twice is an error."""
    if hasattr(os.open, "__wrapped__"):
        raise RuntimeError("the path layer is installed already")
    for name in ONE_PATH:
        setattr(os, name, _Translating(getattr(os, name), 1))
    for name in TWO_PATHS:
        setattr(os, name, _Translating(getattr(os, name), 2))
    for name in CHANGES:
        setattr(os, name, _refusing(getattr(os, name), _check_change))
    os.open = _refusing(os.open, _check_flags)
    os.replace = _refusing(os.replace, _check_move)
    os.rename = _refusing(_rename(_Translating(os.rename, 2)), _check_move)
    os.scandir = _scandir(os.scandir)
    builtins.open = io.open = _refusing(_open(_Translating(io.open, 1)), _check_mode)
    for name in SAME_IN_NTPATH:
        setattr(posixpath, name, _by_kind(getattr(posixpath, name), getattr(ntpath, name)))
    posixpath.abspath = _by_kind(posixpath.abspath, ntpath.normpath)
    posixpath.realpath = _by_kind(posixpath.realpath, _realpath(posixpath.realpath))
    posixpath.ismount = _by_kind(posixpath.ismount, lambda path: ntpath.splitdrive(path)[1] in ("\\", "/"))
    posixpath.expandvars = _expandvars(posixpath.expandvars)
    posixpath.expanduser = _expanduser(posixpath.expanduser)
    posixpath.join = _join(posixpath.join)
    posixpath.relpath = _relpath(posixpath.relpath)
    posixpath.commonpath = _commonpath(posixpath.commonpath)
    # As on Windows, where no function takes dir_fd: it was imported before, and removes trees by it.
    shutil._use_fd_functions = False
    _fold_environment(os.environ)


def _fold_environment(environment) -> None:
    # Names of variables know no case on Windows, and os.environ shows them in capitals there.
    for name in [name for name in environment if name != name.upper()]:
        environment[name.upper()] = environment.pop(name)
    encode = environment.encodekey
    environment.encodekey = lambda name: encode(name.upper() if isinstance(name, str) else name)


class _Translating:
    """A function whose first `count` arguments may be Windows paths; no descriptor, as built-ins are none."""

    def __init__(self, function, count: int):
        functools.update_wrapper(self, function)
        self._function, self._count = function, count

    def __call__(self, *args, **kwargs):
        given = [path for path in args[: self._count] if paths.is_windows(path)]
        given += [
            kwargs[name] for name in PATH_ARGUMENTS if name in kwargs and paths.is_windows(kwargs[name])
        ]
        if not given:
            return self._function(*args, **kwargs)
        named = {
            name: paths.to_host(value) if name in PATH_ARGUMENTS else value for name, value in kwargs.items()
        }
        hosted = [*map(paths.to_host, args[: self._count]), *args[self._count :]]
        try:
            return self._function(*hosted, **named)
        except OSError as error:
            raise paths.windows_error(error.errno, *given) from None


def _refusing(function, check):
    """The function, which first has its arguments checked."""

    @functools.wraps(function)
    def call(*args, **kwargs):
        check(*args, **kwargs)
        return function(*args, **kwargs)

    return call


def _check_change(path, *_args, **_kwargs):
    sharing.check(path)


def _check_flags(path, flags, *_args, **_kwargs):
    if flags & (os.O_WRONLY | os.O_RDWR | os.O_TRUNC):
        sharing.check(path)


def _check_mode(file, mode="r", *_args, **_kwargs):
    if set(mode) & set("wax+"):
        sharing.check(file)


def _check_move(src, dst, **_kwargs):
    sharing.check_move(src, src, dst)
    sharing.check(dst, src, dst)


def _open(open_file):
    @functools.wraps(open_file)
    def call(file, *args, **kwargs):
        is_pipe = isinstance(file, str) and paths.pipe_name(file)
        return (pipes.open_file if is_pipe else open_file)(file, *args, **kwargs)

    return call


def _rename(rename):
    @functools.wraps(rename)
    def call(src, dst, **kwargs):
        # MoveFile refuses an existing target, except for a file's own other spelling.
        if paths.is_windows(dst) and posixpath.lexists(dst) and not posixpath.samefile(src, dst):
            raise paths.windows_error(errno.EEXIST, src, dst)
        return rename(src, dst, **kwargs)

    return call


class _Entry:
    def __init__(self, entry, directory):
        self._entry = entry
        self.name = entry.name
        self.path = ntpath.join(directory, entry.name)

    def __getattr__(self, name):
        return getattr(self._entry, name)

    def __fspath__(self):
        return self.path


class _Entries:
    def __init__(self, entries, directory):
        self._entries, self._directory = entries, directory

    def __iter__(self):
        return self

    def __next__(self):
        return _Entry(next(self._entries), self._directory)

    def __enter__(self):
        return self

    def __exit__(self, *exc_info):
        self.close()

    def close(self):
        self._entries.close()


def _scandir(scandir):
    translated = _Translating(scandir, 1)

    @functools.wraps(scandir)
    def call(path="."):
        return _Entries(translated(path), os.fspath(path)) if paths.is_windows(path) else scandir(path)

    return call


def _by_kind(posix_function, nt_function):
    @functools.wraps(posix_function)
    def call(path, *args, **kwargs):
        return (nt_function if paths.is_windows(path) else posix_function)(path, *args, **kwargs)

    return call


def _realpath(posix_realpath):
    def call(path, *, strict=False):
        host = os.fsdecode(posix_realpath(paths.to_host(path), strict=strict))
        real = paths.from_host(host.replace(posix_realpath(paths.c_drive()), paths.c_drive(), 1))
        return os.fsencode(real) if isinstance(os.fspath(path), bytes) else real

    return call


def _expandvars(posix_expandvars):
    @functools.wraps(posix_expandvars)
    def call(path):
        text = os.fspath(path)
        percent = b"%" if isinstance(text, bytes) else "%"
        return (
            ntpath.expandvars(text) if percent in text or paths.is_windows(text) else posix_expandvars(text)
        )

    return call


def _expanduser(posix_expanduser):
    @functools.wraps(posix_expanduser)
    def call(path):
        return (ntpath.expanduser if "USERPROFILE" in os.environ else posix_expanduser)(path)

    return call


def _join(posix_join):
    @functools.wraps(posix_join)
    def call(path, *more):
        windows = [position for position, part in enumerate((path, *more)) if paths.is_windows(part)]
        return ntpath.join(*(path, *more)[windows[-1] :]) if windows else posix_join(path, *more)

    return call


def _relpath(posix_relpath):
    @functools.wraps(posix_relpath)
    def call(path, start=None):
        if not paths.is_windows(path) and not paths.is_windows(start):
            return posix_relpath(path, start)
        whole = [paths.from_host(posixpath.abspath(part)) for part in (path, start or os.curdir)]
        return ntpath.relpath(*whole)

    return call


def _commonpath(posix_commonpath):
    @functools.wraps(posix_commonpath)
    def call(given):
        given = list(given)
        return (ntpath.commonpath if any(map(paths.is_windows, given)) else posix_commonpath)(given)

    return call
