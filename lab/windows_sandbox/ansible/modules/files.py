# SPDX-License-Identifier: Apache-2.0
"""win_file, win_tempfile, win_stat, win_find, slurp."""

import base64
import fnmatch
import hashlib
import ntpath
import os
import re
import secrets
import time
from datetime import datetime
from pathlib import Path
from typing import Any

from lab.windows_sandbox import errors
from lab.windows_sandbox.ansible.modules.call import ModuleCall, ModuleFailed
from lab.windows_sandbox.errors import Win32Error
from lab.windows_sandbox.session import Session

_AGE = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
_SIZE = {"b": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40}


def join(parent: str, child: str) -> str:
    """Join as Join-Path does: ntpath.join would make C: and x a path relative to the drive."""
    return parent.rstrip("/\\") + "\\" + child.lstrip("/\\")


def checksum(path: Path, algorithm: str = "sha1") -> str:
    """Return a file's hash in hexadecimal."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, algorithm).hexdigest()


def remove(session: Session, path: str) -> None:
    """Remove a file, a link, or a folder with all that is in it, as Remove-Item does."""
    try:
        session.remove(path)
    except Win32Error as error:
        if error.code != errors.SHARING_VIOLATION:
            raise
        raise ModuleFailed(
            f"Failed to delete {error.subject}: The process cannot access the file '{error.subject}' because"
            " it is being used by another process."
        ) from error
    session.host.security.forget(session.path(path))


def win_tempfile(call: ModuleCall) -> dict[str, Any]:
    session = call.session
    name = session.expand(call["prefix"]) + secrets.token_hex(6) + session.expand(call["suffix"] or "")
    # From 3.8 on the default is the session's folder and no parameter.
    folder = call["path"] or session.temporary_directory()
    path = join(session.path(folder), name)
    if not session.is_directory(folder):
        raise ModuleFailed(
            "No random temporary file worked in 5 attempts. Error: Could not find a part of the path"
            f" '{path}'."
        )
    if not call.check_mode:
        local = session.writable(path)
        local.mkdir() if call["state"] == "directory" else local.touch()
    return {"changed": True, "state": call["state"], "path": path}


def win_file(call: ModuleCall) -> dict[str, Any]:
    session, path, state = call.session, call["path"], call["state"]
    times = [_time(call, name) for name in ("access_time", "modification_time")]
    if call["_original_basename"] is not None and session.is_directory(path):
        path = join(path, call["_original_basename"])
    if call["_diff_peek"] is not None:
        return _peek(session, path)
    if state == "touch":
        if session.exists(path):
            return {"changed": _set_times(call, path, times)}
        if not session.is_directory(ntpath.dirname(session.path(path))):
            raise ModuleFailed(f"Could not find a part of the path '{session.path(path)}'.")
        if not call.check_mode:
            session.writable(path).touch()
            _set_times(call, path, times)
        return {"changed": True}
    if os.path.lexists(session.local(path, follow=False)):
        if state == "absent":
            if not call.check_mode:
                remove(session, path)
            return {"changed": True}
        if state in ("directory", "file") and session.is_directory(path) != (state == "directory"):
            raise ModuleFailed(f"path {path} is not a {state}")
        return {}
    if state is None:
        state = "file" if ntpath.basename(path.replace("/", "\\")) else "directory"
    if state == "file":
        raise ModuleFailed(f"path {path} will not be created")
    if state == "absent":
        return {}
    if not call.check_mode:
        make_directory(session, path)
        _set_times(call, path, times)
    return {"changed": True}


def _peek(session: Session, path: str) -> dict[str, Any]:
    """Say what an action plugin wants to know before it shows a difference."""
    exists = session.exists(path)
    start = b""
    if session.is_file(path):
        with open(session.local(path), "rb") as file:
            start = file.read(8192)
    return {"path": path, "state": "file" if exists else "absent", "appears_binary": b"\0" in start}


# Specifiers of .NET's date formats (documented: custom date and time format strings), those of a fixed width.
_DATE_PARTS = {
    "yyyy": r"(?P<year>\d{4})",
    "MM": r"(?P<month>\d\d)",
    "dd": r"(?P<day>\d\d)",
    "HH": r"(?P<hour>\d\d)",
    "mm": r"(?P<minute>\d\d)",
    "ss": r"(?P<second>\d\d)",
    "zz": r"(?P<offset>[+-]\d\d)",
    "zzz": r"(?P<offset>[+-]\d\d:\d\d)",
}


def _time(call: ModuleCall, name: str) -> int | None:
    """Return the time that a parameter gives, in nanoseconds; None if the file keeps its own. The host's
    local time is UTC."""
    value = call.parameters.get(name) or ("now" if call["state"] == "touch" else "preserve")
    if value == "preserve":
        return None
    if value == "now":
        return time.time_ns()
    layout = call[f"{name}_format"]
    expression = ""
    for part in re.findall(r"([dfFghHKmMstyz\"'%\\])(\1*)|(.)", layout):
        specifier = part[0] + part[1]
        if specifier and specifier not in _DATE_PARTS:
            raise ModuleFailed(f"the simulated host does not know {specifier} in {name}_format {layout!r}")
        expression += _DATE_PARTS.get(specifier) or re.escape(part[2])
    match = re.fullmatch(expression, value)
    try:
        parts = {"hour": "00", "minute": "00", "second": "00", "offset": "+00"} | match.groupdict()
        moment = datetime.fromisoformat(
            "{year}-{month}-{day}T{hour}:{minute}:{second}{offset}".format(**parts)
        )
    except (AttributeError, KeyError, ValueError):
        raise ModuleFailed(f"Invalid {name} '{value}'") from None
    return int(moment.timestamp()) * 10**9


def _set_times(call: ModuleCall, path: str, times: list[int | None]) -> bool:
    """Set times of access and modification where they are given; say whether they were others."""
    stat = call.session.local(path).stat()
    before = (stat.st_atime_ns, stat.st_mtime_ns)
    after = tuple(old if new is None else new for old, new in zip(before, times, strict=True))
    if after != before and not call.check_mode:
        os.utime(call.session.writable(path), ns=after)
    return after != before


def make_directory(session: Session, path: str) -> None:
    """Make a folder and those above it, as New-Item does."""
    try:
        session.writable(path).mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError):
        raise ModuleFailed(f"cannot make the folder {path}: a part of the path is a file") from None


def facts(session: Session, path: str, *, follow: bool, algorithm: str | None) -> dict[str, Any]:
    """Return what win_stat and win_find both say of a file or folder that exists; no checksum without an
    algorithm.
    """
    local, target = session.local(path, follow=follow), session.local(path)
    # A link to a program of this machine stands for a file (lab/windows_sandbox/programs.py).
    is_link = local.is_symlink() and not target.is_relative_to("/usr")
    is_directory = target.is_dir()
    stat = os.lstat(local)
    attributes = ["Directory" if is_directory else "Archive", *(["ReparsePoint"] if is_link else [])]
    result = {
        "exists": True,
        "attributes": ", ".join(attributes),
        "isarchive": not is_directory,
        "isdir": is_directory,
        "ishidden": False,
        "isjunction": False,
        "islnk": is_link,
        "isreadonly": False,
        "isreg": not (is_directory or is_link),
        "isshared": False,
        "nlink": 1,
        "hlnk_targets": [],
        "creationtime": stat.st_ctime,
        "lastaccesstime": stat.st_atime,
        "lastwritetime": stat.st_mtime,
        "filename": ntpath.basename(path),
        "path": path,
        "owner": session.host.accounts.name_of(session.host.security.owner(path)),
    }
    if is_link:
        result["lnk_source"] = result["lnk_target"] = session.host.filesystem.windows(target)
    if not is_directory:
        result["extension"] = ntpath.splitext(path)[1]
        result["size"] = 0 if is_link else target.stat().st_size
        if algorithm and target.is_file():
            result["checksum"] = checksum(target, algorithm)
    return result


def win_stat(call: ModuleCall) -> dict[str, Any]:
    session, path = call.session, call["path"]
    if not os.path.lexists(session.local(path, follow=call["follow"])):
        return {"stat": {"exists": False}}
    follow = call["follow"] and not session.local(path).is_relative_to("/usr")
    path = session.host.filesystem.windows(session.local(path, follow=follow))
    stat = facts(
        session,
        path,
        follow=follow,
        algorithm=call["checksum_algorithm"] if call["get_checksum"] else None,
    )
    if not call["get_size"]:
        stat.pop("size", None)
    elif stat["isdir"]:
        stat["size"] = session.host.filesystem.size(path)
    return {"stat": stat}


def _amount(text: str, units: dict[str, int], what: str) -> int:
    match = re.fullmatch(rf"(-?\d+)([{''.join(units)}])?", text)
    if not match:
        raise ModuleFailed(f"Invalid {what} pattern specified")
    return int(match[1]) * units[match[2] or next(iter(units))]


def win_find(call: ModuleCall) -> dict[str, Any]:
    session = call.session
    age = _amount(call["age"], _AGE, "age") if call["age"] is not None else None
    size = _amount(call["size"], _SIZE, "size") if call["size"] is not None else None
    stamp = {"mtime": "lastwritetime", "ctime": "creationtime", "atime": "lastaccesstime"}[call["age_stamp"]]
    regular = call["use_regex"] and call["patterns"] is not None
    patterns = ["*"] if call["patterns"] is None else call["patterns"]
    expressions = patterns if regular else ["^" + fnmatch.translate(pattern) for pattern in patterns]
    flags = re.IGNORECASE if not (regular and call.parameters.get("case_sensitive")) else 0
    algorithm = call["checksum_algorithm"] if call["get_checksum"] else None
    now, examined, found = time.time(), 0, {}
    for root in call["paths"]:
        root = session.path(root)
        if not session.is_directory(root):
            call.warn(
                f"Argument path '{root}' "
                + (
                    "is a file not a directory, skipping"
                    if session.exists(root)
                    else "does not exist or is not accessible, skipping"
                )
            )
            continue
        for path in _below(session, root, call["depth"] if call["recurse"] else 1, call["follow"]):
            examined += 1
            if not any(re.search(each, ntpath.basename(path), flags) for each in expressions):
                continue
            if call["file_type"] not in ("any", "directory" if session.is_directory(path) else "file"):
                continue
            entry = facts(session, path, follow=False, algorithm=None)
            passed = now - entry[stamp]
            if age is not None and not (passed >= age if age >= 0 else passed <= -age):
                continue
            # A folder has no length, and PowerShell says 1 of what has none (documented: about_Properties).
            length = entry.get("size", 1)
            if size is not None and not (length >= size if size >= 0 else length <= -size):
                continue
            found[path.lower()] = facts(session, path, follow=False, algorithm=algorithm)
    files = [found[key] for key in sorted(found)]
    return {"examined": examined, "matched": len(files), "files": files}


def _below(session: Session, folder: str, depth: int | None, follow: bool):
    for name in session.host.filesystem.children(folder):
        path = join(folder, name)
        yield path
        descend = session.is_directory(path) and (
            follow or not session.local(path, follow=False).is_symlink()
        )
        if depth != 1 and descend:
            yield from _below(session, path, depth and depth - 1, follow)


def slurp(call: ModuleCall) -> dict[str, Any]:
    if call.session.is_file(call["src"]):
        return {
            "content": base64.b64encode(call.session.local(call["src"]).read_bytes()).decode(),
            "encoding": "base64",
        }
    raise ModuleFailed(
        f"Path {call['src']} is " + ("a directory" if call.session.is_directory(call["src"]) else "not found")
    )
