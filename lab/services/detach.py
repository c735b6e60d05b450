# SPDX-License-Identifier: Apache-2.0
"""Become a daemon of the lab: `python detach.py PID_FILE PROGRAM [ARGUMENT…]`.

A program of its own instead of a few lines between fork and exec: the pid file exists before the server does,
so whoever dies in between, `lab down` finds the server. It stays as the server's parent, hands signals on to
it, and ends with it.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36  # linux/prctl.h


def main() -> None:
    pid_file, *command = sys.argv[1:]
    os.umask(0o077)
    os.setsid()
    # What the server's own children leave behind (ssh-agent puts itself in the background) stays below this
    # process, and so within reach of `lab down`. The server would not wait for it, and zombies add up.
    _prctl(PR_SET_CHILD_SUBREAPER, 1)
    with open("/proc/self/stat", encoding="ascii") as stat:
        start = stat.read().rpartition(")")[2].split()[19]
    with open(pid_file, "w", encoding="ascii") as file:
        file.write(f"{os.getpid()} {start}\n")
    server = os.fork()
    if server == 0:
        _prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
        os.execvp(command[0], command)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda received, _frame: os.kill(server, received))
    while (ended := os.wait())[0] != server:
        pass
    sys.exit(os.waitstatus_to_exitcode(ended[1]) & 0xFF)


def _prctl(option: int, value: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(option, value, 0, 0, 0):
        raise OSError(ctypes.get_errno(), f"prctl({option}): {os.strerror(ctypes.get_errno())}")


if __name__ == "__main__":
    main()
