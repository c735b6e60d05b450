# SPDX-License-Identifier: Apache-2.0
"""Become a daemon of the lab: `python detach.py PID_FILE PROGRAM [ARGUMENT…]`.

A program of its own instead of a few lines between fork and exec: the pid file exists before the server does,
so whoever dies in between, `lab down` finds the server.
"""

import ctypes
import os
import sys

PR_SET_CHILD_SUBREAPER = 36  # linux/prctl.h


def main() -> None:
    pid_file, *command = sys.argv[1:]
    os.umask(0o077)
    os.setsid()
    # What the server's own children leave behind (ssh-agent puts itself in the background) stays below the
    # server in the process tree, and so within reach of `lab down`. The setting outlives exec: prctl(2).
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_CHILD_SUBREAPER)")
    with open("/proc/self/stat", encoding="ascii") as stat:
        start = stat.read().rpartition(")")[2].split()[19]
    with open(pid_file, "w", encoding="ascii") as file:
        file.write(f"{os.getpid()} {start}\n")
    os.execvp(command[0], command)


if __name__ == "__main__":
    main()
