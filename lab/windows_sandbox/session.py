# SPDX-License-Identifier: Apache-2.0
"""One command of one user on the host: who runs it, where, with which variables, and what it has started."""

import ntpath
import shutil
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from lab.windows_sandbox import environment as environments
from lab.windows_sandbox import errors
from lab.windows_sandbox.environment import Environment
from lab.windows_sandbox.errors import Win32Error
from lab.windows_sandbox.processes import Child, Completed

if TYPE_CHECKING:
    from lab.windows_sandbox.host import WindowsHost


UTF_8 = 65001


@dataclass
class Console:
    """What the processes of a session share: the code page in which programs of Windows' own write text."""

    code_page: int = UTF_8

    def encode(self, text: str) -> bytes:
        """Return text in the code page, a question mark for what it lacks (documented:
        WideCharToMultiByte)."""
        return text.encode(f"cp{self.code_page}", "replace")


class Terminated(Exception):
    """The client has ended the command."""


class Session:
    """
    :param host: the host it runs on
    :param user: the account's name
    :param variables: variables beside those of the user's logon
    :param directory: the working directory; the user's profile if it is not given
    :param logon_type: how the user was logged on (documented: SECURITY_LOGON_TYPE)
    :param code_page: of its console
    """

    def __init__(
        self,
        host: "WindowsHost",
        user: str,
        variables: Mapping[str, str] = (),
        directory: str | None = None,
        logon_type: str = "Network",
        code_page: int = UTF_8,
    ):
        self.console = Console(code_page)
        self.host, self.user, self.logon_type = host, user, logon_type
        self.environment = environments.environment_of(host.registry, user, host.computer_name)
        self.environment.add(variables)
        self.directory = directory or environments.profile(user)
        self._children: list[Child] = []
        self._ended = threading.Event()

    def become(self, user: str, logon_type: str) -> "Session":
        """Return a session of another user, which ends with this one."""
        other = Session(self.host, user, logon_type=logon_type)
        other.prepare_profile()
        other.console, other._children, other._ended = self.console, self._children, self._ended
        return other

    def in_code_page(self, completed: Completed) -> Completed:
        """Return what ended with its text, which is UTF-8, as the console's code page has it."""
        if self.console.code_page == UTF_8:
            return completed
        return Completed(
            completed.exit_code,
            self.console.encode(completed.stdout.decode(errors="replace")),
            self.console.encode(completed.stderr.decode(errors="replace")),
        )

    def expand(self, text: str) -> str:
        return environments.expand(text, self.environment)

    def path(self, path: str) -> str:
        """Return an absolute Windows path, variables expanded."""
        return self.host.filesystem.absolute(self.expand(path), self.directory)

    def local(self, path: str, *, follow: bool = True) -> Path:
        """Return the local path of a Windows path, to read it."""
        return self.host.filesystem.local(self.path(path), follow=follow)

    def writable(self, path: str, *, follow: bool = True) -> Path:
        """Return the local path of a Windows path, to change it."""
        return self.host.filesystem.local_for_writing(self.path(path), follow=follow)

    def movable(self, path: str) -> Path:
        """Return the local path of a Windows path, to move it or give it another name."""
        return self.host.filesystem.local_for_moving(self.path(path))

    def remove(self, path: str) -> None:
        """Remove a file, a link, or a folder with all that is in it.

        Win32Error if a file is in use; what else is in the folder is gone then.
        """
        local = self.writable(path, follow=False)
        if not local.is_dir() or local.is_symlink():
            local.unlink()
            return
        in_use = self.host.filesystem.open_files(self.path(path))
        if not in_use:
            shutil.rmtree(local)
            return
        children = list(self.host.filesystem.tree(self.path(path)))
        for child in reversed(children):
            folded = child.lower()
            if not any(file == folded or file.startswith(folded + "\\") for file in in_use):
                child_local = self.writable(child, follow=False)
                is_folder = child_local.is_dir() and not child_local.is_symlink()
                child_local.rmdir() if is_folder else child_local.unlink()
        first = next(child for child in children if child.lower() in in_use)
        raise Win32Error(errors.SHARING_VIOLATION, first)

    def is_directory(self, path: str) -> bool:
        return self.local(path).is_dir()

    def is_file(self, path: str) -> bool:
        return self.local(path).is_file()

    def exists(self, path: str) -> bool:
        return self.local(path).exists()

    def child(self, directory: str, environment: Mapping[str, str] | None = None) -> "Session":
        """Return a session of the same user elsewhere, which ends with this one."""
        other = Session(self.host, self.user, directory=directory, logon_type=self.logon_type)
        other.environment = Environment(self.environment if environment is None else environment)
        other.console, other._children, other._ended = self.console, self._children, self._ended
        return other

    def start(
        self,
        command_line: str,
        directory: str | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> Child:
        """Start a program; Win32Error if there is none or it cannot run here."""
        child = self.host.processes.start(
            command_line,
            self.path(directory or self.directory),
            Environment(self.environment if environment is None else environment),
            self.user,
        )
        self._children.append(child)
        if self._ended.is_set():
            child.terminate()
        return child

    def run(
        self,
        command_line: str,
        directory: str | None = None,
        stdin: bytes = b"",
        environment: Mapping[str, str] | None = None,
    ) -> Completed:
        """Run a program to its end; Win32Error as `start`, Terminated if the session was ended meanwhile."""
        child = self.start(command_line, directory, environment)
        feeder = threading.Thread(target=_feed, args=(child, stdin), daemon=True)
        feeder.start()
        stdout, stderr, code = bytearray(), bytearray(), None
        while code is None:
            out, err, code = child.read(3600)
            stdout += out
            stderr += err
        if self._ended.is_set():
            raise Terminated
        return Completed(code, bytes(stdout), bytes(stderr))

    def pause(self, seconds: float) -> None:
        """Wait; Terminated if the session is ended meanwhile."""
        if self._ended.wait(seconds):
            raise Terminated

    def end(self) -> None:
        """End what runs and refuse what would still start."""
        self._ended.set()
        for child in self._children:
            child.terminate()

    def temporary_directory(self) -> str:
        return self.environment.value("TEMP")

    def prepare_profile(self) -> None:
        """Make the user's profile, as the first logon does."""
        for folder in (
            self.temporary_directory(),
            self.environment.value("APPDATA"),
            ntpath.join(environments.profile(self.user), "Documents"),
        ):
            self.host.filesystem.local(folder).mkdir(parents=True, exist_ok=True)


def _feed(child: Child, data: bytes) -> None:
    try:
        child.write(data)
        child.close_stdin()
    except BrokenPipeError:
        return  # It ended or closed its input without reading all, as any program may.
