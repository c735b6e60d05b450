# SPDX-License-Identifier: Apache-2.0
"""Runs what syntax.py has read: variables, redirection, conditions, cmd.exe's own commands, programs."""

import ntpath
import random
import re
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from lab import guesses
from lab.windows_sandbox import command_line as lines
from lab.windows_sandbox import errors, tools
from lab.windows_sandbox.command_prompt import internal, syntax
from lab.windows_sandbox.command_prompt.invocation import is_command_prompt, line_of
from lab.windows_sandbox.environment import Environment
from lab.windows_sandbox.errors import Win32Error
from lab.windows_sandbox.processes import Completed
from lab.windows_sandbox.session import Session

# Takes a handle (1 or 2) and what was written to it.
Emit = Callable[[int, bytes], None]

_VARIABLE = re.compile(r"%([^%:\r\n]+)(?::(~?)([^%]*))?%")
_SLICE = re.compile(r"(-?\d+)?(?:,(-?\d+))?")

# What a batch file's name ends in; cmd.exe would interpret it.
_BATCH = (".bat", ".cmd")


class Exit(Exception):
    """`exit` was reached: the exit code."""

    def __init__(self, code: int):
        super().__init__(code)
        self.code = code


class Interpreter:
    """One cmd.exe: its folder, its variables, its %ERRORLEVEL%."""

    def __init__(self, session: Session, directory: str | None = None):
        self.session = session
        self.directory = session.path(directory or session.directory)
        self.environment = Environment(session.environment)
        self.errorlevel = 0
        self.pushed: list[str] = []

    def run(self, line: str, stdin: bytes = b"", emit: Emit | None = None) -> Completed:
        """Run a line and return its exit code, and its output where no `emit` takes it as it comes.

        Win32Error for what this host does not understand.
        """
        streams = {1: b"", 2: b""}

        def collect(handle: int, data: bytes) -> None:
            streams[handle] += data

        emit = emit or collect
        try:
            tree = syntax.parse(self.expand(line))
            code = self._run(tree, stdin, emit) if tree else 0
        except syntax.SyntaxProblem as problem:
            # What a batch file leaves in %ERRORLEVEL%.
            self.session.host.guesses.meet(guesses.SYNTAX_ERROR_OF_CMD)
            emit(2, self.session.console.encode(f"{problem}\r\n"))
            code = 255
        except NotImplementedError as error:
            raise Win32Error(
                errors.NOT_SUPPORTED, line, f"the simulated cmd.exe does not know {error}"
            ) from error
        except Exit as end:
            code = end.code
        return Completed(code, streams[1], streams[2])

    def expand(self, text: str) -> str:
        """Replace %NAME%, %NAME:old=new%, %NAME:~start,length%; unknown names stay (documented: set)."""
        return _VARIABLE.sub(self._variable, text)

    def _variable(self, match: re.Match) -> str:
        value = self._value(match[1])
        if value is None:
            return match[0]
        if match[3] is None:
            return value
        if not match[2]:
            old, _, new = match[3].partition("=")
            return re.sub(re.escape(old), lambda _: new, value, flags=re.IGNORECASE) if old else value
        part = _SLICE.fullmatch(match[3])
        if not part:
            return match[0]
        start, count = int(part[1] or 0), part[2] and int(part[2])
        rest = value[start:]
        return rest if count is None else rest[:count]

    def _value(self, name: str) -> str | None:
        now = datetime.now(UTC)
        dynamic = {
            "cd": self.directory,
            "errorlevel": str(self.errorlevel),
            "date": f"{now:%a %m/%d/%Y}",
            "time": f"{now:%H:%M:%S}.{now.microsecond // 10_000:02}",
            "random": str(random.randrange(32768)),
        }
        known = {key.lower(): value for key, value in self.environment.items()}
        return known.get(name.lower(), dynamic.get(name.lower()))

    def _run(self, node: syntax.Node, stdin: bytes, emit: Emit) -> int:
        match node:
            case syntax.Joined("|", left, right):
                piped = bytearray()
                self._child()._run_alone(
                    left, stdin, lambda handle, data: piped.extend(data) if handle == 1 else emit(2, data)
                )
                self.errorlevel = self._child()._run_alone(right, bytes(piped), emit)
            case syntax.Joined(operator, left, right):
                code = self._run(left, stdin, emit)
                if operator == "&" or (operator == "&&") == (code == 0):
                    return self._run(right, stdin, emit)
                return code
            case syntax.Condition(words, then, otherwise):
                chosen = then if self._holds(list(words)) else otherwise
                return self._run(chosen, stdin, emit) if chosen else self.errorlevel
            case syntax.Group(body, redirections):
                return self._redirected(redirections, stdin, emit, lambda i, o: self._run(body, i, o))
            case syntax.Simple(text, redirections):
                self.errorlevel = self._redirected(
                    redirections, stdin, emit, lambda i, o: self._simple(text.strip(" \t"), text, i, o)
                )
        return self.errorlevel

    def _child(self) -> "Interpreter":
        """Return what runs one side of a pipe: what it sets is gone with it."""
        child = Interpreter(self.session, self.directory)
        child.environment, child.errorlevel = Environment(self.environment), self.errorlevel
        return child

    def _run_alone(self, node: syntax.Node, stdin: bytes, emit: Emit) -> int:
        try:
            return self._run(node, stdin, emit)
        except Exit as end:
            return end.code

    def _redirected(self, redirections, stdin, emit, act) -> int:
        goes: dict[int, Callable[[bytes], None]] = {
            1: lambda data: emit(1, data),
            2: lambda data: emit(2, data),
        }
        for redirection in redirections:
            if redirection.kind == ">&":
                goes[redirection.handle] = goes.get(int(redirection.target), lambda data: None)
                continue
            if redirection.target.lower() in ("nul", "nul:"):
                goes[redirection.handle], stdin = (
                    (lambda data: None),
                    b"" if redirection.handle == 0 else stdin,
                )
                continue
            try:
                if redirection.kind == "<":
                    stdin = self.local(redirection.target).read_bytes()
                else:
                    goes[redirection.handle] = self._file(redirection)
            except Win32Error as error:
                if error.code != errors.SHARING_VIOLATION:
                    raise
                emit(2, f"{error.text}.\r\n".encode())
                return 1
            except (FileNotFoundError, IsADirectoryError, NotADirectoryError) as error:
                text = "file" if isinstance(error, FileNotFoundError) and redirection.kind == "<" else "path"
                denied = isinstance(error, IsADirectoryError)
                message = "Access is denied." if denied else f"The system cannot find the {text} specified."
                emit(2, self.session.console.encode(f"{message}\r\n"))
                return 1
        return act(stdin, lambda handle, data: goes[handle](data))

    def _file(self, redirection: syntax.Redirection) -> Callable[[bytes], None]:
        path = self.session.writable(self.path(redirection.target))
        if redirection.kind == ">":
            path.write_bytes(b"")

        def append(data: bytes) -> None:
            with open(path, "ab") as file:
                file.write(data)

        append(b"")
        return append

    def path(self, path: str) -> str:
        """Return the absolute Windows path of what a command names."""
        return self.session.host.filesystem.absolute(path.strip().strip('"'), self.directory)

    def local(self, path: str) -> Path:
        return self.session.local(self.path(path))

    def _holds(self, words: list[str]) -> bool:
        negated = ignore_case = False
        while words[0].lower() in ("not", "/i"):
            negated, ignore_case = (
                negated or words[0].lower() == "not",
                ignore_case or words[0].lower() == "/i",
            )
            words.pop(0)
        match words[0].lower(), words[1:]:
            case "exist", [path]:
                holds = internal.matches(self, path) != []
            case "defined", [name]:
                holds = self._value(name) is not None
            case "errorlevel", [number]:
                holds = self.errorlevel >= int(number)
            case _, [operator, right]:
                holds = internal.compare(words[0], operator, right, ignore_case)
            case _:
                left, _, right = words[0].partition("==")
                left, right = left.strip(), right.strip()
                holds = left.lower() == right.lower() if ignore_case else left == right
        return holds != negated

    def _simple(self, command: str, text: str, stdin: bytes, emit: Emit) -> int:
        if not command:
            return 0
        name, rest = internal.split(command)
        if re.fullmatch("[a-z]:", name) and not rest.strip():
            if name != "c:":
                emit(2, b"The system cannot find the drive specified.\r\n")
            return int(name != "c:")
        if name in internal.COMMANDS:
            # `echo` keeps the blanks at its end.
            tail = text.lstrip(" \t,;=")[len(command) - len(rest) :] if name == "echo" else rest
            completed = self._own(name, tail, stdin)
            if name != "type":
                completed = self.session.in_code_page(completed)
        elif name == "exit":
            raise Exit(internal.number(rest.lower().replace("/b", ""), self.errorlevel))
        elif name in internal.UNKNOWN:
            raise NotImplementedError(name)
        elif name == "call":
            return self._call(rest.strip(), stdin, emit)
        elif is_command_prompt(command):
            line = line_of(command, lambda name: tools.is_there(self.session, name, self.directory))
            return self._child().run(line, stdin, emit).exit_code
        else:
            completed = self._program(command, stdin)
        emit(1, completed.stdout)
        emit(2, completed.stderr)
        return completed.exit_code

    def _own(self, name: str, tail: str, stdin: bytes) -> Completed:
        try:
            return internal.COMMANDS[name](self, tail, stdin)
        except Win32Error as error:
            if error.code not in (errors.SHARING_VIOLATION, errors.ACCESS_DENIED):
                raise
            counted = b"        0 file(s) copied.\r\n" if name == "copy" else b""
            return Completed(1, counted, f"{error.text}.\r\n".encode())

    def _call(self, command: str, stdin: bytes, emit: Emit) -> int:
        """Run a command whose variables are replaced once more, as they are by now (documented: call)."""
        if command.startswith(":"):
            raise NotImplementedError(f"call {command.split()[0]}")
        text = self.expand(command)
        return self._simple(text, text, stdin, emit) if text else 0

    def _program(self, command: str, stdin: bytes) -> Completed:
        name = lines.split_program(command)[0]
        try:
            return tools.execute(self.session, command, self.directory, stdin, self.environment)
        except Win32Error as error:
            if error.code != errors.FILE_NOT_FOUND:
                raise
        for folder in (self.directory, *self.environment.value("Path").split(";")):
            for ending in ("", *_BATCH):
                path = ntpath.join(folder, name + ending)
                if path.lower().endswith(_BATCH) and self.session.is_file(path):
                    raise NotImplementedError(f"batch files, such as {path}")
        # 9009 is what cmd.exe leaves in %ERRORLEVEL%; as the exit code of /c it is 1 (inferred).
        return Completed(
            1,
            b"",
            self.session.console.encode(
                f"'{name}' is not recognized as an internal or external command,\r\noperable program or batch"
                " file.\r\n"
            ),
        )
