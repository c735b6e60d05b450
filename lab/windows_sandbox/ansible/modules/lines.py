# SPDX-License-Identifier: Apache-2.0
"""win_lineinfile, win_hosts."""

import codecs
import ipaddress
import re
import shutil
import time
from pathlib import Path
from typing import Any

from lab.windows_sandbox import tools
from lab.windows_sandbox.ansible.modules.call import ModuleCall, ModuleFailed
from lab.windows_sandbox.errors import Win32Error
from lab.windows_sandbox.installation import HOSTS

_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig", "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32", "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16", "utf-16"),
)


def _encoding(call: ModuleCall, path: Path) -> tuple[str, str]:
    """Return Python's name of the file's encoding, and .NET's."""
    if call["encoding"] != "auto":
        try:
            return codecs.lookup(call["encoding"]).name, call["encoding"]
        except LookupError:
            raise ModuleFailed(f"'{call['encoding']}' is not a supported encoding name.") from None
    start = path.read_bytes()[:4] if path.is_file() else b""
    return next(((name, shown) for mark, name, shown in _MARKS if start.startswith(mark)), ("utf-8", "utf-8"))


def _expression(pattern: str) -> re.Pattern:
    # .NET spells named groups without the P.
    try:
        return re.compile(re.sub(r"\(\?<(?![=!])", "(?P<", pattern))
    except re.error as error:
        raise ModuleFailed(f"the simulated host cannot read the expression {pattern}: {error}") from error


def win_lineinfile(call: ModuleCall) -> dict[str, Any]:
    if call.session.is_directory(call["path"]):
        raise ModuleFailed(f"Path {call['path']} is a directory")
    local, state = call.session.local(call["path"]), call["state"]
    _check_parameters(call)
    if not local.is_file() and not (state == "present" and call["create"]):
        raise ModuleFailed(f"Path {call['path']} does not exist !")
    encoding, shown = _encoding(call, local)
    text = local.read_bytes().decode(encoding) if local.is_file() else ""
    lines, ends = text.splitlines(), text.endswith(("\n", "\r"))
    result: dict[str, Any] = {"backup": "", "changed": False, "msg": "", "encoding": shown}
    if state == "present":
        after, result["msg"] = _present(call, lines)
    else:
        after = [line for line in lines if not _matches(call, line)]
        result |= {"found": len(lines) - len(after), "msg": f"{len(lines) - len(after)} line(s) removed"}
    separator = "\n" if call["newline"] == "unix" else "\r\n"
    new = separator.join([*after, ""] if ends else after)
    call.diff = {"before": separator.join([*lines, ""] if ends else lines), "after": new}
    if after == lines and local.is_file():
        return result
    result["changed"] = True
    if call["backup"] and local.is_file():
        copy = f"{call.session.path(call['path'])}.{time.strftime('%Y%m%d-%H%M%S')}.bak"
        result["backup_file"] = copy
        if call.version < (3, 1):
            result["backup"] = copy
        if not call.check_mode:
            shutil.copyfile(local, call.session.writable(copy))
    _write(call, new.encode(encoding))
    return result


def _check_parameters(call: ModuleCall) -> None:
    if call["state"] == "present":
        if call["backrefs"] and not call["regex"]:
            raise ModuleFailed("regexp= is required with backrefs=true")
        if not call["line"]:
            raise ModuleFailed("line= is required with state=present")
        if call["insertbefore"] and call["insertafter"]:
            call.warn(
                "Both insertbefore and insertafter parameters found, ignoring"
                f' "insertafter={call["insertafter"]}"'
            )
    elif not call["regex"] and not call["line"]:
        raise ModuleFailed("one of line= or regexp= is required with state=absent")


def _matches(call: ModuleCall, line: str) -> re.Match | bool | None:
    return _expression(call["regex"]).search(line) if call["regex"] else line == call["line"]


def _present(call: ModuleCall, lines: list[str]) -> tuple[list[str], str]:
    before, after = call["insertbefore"], call["insertafter"]
    line, found = call["line"], [index for index, each in enumerate(lines) if _matches(call, each)]
    if found:
        index = found[-1]
        if call["backrefs"]:
            # $1 and ${name} are .NET's.
            template = re.sub(r"\$(?:\{(\w+)\}|(\d+))", lambda match: f"\\g<{match[1] or match[2]}>", line)
            line = _expression(call["regex"]).sub(template, lines[index])
        if lines[index] == line:
            return lines, ""
        return [*lines[:index], line, *lines[index + 1 :]], "line replaced"
    if call["backrefs"]:
        return lines, ""
    if "BOF" in (before, after):
        return [line, *lines], "line added"
    anchor = before or (after if after != "EOF" else None)
    places = [index for index, each in enumerate(lines) if anchor and _expression(anchor).search(each)]
    if not places:
        return [*lines, line], "line added"
    at = places[-1] if before else places[-1] + 1
    return [*lines[:at], line, *lines[at:]], "line added"


def _write(call: ModuleCall, data: bytes) -> None:
    """Write the file, if the command that validates it agrees."""
    session = call.session
    if call["validate"]:
        if "%s" not in call["validate"]:
            raise ModuleFailed(f"validate must contain %s: {call['validate']}")
        draft = session.path(session.temporary_directory()) + f"\\tmp{time.time_ns():x}.tmp"
        session.writable(draft).write_bytes(data)
        command = call["validate"].replace("%s", draft)
        try:
            completed = tools.execute(session, command)
        except Win32Error as error:
            raise ModuleFailed(f"failed to validate {command}: {error}") from error
        finally:
            session.writable(draft).unlink()
        if completed.exit_code:
            said = (completed.stdout + completed.stderr).decode(errors="replace")
            raise ModuleFailed(f"failed to validate {command} with error: {said}")
    if not call.check_mode:
        session.writable(call["path"]).write_bytes(data)


def win_hosts(call: ModuleCall) -> dict[str, Any]:
    session, host = call.session, call.session.host
    if call["state"] == "present" and not (call["canonical_name"] and call["ip_address"]):
        raise ModuleFailed(
            "state is present but all of the following are missing: canonical_name, ip_address"
        )
    if call["ip_address"]:
        try:
            ipaddress.ip_address(call["ip_address"])
        except ValueError:
            raise ModuleFailed(
                "win_hosts: Argument ip_address needs to be a valid ip address, but was " + call["ip_address"]
            ) from None
    text = session.local(HOSTS).read_text()
    lines = [line for line in (_changed(call, line) for line in text.splitlines()) if line is not None]
    names = [call["canonical_name"], *(call["aliases"] or [])]
    if call["state"] == "present" and not any(
        _entry(line)[:2] == (call["ip_address"], names[0]) for line in lines
    ):
        if call["action"] != "remove":
            lines.append(" ".join([call["ip_address"], *names]))
        else:
            lines.append(f"{call['ip_address']} {names[0]}")
    call.diff = {"before": text, "after": "".join(line + "\n" for line in lines)}
    changed = lines != text.splitlines()
    if changed and not call.check_mode:
        session.writable(HOSTS).write_text("".join(line + "\r\n" for line in lines), newline="")
        host.resolve_names()
    return {"changed": changed}


def _entry(line: str) -> tuple[str, str, list[str]]:
    words = line.partition("#")[0].split()
    return (words[0], words[1], words[2:]) if len(words) > 1 else ("", "", [])


def _changed(call: ModuleCall, line: str) -> str | None:
    """Return what becomes of a line of the hosts file, None if it goes."""
    address, name, aliases = _entry(line)
    wanted, given = call["canonical_name"], call["aliases"] or []
    if not address:
        return line
    if call["state"] == "absent":
        if wanted:
            hit = name == wanted and call["ip_address"] in (None, address)
            return None if hit else line
        if given:
            kept = [alias for alias in aliases if alias not in given]
            return None if name in given else _written(line, address, name, aliases, kept)
        return None if call["ip_address"] == address else line
    if name == wanted and address == call["ip_address"]:
        keep = {
            "set": given,
            "add": [*aliases, *(alias for alias in given if alias not in aliases)],
            "remove": [alias for alias in aliases if alias not in given],
        }[call["action"]]
        return _written(line, address, name, aliases, keep)
    # A name has one address of a kind.
    same_kind = (":" in address) == (":" in call["ip_address"])
    if not same_kind or call["action"] == "remove":
        return line
    if name == wanted:
        return None
    kept = [alias for alias in aliases if alias not in (wanted, *given)]
    return None if name in given else _written(line, address, name, aliases, kept)


def _written(line: str, address: str, name: str, before: list[str], after: list[str]) -> str:
    return line if before == after else " ".join([address, name, *after])
