# SPDX-License-Identifier: Apache-2.0
"""The commands that cmd.exe runs itself. Messages are Microsoft's, layouts those of an English Windows."""

import fnmatch
import ntpath
import os
import re
import shutil
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from lab.windows_sandbox import errors
from lab.windows_sandbox.command_prompt import arithmetic
from lab.windows_sandbox.errors import Win32Error
from lab.windows_sandbox.installation import BUILD, SIMULATED
from lab.windows_sandbox.processes import Completed
from lab.windows_sandbox.session import Session

if TYPE_CHECKING:
    from lab.windows_sandbox.command_prompt.interpreter import Interpreter

# cmd.exe's own too, and not known here.
UNKNOWN = frozenset(
    {"assoc", "break", "color", "ftype", "goto", "mklink", "pause", "prompt"}
    | {"setlocal", "endlocal", "shift", "start"}
)

# The device that is an empty file.
_NOTHING = ("nul", "nul:")

_NOT_FOUND = "The system cannot find the file specified."
_NO_PATH = "The system cannot find the path specified."
_SYNTAX = "The syntax of the command is incorrect."

_ORDER = {
    "equ": lambda order: order == 0,
    "neq": lambda order: order != 0,
    "lss": lambda order: order < 0,
    "leq": lambda order: order <= 0,
    "gtr": lambda order: order > 0,
    "geq": lambda order: order >= 0,
}


def split(command: str) -> tuple[str, str]:
    """Return a command's name in small letters and what follows; `cd..` and `dir/b` are two words."""
    if match := re.match(r"(echo|cd|chdir|dir|type|del|md|rd|exit)(?=[.:\\/(\[+])", command, re.IGNORECASE):
        return match[0].lower(), command[match.end() :]
    name = re.match(r"[^\s,;=]*", command)[0]
    return name.lower(), command[len(name) :]


def number(text: str, default: int) -> int:
    """Return an exit code as cmd.exe reads it: what is no number is 0."""
    text = text.strip()
    return default if not text else int(text) if re.fullmatch(r"-?\d+", text) else 0


def compare(left: str, operator: str, right: str, ignore_case: bool) -> bool:
    """Compare as `if` does: as numbers if both are, else as text (documented: if)."""
    if operator.lower() not in _ORDER:
        raise NotImplementedError(f"if … {operator}")
    if re.fullmatch(r"-?\d+", left) and re.fullmatch(r"-?\d+", right):
        order = int(left) - int(right)
    else:
        left, right = (left.lower(), right.lower()) if ignore_case else (left, right)
        order = (left > right) - (left < right)
    return _ORDER[operator.lower()](order)


def words(text: str) -> list[str]:
    """Split a command's arguments at blanks, quotes kept together and taken off."""
    return [word.replace('"', "") for word in re.findall(r'(?:"[^"]*"|[^\s",;])+', text)]


def _options(text: str) -> tuple[set[str], list[str]]:
    """Return the switches in small letters, without their slash, and the other words."""
    options: set[str] = set()
    rest = []
    for word in words(re.sub(r'(?<=[^\s"])(?=/[a-z-])', " ", text, flags=re.IGNORECASE)):
        options.add(word[1:].lower()) if word.startswith("/") else rest.append(word)
    return options, rest


def _known(command: str, options: set[str], *known: str) -> None:
    for option in options - set(known):
        raise NotImplementedError(f"{command} /{option}")


def matches(prompt: "Interpreter", pattern: str) -> list[str]:
    """Return the Windows paths that a path with * and ? in its last part means."""
    path = prompt.session.expand(pattern.replace("/", "\\").strip('"'))
    folder, name = ntpath.split(path.rstrip("\\"))
    if not re.search(r"[*?]", name):
        absolute = prompt.path(path)
        return [absolute] if os.path.lexists(prompt.session.local(absolute, follow=False)) else []
    folder = prompt.path(folder or ".")
    if not prompt.session.is_directory(folder):
        return []
    # *.* is every name, with a dot or without (documented: dir).
    expression = re.compile(fnmatch.translate("*" if name == "*.*" else name), re.IGNORECASE)
    return [
        ntpath.join(folder, child)
        for child in prompt.session.host.filesystem.children(folder)
        if expression.match(child)
    ]


def _pattern(prompt: "Interpreter", text: str) -> str:
    """Return a pattern as an absolute path; a folder means all that is in it."""
    folder, name = ntpath.split(text.replace("/", "\\").rstrip("\\"))
    if re.search(r"[*?]", name):
        return ntpath.join(prompt.path(folder or "."), name)
    path = prompt.path(text)
    return ntpath.join(path, "*") if prompt.session.is_directory(path) else path


def _done(text: str = "") -> Completed:
    return Completed(0, text.encode(), b"")


def _failed(message: str, output: str = "") -> Completed:
    return Completed(1, output.encode(), f"{message}\r\n".encode())


def _echo(prompt: "Interpreter", text: str, stdin: bytes) -> Completed:
    if not text.strip():
        return _done("ECHO is on.\r\n")
    if text.strip().lower() in ("on", "off"):
        return _done()
    return _done(text[1:] + "\r\n")


def _set(prompt: "Interpreter", text: str, stdin: bytes) -> Completed:
    text = text.strip()
    if text.lower().startswith("/a"):
        return _calculate(prompt, text[2:])
    if text.lower().startswith("/p"):
        return _ask(prompt, text[2:].strip(), stdin)
    if text.startswith('"'):
        text = text[1:].rpartition('"')[0] or text[1:]
    name, equals, value = text.partition("=")
    if not equals:
        found = sorted(
            (
                f"{key}={known}\r\n"
                for key, known in prompt.environment.items()
                if key.lower().startswith(name.lower())
            ),
            key=str.upper,
        )
        return _done("".join(found)) if found else _failed(f"Environment variable {name} not defined")
    if value:
        prompt.environment.add({name: value})
    else:
        for key in [key for key in prompt.environment if key.lower() == name.lower()]:
            del prompt.environment[key]
    return _done()


def _calculate(prompt: "Interpreter", text: str) -> Completed:
    try:
        return _done(str(arithmetic.calculate(text, prompt.environment)))
    except arithmetic.ArithmeticProblem as problem:
        return Completed(problem.code, b"", f"{problem}\r\n".encode())


def _ask(prompt: "Interpreter", text: str, stdin: bytes) -> Completed:
    """Read a variable's value, one line; nothing leaves it as it was (documented: set)."""
    name, _, asked = text.strip('"').partition("=")
    line = stdin.decode(errors="replace").splitlines()[:1]
    if line and line[0]:
        prompt.environment.add({name: line[0]})
    return Completed(int(not line or not line[0]), asked.strip('"').encode(), b"")


def _now(command: str, format: str):
    def run(prompt: "Interpreter", text: str, stdin: bytes) -> Completed:
        if text.strip().lower() != "/t":
            raise NotImplementedError(f"{command} {text.strip()}".strip())
        return _done(f"{datetime.now(UTC):{format}}\r\n")

    return run


def _cd(prompt: "Interpreter", text: str, stdin: bytes) -> Completed:
    options, rest = _options(text)
    _known("cd", options, "d")
    if not rest:
        return _done(prompt.directory + "\r\n")
    # cd takes blanks without quotes.
    path = prompt.path(" ".join(rest))
    if not prompt.session.is_directory(path):
        return _failed(_NO_PATH)
    prompt.directory = path
    return _done()


def _pushd(prompt: "Interpreter", text: str, stdin: bytes) -> Completed:
    before = prompt.directory
    completed = _cd(prompt, text, stdin) if text.strip() else _done()
    if not completed.exit_code and text.strip():
        prompt.pushed.append(before)
    return completed


def _popd(prompt: "Interpreter", text: str, stdin: bytes) -> Completed:
    if prompt.pushed:
        prompt.directory = prompt.pushed.pop()
    return _done()


def _type(prompt: "Interpreter", text: str, stdin: bytes) -> Completed:
    names = words(text)
    if not names:
        return _failed(_SYNTAX)
    output, failures = b"", ""
    for name in names:
        if name.lower() in _NOTHING:
            continue
        found = [path for path in matches(prompt, name) if prompt.session.is_file(path)]
        for path in found:
            output += prompt.session.local(path).read_bytes()
        if not found:
            failures += f"{_NOT_FOUND}\r\n"
    return Completed(int(bool(failures)), output, failures.encode())


def _when(stamp: float) -> str:
    return f"{datetime.fromtimestamp(stamp):%m/%d/%Y  %I:%M %p}"


def _dir(prompt: "Interpreter", text: str, stdin: bytes) -> Completed:
    options, patterns = _options(text)
    order = next((option for option in options if option.startswith("o")), "o")
    _known("dir", options - {order}, "a", "a-d", "ad", "b", "s", "a:d", "a:-d")
    session = prompt.session
    pattern = _pattern(prompt, patterns[0] if patterns else ".")
    output, failed = [], True
    files = size_of_all = folders = 0
    for folder, entries in _listings(prompt, pattern, deep="s" in options):
        if options & {"ad", "a:d"}:
            entries = [path for path in entries if session.is_directory(path)]
        elif options & {"a-d", "a:-d"}:
            entries = [path for path in entries if not session.is_directory(path)]
        entries = _ordered(session, entries, order.removeprefix("o").removeprefix(":"))
        if not entries:
            continue
        failed = False
        if "b" in options:
            output += [path if "s" in options else ntpath.basename(path) for path in entries]
            continue
        if (
            ntpath.basename(pattern) in ("*", "*.*")
            and folder.rstrip("\\") != "C:"
            and not options & {"a-d", "a:-d"}
        ):
            entries = [f"{folder}\\.", f"{folder}\\..", *entries]
        sizes = [session.local(path).stat().st_size for path in entries if session.is_file(path)]
        output += ["", f" Directory of {folder}", ""]
        for path in entries:
            stat = session.local(path, follow=False).lstat()
            size = "    <DIR>         " if session.is_directory(path) else f"{stat.st_size:>18,}"
            output.append(f"{_when(stat.st_mtime)}{size} {ntpath.basename(path)}")
        output.append(f"{len(sizes):>16} File(s) {sum(sizes):>14,} bytes")
        files, size_of_all = files + len(sizes), size_of_all + sum(sizes)
        folders += len(entries) - len(sizes)
    if "b" not in options:
        if "s" in options:
            output += ["", "     Total Files Listed:"]
            output.append(f"{files:>16} File(s) {size_of_all:>14,} bytes")
        free = shutil.disk_usage(session.host.filesystem.c_drive).free
        output.append(f"{folders:>16} Dir(s) {free:>15,} bytes free")
    if failed:
        head = "" if "b" in options else _volume() + f"\r\n Directory of {ntpath.dirname(pattern)}\r\n\r\n"
        return _failed("File Not Found", head)
    head = "" if "b" in options else _volume()
    return _done(head + "".join(line + "\r\n" for line in output))


def _ordered(session: Session, entries: list[str], order: str) -> list[str]:
    """Sort as dir /o says: by name, date, size, extension, folders first; - turns one round (documented:
    dir).
    """
    keys = {
        "n": lambda path: ntpath.basename(path).lower(),
        "d": lambda path: session.local(path, follow=False).lstat().st_mtime,
        "s": lambda path: session.local(path, follow=False).lstat().st_size,
        "e": lambda path: ntpath.splitext(path)[1].lower(),
        "g": lambda path: not session.is_directory(path),
    }
    criteria = re.findall("-?[ndseg]", order)
    if "".join(criteria) != order:
        raise NotImplementedError(f"dir /o{order}")
    for criterion in reversed(criteria or ["n", "g"]) if order else []:
        entries = sorted(entries, key=keys[criterion[-1]], reverse=criterion.startswith("-"))
    return entries


def _volume() -> str:
    return " Volume in drive C has no label.\r\n Volume Serial Number is 5EED-FAB1\r\n"


def _listings(prompt: "Interpreter", pattern: str, *, deep: bool) -> list[tuple[str, list[str]]]:
    folder = ntpath.dirname(pattern)
    found = [(folder, matches(prompt, pattern))]
    if deep and prompt.session.is_directory(folder):
        for child in prompt.session.host.filesystem.children(folder):
            path = ntpath.join(folder, child)
            if (
                prompt.session.is_directory(path)
                and not prompt.session.local(path, follow=False).is_symlink()
            ):
                found += _listings(prompt, ntpath.join(path, ntpath.basename(pattern)), deep=True)
    return found


def _mkdir(prompt: "Interpreter", text: str, stdin: bytes) -> Completed:
    names = words(text)
    if not names:
        return _failed(_SYNTAX)
    failures = ""
    for name in names:
        if prompt.session.exists(prompt.path(name)):
            failures += f"A subdirectory or file {name} already exists.\r\n"
        else:
            prompt.session.writable(prompt.path(name)).mkdir(parents=True)
    return Completed(int(bool(failures)), b"", failures.encode())


def _rmdir(prompt: "Interpreter", text: str, stdin: bytes) -> Completed:
    options, names = _options(text)
    _known("rd", options, "s", "q")
    if not names:
        return _failed(_SYNTAX)
    failures = ""
    for name in names:
        path = prompt.path(name)
        local = prompt.session.local(path, follow=False)
        if not os.path.lexists(local):
            failures += f"{_NOT_FOUND}\r\n"
        elif not local.is_dir() or local.is_symlink():
            failures += "The directory name is invalid.\r\n"
        elif "s" in options:
            try:
                prompt.session.remove(path)
            except Win32Error as error:
                if error.code != errors.SHARING_VIOLATION:
                    raise
                failures += f"{error.subject} - {error.text}.\r\n"
        elif any(local.iterdir()):
            failures += "The directory is not empty.\r\n"
        else:
            prompt.session.writable(path, follow=False).rmdir()
    return Completed(int(bool(failures)), b"", failures.encode())


def _del(prompt: "Interpreter", text: str, stdin: bytes) -> Completed:
    options, names = _options(text)
    _known("del", options, "q", "f", "s")
    if not names:
        return _failed(_SYNTAX)
    missing = deleted = ""
    for name in names:
        path = _pattern(prompt, name)
        listed = _listings(prompt, path, deep="s" in options)
        found = [
            match for _, entries in listed for match in entries if not prompt.session.is_directory(match)
        ]
        for match in found:
            try:
                prompt.session.writable(match, follow=False).unlink()
            except Win32Error as error:
                if error.code != errors.SHARING_VIOLATION:
                    raise
                missing += f"{match}\r\n{error.text}.\r\n"
                continue
            deleted += f"Deleted file - {match}\r\n" if "s" in options else ""
        if not found:
            missing += f"Could Not Find {path}\r\n"
    # It succeeds all the same, as on Windows.
    return Completed(0, deleted.encode(), missing.encode())


def _transfer(act: Callable[[Path, Path], object], verb: str, options: tuple[str, ...]):
    def run(prompt: "Interpreter", text: str, stdin: bytes) -> Completed:
        given, names = _options(text)
        _known(verb, given, *options)
        if not names or len(names) > 2:
            return _failed(_SYNTAX)
        if verb == "copy" and names[0].lower() in _NOTHING and len(names) == 2:
            prompt.session.writable(prompt.path(names[1])).write_bytes(b"")
            return _done("        1 file(s) copied.\r\n")
        sources = [
            path for path in matches(prompt, names[0]) if verb == "move" or prompt.session.is_file(path)
        ]
        if not sources:
            return _failed(_NOT_FOUND, "" if verb == "move" else "        0 file(s) copied.\r\n")
        target = prompt.path(names[1] if len(names) == 2 else ".")
        for source in sources:
            into = (
                ntpath.join(target, ntpath.basename(source))
                if prompt.session.is_directory(target)
                else target
            )
            if not prompt.session.is_directory(ntpath.dirname(into)):
                return _failed(_NO_PATH, "        0 file(s) copied.\r\n" if verb == "copy" else "")
            from_path = prompt.session.movable(source) if verb == "move" else prompt.session.local(source)
            act(from_path, prompt.session.writable(into))
        done = "copied" if verb == "copy" else "moved"
        return _done(f"        {len(sources)} file(s) {done}.\r\n")

    return run


def _ren(prompt: "Interpreter", text: str, stdin: bytes) -> Completed:
    names = words(text)
    if len(names) != 2 or re.search(r"[\\*?]", names[1]):
        return _failed(_SYNTAX)
    source = prompt.path(names[0])
    target = ntpath.join(ntpath.dirname(source), names[1])
    if not prompt.session.exists(source):
        return _failed(_NOT_FOUND)
    if prompt.session.exists(target):
        return _failed("A duplicate file name exists, or the file\r\ncannot be found.")
    prompt.session.movable(source).rename(prompt.session.writable(target))
    return _done()


def _ver(prompt: "Interpreter", text: str, stdin: bytes) -> Completed:
    return _done(f"\r\nMicrosoft Windows [Version 10.0.{BUILD}] ({SIMULATED})\r\n")


def _nothing(prompt: "Interpreter", text: str, stdin: bytes) -> Completed:
    return _done()


def _path(prompt: "Interpreter", text: str, stdin: bytes) -> Completed:
    if text.strip():
        prompt.environment.add({"Path": text.strip().lstrip("=")})
        return _done()
    return _done(f"PATH={prompt.environment.value('Path')}\r\n")


_copy = _transfer(shutil.copyfile, "copy", ("y", "b", "v"))
_move = _transfer(lambda source, target: os.replace(source, target), "move", ("y",))

# Each takes the prompt, the text after its name, and standard input.
COMMANDS: dict[str, Callable[["Interpreter", str, bytes], Completed]] = {
    "cd": _cd,
    "chdir": _cd,
    "cls": _nothing,
    "copy": _copy,
    "date": _now("date", "%a %m/%d/%Y "),
    "del": _del,
    "dir": _dir,
    "echo": _echo,
    "erase": _del,
    "md": _mkdir,
    "mkdir": _mkdir,
    "move": _move,
    "path": _path,
    "popd": _popd,
    "pushd": _pushd,
    "rd": _rmdir,
    "rem": _nothing,
    "ren": _ren,
    "rename": _ren,
    "rmdir": _rmdir,
    "set": _set,
    "time": _now("time", "%I:%M %p"),
    "title": _nothing,
    "type": _type,
    "ver": _ver,
    "verify": _nothing,
    "vol": lambda prompt, text, stdin: _done(_volume()),
}
