# SPDX-License-Identifier: Apache-2.0
"""cmd.exe's grammar: a line into a tree. Nothing is run here.

Written from Microsoft's reference (documented: cmd, if, Using command redirection operators); in which order
is what Stack Overflow's "How does the Windows Command Interpreter parse scripts?" found out (recorded).
"""

import re
from dataclasses import dataclass, field

SPECIAL = frozenset("&<>()@^|")

# Groups within groups; cmd.exe has its limit somewhere too, this is the parser's own.
_DEEPEST = 50

_OPERATORS = ("&&", "||", "&", "|")
_REDIRECTION = re.compile(r"([0-9]?)(>>|>|<)\s*(?:&\s*([0-9])|)")
_BLANK = " \t,;="


class SyntaxProblem(Exception):
    """What cmd.exe says of a line that it cannot read."""


@dataclass(frozen=True)
class Redirection:
    """`handle` goes to a file, read (<), written (>) or appended (>>), or where another handle goes (>&)."""

    handle: int
    kind: str
    target: str


@dataclass(frozen=True)
class Simple:
    """A command and its arguments as they stand, carets and redirections taken out."""

    text: str
    redirections: tuple[Redirection, ...] = ()


@dataclass(frozen=True)
class Group:
    body: "Node"
    redirections: tuple[Redirection, ...] = ()


@dataclass(frozen=True)
class Joined:
    operator: str
    left: "Node"
    right: "Node"


@dataclass(frozen=True)
class Condition:
    words: tuple[str, ...]
    then: "Node"
    otherwise: "Node | None"


Node = Simple | Group | Joined | Condition


@dataclass
class _Reader:
    text: str
    at: int = 0
    depth: int = 0
    redirections: list[Redirection] = field(default_factory=list)

    def skip(self, characters: str = _BLANK) -> None:
        while self.at < len(self.text) and self.text[self.at] in characters:
            self.at += 1

    def operator(self) -> str | None:
        return next((each for each in _OPERATORS if self.text.startswith(each, self.at)), None)

    def ended(self) -> bool:
        return self.at >= len(self.text) or (self.depth > 0 and self.text[self.at] == ")")


def parse(line: str) -> Node | None:
    """Return a line's tree, None for an empty line; SyntaxProblem says what is unexpected."""
    reader = _Reader(" ".join(part for part in re.split(r"\r?\n", line)))
    reader.skip()
    if reader.ended():
        return None
    tree = _joined(reader, 0)
    if not reader.ended():
        raise SyntaxProblem(f"{reader.text[reader.at]} was unexpected at this time.")
    return tree


# By how loosely they bind.
_LEVELS = ("&", "||", "&&", "|")


def _joined(reader: _Reader, level: int) -> Node:
    if level == len(_LEVELS):
        return _command(reader)
    left = _joined(reader, level + 1)
    while reader.operator() == _LEVELS[level]:
        operator = _LEVELS[level]
        reader.at += len(operator)
        reader.skip()
        if reader.ended():
            if operator == "&":
                return left
            raise SyntaxProblem("The syntax of the command is incorrect.")
        left = Joined(operator, left, _joined(reader, level + 1))
    return left


def _command(reader: _Reader) -> Node:
    reader.skip(_BLANK + "@")
    if operator := reader.operator():
        raise SyntaxProblem(f"{operator} was unexpected at this time.")
    if reader.text.startswith("(", reader.at):
        return _group(reader)
    if re.compile(r"if(?=[\s(])", re.IGNORECASE).match(reader.text, reader.at):
        return _condition(reader)
    if match := re.compile(r"for(?=\s)", re.IGNORECASE).match(reader.text, reader.at):
        raise NotImplementedError(match[0])
    text, redirections = _text(reader)
    if not text.strip() and not redirections:
        raise SyntaxProblem("The syntax of the command is incorrect.")
    return Simple(text, redirections)


def _group(reader: _Reader) -> Group:
    if reader.depth >= _DEEPEST:
        raise SyntaxProblem("The syntax of the command is incorrect.")
    reader.at, reader.depth = reader.at + 1, reader.depth + 1
    body = _joined(reader, 0)
    if not reader.text.startswith(")", reader.at):
        raise SyntaxProblem("The syntax of the command is incorrect.")
    reader.at, reader.depth = reader.at + 1, reader.depth - 1
    text, redirections = _text(reader, stop_at_word=True)
    if text.strip():
        raise SyntaxProblem(f"{text.split()[0]} was unexpected at this time.")
    return Group(body, redirections)


def _condition(reader: _Reader) -> Condition:
    reader.at += 2
    words: list[str] = []
    while len(words) < 2 and (not words or words[-1].lower() in ("not", "/i")):
        words.append(_word(reader))
    subject = words[-1].lower()
    if subject in ("exist", "defined", "errorlevel", "cmdextversion"):
        words.append(_word(reader))
    elif "==" not in subject:
        words += [_word(reader), _word(reader)]
    then = _command(reader)
    reader.skip()
    if not isinstance(then, Group) or not re.compile(r"else(?=[\s(])", re.IGNORECASE).match(
        reader.text, reader.at
    ):
        return Condition(tuple(words), then, None)
    reader.at += 4
    return Condition(tuple(words), then, _command(reader))


def _word(reader: _Reader) -> str:
    """Read a word of a condition; `a == b` is one."""
    reader.skip(" \t")
    match = re.compile(r'(?:"[^"]*"|[^\s"=()&|<>])*(?:\s*==\s*(?:"[^"]*"|[^\s"()&|<>])*)?').match(
        reader.text, reader.at
    )
    if not match[0]:
        raise SyntaxProblem("The syntax of the command is incorrect.")
    reader.at = match.end()
    return match[0]


def _text(reader: _Reader, *, stop_at_word: bool = False) -> tuple[str, tuple[Redirection, ...]]:
    """Read up to an operator: the text without carets, and the redirections that stood in it."""
    text, redirections, quoted = "", [], False
    while not (not quoted and (reader.ended() or reader.operator())) and reader.at < len(reader.text):
        character = reader.text[reader.at]
        if quoted or character == '"':
            quoted ^= character == '"'
        elif stop_at_word and character not in " \t<>0123456789":
            break
        elif character == "^":
            reader.at += 1
            character = reader.text[reader.at : reader.at + 1]
        elif match := _redirection(reader, text):
            handle = int(match[1] or (0 if match[2] == "<" else 1))
            reader.at = match.end()
            if match[3]:
                redirections.append(Redirection(handle, ">&", match[3]))
            else:
                redirections.append(Redirection(handle, match[2], _target(reader)))
            continue
        text += character
        reader.at += 1
    return text, tuple(redirections)


def _redirection(reader: _Reader, before: str) -> re.Match | None:
    """Return the redirection that begins here; a digit is a handle where a word could begin."""
    match = _REDIRECTION.match(reader.text, reader.at)
    if match and match[1] and before and before[-1] not in _BLANK + '"()':
        return None
    return match


def _target(reader: _Reader) -> str:
    match = re.compile(r'\s*((?:"[^"]*"|[^\s"&|<>()])+)').match(reader.text, reader.at)
    if not match:
        raise SyntaxProblem("The syntax of the command is incorrect.")
    reader.at = match.end()
    return match[1].replace('"', "")
