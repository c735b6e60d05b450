# SPDX-License-Identifier: Apache-2.0
"""What the WinRM server needs of the Windows host behind it.

The server knows nothing of files, processes or virtual machines: it asks a host, which need not inherit from
anything here.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Any, Protocol


class CommandRefused(Exception):
    """The host will not start this command; the message says why and reaches the client as a fault.

    :param code: the Win32 error that Windows would have failed with, None if it would not have
    """

    def __init__(self, message: str, code: int | None = None):
        super().__init__(message)
        self.code = code


class Process(Protocol):
    """A started command. Its methods are called from several threads: a Receive waits in read() while another
    request writes or terminates."""

    def write(self, data: bytes) -> None:
        """Append to standard input; BrokenPipeError when the process no longer reads."""

    def close_stdin(self) -> None:
        """Tell the process that its standard input has ended."""

    def read(self, timeout: float) -> tuple[bytes, bytes, int | None]:
        """Wait up to `timeout` seconds for news; return (stdout, stderr, exit code), each byte once.

        The exit code is None while the process runs, and comes with or after the last output.
        terminate() wakes a read().
        """

    def terminate(self) -> None:
        """End the process and its children; harmless when they have ended."""


class Instance(Protocol):
    """A CIM instance as WMI hands it out."""

    class_name: str
    namespace: str
    path: str

    def items(self) -> Iterable[tuple[str, str, Any]]:
        """(property, CIM type, value): 'string', 'uint16[]', 'datetime', 'reference' …; None is NULL."""


class Namespace(Protocol):
    """A WMI namespace; its methods raise CimError (lab/hyperv_model/errors.py)."""

    def query(self, wql: str) -> list[Instance]:
        """Return the instances that a WQL query selects."""

    def get(self, class_name: str, keys: dict[str, str]) -> Instance:
        """Return the instance of a class that has these keys, all of the class's keys."""

    def definition(self, class_name: str) -> Any:
        """Return the class, as lab/hyperv_model/cim.py's ClassDefinition."""

    def invoke(self, target: str, method: str, arguments: dict[str, Any]) -> Instance:
        """Call a method of the instance at an object path, or of a class; return ReturnValue and outputs."""


class Host(Protocol):
    """One Windows host.

    `password_file` holds a line of smbpasswd(5) for each spelling of a user who may log on by NTLM.
    """

    name: str
    password_file: Path

    def open_process(
        self,
        command_line: str,
        *,
        user: str,
        working_directory: str | None,
        environment: dict[str, str],
        console_stdin: bool,
        through_cmd: bool,
        code_page: int,
    ) -> Process:
        """Start WinRS's command line, or raise CommandRefused; `console_stdin`: no input will come;
        `through_cmd`: cmd.exe reads the line first; `code_page`: of the console that it writes to."""

    def user_of_certificate(self, der: bytes) -> str | None:
        """Return the user that a client certificate is mapped to, or None."""

    def user_of_password(self, name: str, password: str) -> str | None:
        """Return the user that NAME, HOST\\NAME or .\\NAME and this password log on, or None."""

    def user_named(self, name: str) -> str | None:
        """Return the user that a name means in any of these spellings, or None."""

    def may_manage(self, user: str) -> bool:
        """Say whether WinRM lets this user in: administrators and remote management users."""

    def wmi(self, namespace: str) -> Namespace:
        """Return a namespace such as 'root/virtualization/v2'; CimError when there is none."""
