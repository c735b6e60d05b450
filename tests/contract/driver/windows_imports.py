# SPDX-License-Identifier: Apache-2.0
"""Imports modules in the lab's python.exe with Windows shown to every package, and says what comes of it.

The shims show it to the few packages that are written for it (``platform_view.SEES_WINDOWS``). Here all see
it, each dependency included, and what Windows does not have is missing: modules, and names of ``os``,
``signal``, ``socket`` … Python's own library goes on seeing its Linux: on Windows it is another one.

Arguments are modules, or functions to call (``nova.objects:register_all``). It prints a JSON object: each of
them, and null or how it failed.
"""

import builtins
import ctypes
import getpass  # noqa: F401  as the next two: it looks for what only Windows has, before that is there
import importlib
import json
import mimetypes  # noqa: F401
import multiprocessing.connection  # noqa: F401
import os
import platform
import select
import signal
import socket
import sys
import time
import traceback
import types
from unittest import mock

from simulated_windows import import_hook, platform_view

# "Availability: Unix" in the documentation of Python's library.
MISSING_MODULES = {
    "curses", "fcntl", "grp", "posix", "pty", "pwd", "readline", "resource", "spwd", "syslog", "termios",
    "tty",
}  # fmt: skip
MISSING_NAMES = {
    os: """
        EX_OK O_CLOEXEC O_DIRECTORY O_NOFOLLOW O_NONBLOCK O_SYNC WNOHANG chown chroot fchdir fchmod
        fchown fork forkpty getegid geteuid getgid getgroups getloadavg getpgid getpgrp getpriority
        getsid getuid initgroups killpg lchown mkfifo mknod nice openpty pathconf pipe2 posix_spawn
        pread pwrite register_at_fork sched_getaffinity sendfile setegid seteuid setgid setgroups
        setpgid setpriority setsid setuid statvfs sync sysconf ttyname uname wait wait3 wait4 writev
    """,
    signal: """
        ITIMER_REAL SIGALRM SIGBUS SIGCHLD SIGCONT SIGHUP SIGKILL SIGPIPE SIGQUIT SIGSTOP SIGTSTP
        SIGTTIN SIGTTOU SIGUSR1 SIGUSR2 SIGWINCH alarm pause pthread_kill pthread_sigmask setitimer
        siginterrupt sigwait
    """,
    socket: "AF_NETLINK AF_PACKET AF_UNIX SCM_RIGHTS recv_fds send_fds",
    select: "EPOLLIN POLLIN epoll poll",
    time: "tzset",
}  # fmt: skip
# Libraries call these when they are imported; what they come to is not told from here.
ONLY_ON_WINDOWS = ("_winapi", "msvcrt", "nt", "winreg", "winsound")
# psutil has another compiled module for Windows; platformdirs asks Windows for folders when it is imported.
SEES_LINUX = ("psutil", "platformdirs")


class View(types.ModuleType):
    """A module of Python's library as it is on Windows: some names are missing, some are others."""

    def __init__(self, original, missing="", **replaced):
        super().__init__(original.__name__, original.__doc__)
        self.__dict__.update(replaced, _original=original, _missing=frozenset(missing.split()))

    def __getattr__(self, name):
        if name in self._missing:
            raise AttributeError(f"module {self.__name__} has no attribute {name} on Windows")
        return getattr(self._original, name)

    def __setattr__(self, name, value):
        setattr(self._original, name, value)

    def __dir__(self):
        return sorted({*dir(self._original)} - self._missing)


VIEWS = {
    sys: platform_view.seen_by_windows(sys),
    platform: View(platform, system=lambda: "Windows"),
    ctypes: View(ctypes, windll=mock.MagicMock(), WinDLL=mock.MagicMock(), HRESULT=ctypes.c_int32),
    **{module: View(platform_view.seen_by_windows(module), names) for module, names in MISSING_NAMES.items()},
}


def windows_import(name, globals=None, locals=None, fromlist=(), level=0):
    if level == 0 and name.partition(".")[0] in MISSING_MODULES:
        raise ModuleNotFoundError(f"No module named '{name}' on Windows", name=name)
    caller = (globals or {}).get("__name__", "")
    if name == "ctypes" and caller.partition(".")[0] in platform_view.SEES_WINDOWS:
        return platform_view.windows_import(name, globals, locals, fromlist, level)
    module = builtins.__import__(name, globals, locals, fromlist, level)
    return module if level else VIEWS.get(module, module)


def give_view(module):
    module.__dict__["__builtins__"] = {**vars(builtins), "__import__": windows_import}


def is_of_a_package(name):
    return name.partition(".")[0] not in {*sys.stdlib_module_names, "simulated_windows", "mi", *SEES_LINUX}


def attempt(name):
    try:
        module, _, function = name.partition(":")
        module = importlib.import_module(module)
        if function:
            getattr(module, function)()
    except Exception as error:  # noqa: BLE001  the test judges it
        return told(error)


def told(error):
    """Every error of a chain, the first one first: a library may answer one with its own."""
    hidden = {__file__, platform_view.__file__, import_hook.__file__}
    last = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename not in hidden][-1]
    line = f"{last.filename}:{last.lineno}: {type(error).__name__}: {error}"
    return f"{told(error.__context__)}\n{line}" if error.__context__ else line


sys.modules.update({name: mock.MagicMock(name=name) for name in ONLY_ON_WINDOWS})
import_hook.Hook(is_of_a_package, before=give_view).install()
print(json.dumps({name: attempt(name) for name in sys.argv[1:]}))
