# SPDX-License-Identifier: Apache-2.0
"""tasklist, taskkill, timeout, shutdown: of the processes that were started in this host, and of itself."""

import csv
import fnmatch
import io
import re

from lab.windows_sandbox import command_line as lines
from lab.windows_sandbox import errors
from lab.windows_sandbox.errors import Win32Error
from lab.windows_sandbox.processes import SYSTEM_PROCESSES, Completed
from lab.windows_sandbox.session import Session
from lab.windows_sandbox.tools.reply import done, failed

_RESTART = re.compile(
    r'\s*/r(?:\s+/f)?(?:\s+/t\s+(\d+))?(?:\s+/f)?(?:\s+/c\s+"?([^"]*)"?)?\s*', re.IGNORECASE
)

_HEAD = ("Image Name", "PID", "Session Name", "Session#", "Mem Usage")
_WIDTHS = (25, 8, 16, 11, 12)
_SERVICES_HEAD = ("Image Name", "PID", "Services")
_SERVICES_WIDTHS = (25, 8, 44)


def _running(session: Session) -> list[tuple[str, int]]:
    return [*SYSTEM_PROCESSES, *((child.image, child.pid) for child in session.host.processes.running())]


def _bad(tool: str, word: str) -> Completed:
    return failed(1, f"ERROR: Invalid argument/option - '{word}'.\nType \"{tool} /?\" for usage.\n")


def _filtered(found: list[tuple[str, int]], expression: str) -> list[tuple[str, int]] | None:
    match = re.fullmatch(r"\s*(imagename|pid|status)\s+(eq|ne)\s+(\S+)\s*", expression, re.IGNORECASE)
    if not match:
        return None
    if match[1].lower() == "status":
        return found if (match[3].lower() == "running") == (match[2].lower() == "eq") else []
    name, operator, value = match[1].lower(), match[2].lower(), match[3].lower()
    return [
        each
        for each in found
        if (fnmatch.fnmatch(each[0].lower(), value) if name == "imagename" else str(each[1]) == value)
        == (operator == "eq")
    ]


def tasklist(session: Session, text: str, stdin: bytes) -> Completed:
    found, layout, head, services = _running(session), "table", True, False
    words = lines.split(text)
    while words:
        word = words.pop(0).lower()
        if word == "/fi" and words:
            expression = words.pop(0)
            chosen = _filtered(found, expression)
            if chosen is None:
                return failed(1, "ERROR: The search filter cannot be recognized.\n")
            found = chosen
        elif word == "/fo" and words and words[0].lower() in ("table", "csv", "list"):
            layout = words.pop(0).lower()
        elif word == "/nh":
            head = False
        elif word == "/svc":
            services = True
        else:
            return _bad("TASKLIST", word)
    if not found:
        return done("INFO: No tasks are running which match the specified criteria.\n")
    titles, widths = (_SERVICES_HEAD, _SERVICES_WIDTHS) if services else (_HEAD, _WIDTHS)
    hosted = _hosted(session) if services else {}
    rows = [
        (image, str(pid), hosted.get(pid, "N/A"))
        if services
        else (image, str(pid), "Services", "0", "8,192 K")
        for image, pid in found
    ]
    if layout == "list":
        blocks = (
            "".join(f"{name + ':':<14}{value}\n" for name, value in zip(titles, row, strict=True))
            for row in rows
        )
        return done("\n" + "\n".join(blocks))
    if layout == "csv":
        out = io.StringIO()
        csv.writer(out, quoting=csv.QUOTE_ALL, lineterminator="\n").writerows(
            ([titles] if head else []) + rows
        )
        return done(out.getvalue())
    table = [titles, tuple("=" * width for width in widths)] if head else []
    return done("\n" + "".join(_row(row, widths) for row in [*table, *rows]))


def _row(row: tuple[str, ...], widths: tuple[int, ...]) -> str:
    cells = [row[0][: widths[0]].ljust(widths[0]), row[1].rjust(widths[1]), row[2].ljust(widths[2])]
    return " ".join([*cells, *map(str.rjust, row[3:], widths[3:])]) + "\n"


def _hosted(session: Session) -> dict[int, str]:
    """Return the services by the id of the process that they run in."""
    return {
        running.child.pid: service.name
        for service, running in session.host.services.all()
        if running.child and running.child.exit_code is None
    }


def taskkill(session: Session, text: str, stdin: bytes) -> Completed:
    wanted: list[str] = []
    words = lines.split(text)
    while words:
        word = words.pop(0).lower()
        if word in ("/pid", "/im") and words:
            wanted.append(words.pop(0))
        elif word not in ("/f", "/t"):
            return _bad("TASKKILL", word)
    if not wanted:
        return failed(
            1,
            "ERROR: Invalid syntax. Neither /FI nor /PID nor /IM were specified.\n"
            'Type "TASKKILL /?" for usage.\n',
        )
    output, missing = "", ""
    for name in wanted:
        matched = [
            child
            for child in session.host.processes.running()
            if str(child.pid) == name or fnmatch.fnmatch(child.image.lower(), name.lower())
        ]
        if name in ("0", "4"):
            missing += (
                f"ERROR: The process with PID {name} could not be terminated.\nReason: Access is denied.\n"
            )
        elif not matched:
            missing += f'ERROR: The process "{name}" not found.\n'
        for child in matched:
            child.terminate()
            child.wait(10)
            subject = f"with PID {child.pid}" if name.isdigit() else f'"{child.image}" with PID {child.pid}'
            output += f"SUCCESS: The process {subject} has been terminated.\n"
    return Completed(
        128 if missing else 0, output.replace("\n", "\r\n").encode(), missing.replace("\n", "\r\n").encode()
    )


def shutdown(session: Session, text: str, stdin: bytes) -> Completed:
    words = [word.lower() for word in lines.split(text)]
    host = session.host
    if words == ["/a"]:
        return done() if host.abort_restart() else _failed_shutdown(errors.NO_SHUTDOWN_IN_PROGRESS)
    match = re.fullmatch(
        r'\s*/r(?:\s+/f)?(?:\s+/t\s+(\d+))?(?:\s+/f)?(?:\s+/c\s+"?([^"]*)"?)?\s*', text, re.IGNORECASE
    )
    if not match:
        return _bad("SHUTDOWN", text.strip())
    try:
        host.schedule_restart(int(match[1] or 30), session.user, match[2] or "")
    except Win32Error as error:
        return _failed_shutdown(error.code)
    return done()


def _failed_shutdown(code: int) -> Completed:
    return failed(code, f"{errors.MESSAGES[code]}.({code})\n")


def timeout(session: Session, text: str, stdin: bytes) -> Completed:
    match = re.fullmatch(r"\s*(?:/t\s+)?(\d+)(?:\s+/nobreak)?\s*", text, re.IGNORECASE)
    if not match:
        return failed(1, 'ERROR: Invalid syntax.\nType "TIMEOUT /?" for usage.\n')
    session.pause(int(match[1]))
    return done()
