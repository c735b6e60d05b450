# SPDX-License-Identifier: Apache-2.0
"""ipconfig, hostname, where."""

import fnmatch
import ntpath

from lab.windows_sandbox.processes import Completed
from lab.windows_sandbox.session import Session
from lab.windows_sandbox.tools.reply import arguments, done, failed


def ipconfig(session: Session, text: str, stdin: bytes) -> Completed:
    switches, rest = arguments(text)
    if rest or set(switches) - {"all"}:
        return failed(1, "\nError: unrecognized or incomplete command line.\n", on_stdout=True)
    host = session.host
    lines = ["", "Windows IP Configuration", ""]
    if "all" in switches:
        lines += [
            f"   Host Name . . . . . . . . . . . . : {host.computer_name}",
            "   Primary Dns Suffix  . . . . . . . : ",
            "   Node Type . . . . . . . . . . . . : Hybrid",
            "   IP Routing Enabled. . . . . . . . : No",
            "   WINS Proxy Enabled. . . . . . . . : No",
        ]
    lines += ["", "Ethernet adapter Ethernet:", "", "   Connection-specific DNS Suffix  . : "]
    if "all" in switches:
        lines += ["   DHCP Enabled. . . . . . . . . . . : No", "   Autoconfiguration Enabled . . . . : Yes"]
    lines += [
        f"   IPv4 Address. . . . . . . . . . . : {host.address}"
        + ("(Preferred) " if "all" in switches else ""),
        "   Subnet Mask . . . . . . . . . . . : 255.0.0.0",
        "   Default Gateway . . . . . . . . . : ",
    ]
    return done("".join(line + "\n" for line in lines))


def hostname(session: Session, text: str, stdin: bytes) -> Completed:
    if text.strip():
        return failed(
            1,
            "sethostname: Use the Network Control Panel Applet to set hostname.\n"
            "hostname -s is not supported.\n",
        )
    return done(session.host.computer_name + "\n")


def where(session: Session, text: str, stdin: bytes) -> Completed:
    switches, patterns = arguments(text)
    below = patterns.pop(0) if "r" in switches and patterns else None
    if set(switches) - {"q", "r"} or not patterns:
        return failed(
            2, f"ERROR: Invalid argument or option - '{text.strip()}'.\nType \"WHERE /?\" for usage help.\n"
        )
    found = []
    folders = [session.directory, *session.environment.value("Path").split(";")]
    if below is not None:
        if not session.is_directory(below):
            return failed(2, "ERROR: The system cannot find the file specified.\n")
        top = session.path(below)
        folders = [top, *filter(session.is_directory, session.host.filesystem.tree(top))]
    for folder in dict.fromkeys(folders):
        if not folder or not session.is_directory(folder):
            continue
        for name in session.host.filesystem.children(session.path(folder)):
            wanted = any(
                fnmatch.fnmatch(name.lower(), pattern.lower() + ending)
                for pattern in patterns
                for ending in ("", *session.environment.value("PATHEXT").lower().split(";"))
            )
            path = ntpath.join(session.path(folder), name)
            if wanted and session.is_file(path) and path not in found:
                found.append(path)
    if not found:
        return failed(1, "INFO: Could not find files for the given pattern(s).\n")
    return done("" if "q" in switches else "".join(path + "\n" for path in found))
