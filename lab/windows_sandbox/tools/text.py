# SPDX-License-Identifier: Apache-2.0
"""findstr, find, sort, more, chcp: they read files, or what comes through the pipe."""

import codecs
import fnmatch
import re
from collections.abc import Iterable

from lab.windows_sandbox import command_line as lines
from lab.windows_sandbox.processes import Completed
from lab.windows_sandbox.session import Session
from lab.windows_sandbox.tools.reply import arguments, done, failed

_FINDSTR = frozenset("bcehilmnprsvx")


def findstr(session: Session, text: str, stdin: bytes) -> Completed:
    strings, options, names = [], set(), []
    for word in lines.split(text):
        if word.lower().startswith("/c:"):
            strings.append(word[3:])
        elif re.fullmatch(r"/[A-Za-z]+", word):
            options |= set(word[1:].lower())
        elif word.startswith("/"):
            return failed(2, "FINDSTR: Bad command line\n")
        elif not strings and not names and "\0" not in options:
            strings, options = word.split(" "), options | {"\0"}
        else:
            names.append(word)
    literal_strings = "\0" not in options
    options.discard("\0")
    if not strings:
        return failed(2, "FINDSTR: Bad command line\n")
    if unknown := options - _FINDSTR:
        return failed(2, f"FINDSTR: /{min(unknown)} ignored\nFINDSTR: Bad command line\n")
    # /c: takes its string literally (documented: findstr).
    literal = "l" in options or (
        "r" not in options
        and (literal_strings or not any(re.search(r"[.*\[^$\\]", each) for each in strings))
    )
    expressions = [re.escape(each) if literal else _expression(each) for each in strings]
    if "x" in options:
        expressions = [f"^(?:{each})$" for each in expressions]
    else:
        expressions = [
            "^" * ("b" in options) + f"(?:{each})" + "$" * ("e" in options) for each in expressions
        ]
    found = re.compile("|".join(expressions), re.IGNORECASE if "i" in options else 0)
    output, missing = [], ""
    for name, content in _inputs(session, names, stdin, deep="s" in options):
        if content is None:
            missing += f"FINDSTR: Cannot open {name}\n"
            continue
        hits = [
            (number, line)
            for number, line in enumerate(_lines(content), 1)
            if bool(found.search(line)) != ("v" in options)
        ]
        if "m" in options:
            output += [name] if hits else []
            continue
        several = len(names) > 1 or "s" in options or re.search(r"[*?]", "".join(names))
        prefix = f"{name}:" if several else ""
        output += [prefix + (f"{number}:" if "n" in options else "") + line for number, line in hits]
    return Completed(int(not output), _joined(output), missing.replace("\n", "\r\n").encode())


def _expression(text: str) -> str:
    r"""Translate findstr's expressions: . * [class] ^ $ \x \< \> (documented: findstr)."""
    parts = []
    for token in re.findall(r"\\.|\[\^?.[^\]]*\]|.", text, re.DOTALL):
        if token in (r"\<", r"\>"):
            parts.append(r"\b")
        elif token.startswith("\\") and len(token) == 2:
            parts.append(re.escape(token[1]))
        elif token in (".", "*", "^", "$") or len(token) > 1:
            parts.append(token)
        else:
            parts.append(re.escape(token))
    return "".join(parts)


def find(session: Session, text: str, stdin: bytes) -> Completed:
    match = re.match(r'((?:\s*/[A-Za-z]+)*)\s*"((?:[^"]|"")*)"(.*)', text, re.DOTALL)
    if not match:
        return failed(2, "FIND: Parameter format not correct\n")
    switches, names = arguments(match[1] + " " + match[3])
    if set(switches) - {"i", "v", "c", "n"}:
        return failed(2, "FIND: Invalid switch\n")
    wanted = match[2].replace('""', '"')
    fold = str.lower if "i" in switches else str
    output, missing, count = [], "", 0
    for name, content in _inputs(session, names, stdin):
        if content is None:
            missing += f"File not found - {name.upper()}\n"
            continue
        hits = [
            f"[{number}]{line}" if "n" in switches else line
            for number, line in enumerate(_lines(content), 1)
            # No line holds the empty string (documented: find /c /v "" counts lines).
            if bool(wanted and fold(wanted) in fold(line)) != ("v" in switches)
        ]
        count += len(hits)
        if "c" in switches:
            output += [f"\r\n---------- {name.upper()}: {len(hits)}" if names else str(len(hits))]
        else:
            output += [f"\r\n---------- {name.upper()}"] * bool(names) + hits
    return Completed(int(not count), _joined(output), missing.replace("\n", "\r\n").encode())


def sort(session: Session, text: str, stdin: bytes) -> Completed:
    switches, names = arguments(text)
    if set(switches) - {"r"} or len(names) > 1:
        return failed(1, "Invalid switch.\n")
    (name, content), *_ = _inputs(session, names, stdin)
    if content is None:
        return failed(1, f"{name}The system cannot find the file specified.\n")
    return Completed(0, _joined(sorted(_lines(content), key=str.lower, reverse="r" in switches)), b"")


def more(session: Session, text: str, stdin: bytes) -> Completed:
    switches, names = arguments(text)
    if switches:
        return failed(1, "more: a switch that the simulated more does not know\n")
    contents = list(_inputs(session, names, stdin))
    if missing := [name for name, content in contents if content is None]:
        return failed(1, f"Cannot access file {session.path(missing[0])}\n")
    return Completed(0, _joined([line for _, content in contents for line in _lines(content)]), b"")


def chcp(session: Session, text: str, stdin: bytes) -> Completed:
    """Tell the console's code page, or set it for what comes after (documented: chcp)."""
    if wanted := text.strip():
        try:
            codecs.lookup(f"cp{int(wanted)}")
        except (LookupError, ValueError):
            return failed(1, "Invalid code page\n")
        session.console.code_page = int(wanted)
    return done(f"Active code page: {session.console.code_page}\n")


def _inputs(
    session: Session, names: list[str], stdin: bytes, *, deep: bool = False
) -> Iterable[tuple[str, bytes | None]]:
    """Yield (name, content) of each file, of those below its folder too if `deep`, None where there is none;
    of standard input without names.
    """
    if not names:
        yield "", stdin
    for name in names:
        head, slash, last = name.replace("/", "\\").rpartition("\\")
        folder = session.path(head + slash or ".")
        expression = re.compile(fnmatch.translate(last), re.IGNORECASE)
        matched = [
            entry
            for entry in (session.host.filesystem.children(folder) if session.is_directory(folder) else [])
            if expression.match(entry) and session.is_file(f"{folder}\\{entry}")
        ]
        below = [
            f"{head}{slash}{entry}\\{last}"
            for entry in (session.host.filesystem.children(folder) if deep else [])
            if (path := session.local(f"{folder}\\{entry}", follow=False)).is_dir() and not path.is_symlink()
        ]
        if not matched and not deep:
            yield name, None
        for entry in matched:
            shown = name if entry.lower() == last.lower() else head + slash + entry
            yield shown, session.local(f"{folder}\\{entry}").read_bytes()
        if below:
            yield from _inputs(session, below, stdin, deep=True)


def _lines(content: bytes) -> list[str]:
    return content.decode(errors="surrogateescape").splitlines()


def _joined(output: list[str]) -> bytes:
    return "".join(line + "\r\n" for line in output).encode(errors="surrogateescape")
