# SPDX-License-Identifier: Apache-2.0
"""The simulated Windows host: what it owns, and what the WinRM server asks of it."""

import logging
import re
import ssl
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lab import guesses
from lab.guesses import Guess, Guesses
from lab.windows_sandbox import command_prompt, errors, tools, wmi
from lab.windows_sandbox.accounts import ADMINISTRATORS, REMOTE_MANAGEMENT, Accounts
from lab.windows_sandbox.ansible import payload
from lab.windows_sandbox.ansible.powershell import PowerShell, not_encoded
from lab.windows_sandbox.certificates import ClientCertificates
from lab.windows_sandbox.containment import Containment
from lab.windows_sandbox.errors import Win32Error
from lab.windows_sandbox.event_log import EventLog
from lab.windows_sandbox.filesystem import FileSystem
from lab.windows_sandbox.installation import HOSTS, install
from lab.windows_sandbox.processes import Processes
from lab.windows_sandbox.registry import Registry
from lab.windows_sandbox.security import Security
from lab.windows_sandbox.services.accounts import ServiceAccounts
from lab.windows_sandbox.services.controller import ServiceController
from lab.windows_sandbox.session import UTF_8, Session
from lab.windows_sandbox.user_rights import UserRights
from lab.winrm_server.host import CommandRefused, Process

if TYPE_CHECKING:
    from lab.hyperv_model.model import Model
    from lab.hyperv_model.neighbours import Neighbours

LOG = logging.getLogger(__name__)


def computer_name(name: str) -> str:
    """Return the NetBIOS name of a host."""
    return name.upper()[:15]


class WindowsHost:
    """One host and all that it owns, kept below `root`, where it is found again at the next start.

    :param root: its folder: C/ (drive C:), registry.json, events.jsonl, logs/ and run/ (sockets)
    :param address: the address it answers at
    :param name: its name
    :param image: a folder whose C/ shows in C:\\ read-only, or None
    :param binds: what its processes see beside C:\\, read-only: (path of this machine, place inside)
    :param neighbours: the hosts that it reaches; C/ is a link into their folder then
    """

    def __init__(
        self,
        root: Path,
        address: str,
        name: str,
        image: Path | None = None,
        binds: list[tuple[Path, str]] | None = None,
        neighbours: "Neighbours | None" = None,
    ):
        if not re.fullmatch(r"[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?", name):
            raise ValueError(f"host name {name}: expected letters, digits and hyphens")
        self.root, self.address, self.name, self.booted = root, address, name, time.time()
        self.computer_name = computer_name(name)
        self.run_folder = root / "run"
        for folder in (root, self.run_folder, root / "logs"):
            folder.mkdir(parents=True, exist_ok=True)
        drive = root / "C"
        if neighbours and not drive.is_symlink():
            drive.symlink_to(neighbours.drive, target_is_directory=True)
        self.filesystem = FileSystem(drive.resolve(), image)
        self.registry = Registry(root / "registry.json")
        self.event_log = EventLog(root / "events.jsonl", self.registry)
        install(self.filesystem, self.registry, name)
        tools.install(self.filesystem)
        self.resolve_names()
        seen = [*(binds or []), (root / "hosts", "/etc/hosts")]
        network = neighbours and neighbours.hosts
        self.processes = Processes(Containment(self.filesystem, self.run_folder, name, seen, network))
        self.accounts = Accounts(root, self.computer_name)
        self.rights = UserRights(root / "user-rights.json", self.accounts)
        self.services = self._service_controller()
        self.password_file = self.accounts.password_file
        self.security = Security(root / "security.json")
        self.certificates = ClientCertificates(root / "client-certificates.json")
        self.model: Model | None = None
        self.guesses = Guesses()
        self.guesses.tell = self._log_guess
        # Restarts the host; set by whoever runs it (lab/windows_host.py).
        self.restart: Callable[[], None] | None = None
        self._shutdown: threading.Timer | None = None

    def _service_controller(self) -> ServiceController:
        return ServiceController(
            self.registry,
            self.processes,
            self.event_log,
            ServiceAccounts(
                self.registry,
                self.accounts,
                self.rights,
                lambda user: Session(self, user).prepare_profile(),
            ),
            self.computer_name,
            self.run_folder / "services.sock",
            self.root / "logs",
        )

    def boot(self, model: "Model", tls_context: ssl.SSLContext) -> None:
        """Take the Hyper-V model and the listener's TLS context, and start the services that start by
        themselves.
        """
        self.model = model
        model.host, model.guesses = self, self.guesses
        self.filesystem.open_files = lambda path: model.call(
            "ntoskrnl.IoCheckShareAccess", {"path": path}
        )
        wmi.provide(self, model)
        self.certificates.trust_in(tls_context)
        self.start_up()

    def start_up(self) -> None:
        """Begin a new uptime."""
        self.booted = time.time()
        # The event that the log begins with after a boot (documented: provider EventLog).
        self.event_log.write("System", "EventLog", 6005, "Information", "The Event log service was started.")
        threading.Thread(target=self.services.start_automatic, name="boot", daemon=True).start()

    def shut_down(self) -> None:
        """Stop the services, end every process, and be ready for start_up().

        Virtual machines stay as they are: Hyper-V saves them before and resumes them after (documented: the
        defaults of AutomaticStopAction and AutomaticStartAction).
        """
        self.services.stop_all()
        self.event_log.write("System", "EventLog", 6006, "Information", "The Event log service was stopped.")
        self.services.close()
        self.processes.end()
        self.services = self._service_controller()

    def _log_guess(self, guess: Guess) -> None:
        log = "Microsoft-Windows-Hyper-V-VMMS-Admin"
        self.event_log.write(log, guesses.SOURCE, 1, "Warning", str(guess))

    def schedule_restart(self, seconds: float, user: str, comment: str) -> None:
        """Restart after some seconds, as shutdown.exe /r; Win32Error 1190 if that is under way already."""
        if self._shutdown and self._shutdown.is_alive():
            raise Win32Error(errors.SHUTDOWN_IS_SCHEDULED, self.computer_name)
        self.event_log.write(
            "System",
            "User32",
            1074,
            "Information",
            rf"The process C:\Windows\system32\shutdown.exe ({self.computer_name}) has initiated the"
            f" restart of computer {self.computer_name} on behalf of user {user}. Comment: {comment}",
        )
        self._shutdown = threading.Timer(seconds, self.restart)
        self._shutdown.daemon = True
        self._shutdown.start()

    def abort_restart(self) -> bool:
        """Take back a restart that is scheduled; say whether there was one."""
        scheduled, self._shutdown = self._shutdown, None
        if scheduled is None or not scheduled.is_alive():
            return False
        scheduled.cancel()
        return True

    def authorize(self, certificate: str, user: str | None = None) -> None:
        """Have a client certificate (PEM) log on an administrator: `user`, or the one of its UPN; ValueError
        if Windows could not map it."""
        number = self.certificates.add(certificate, user)
        self.accounts.ensure_administrator(self.certificates.user(number))

    def resolve_names(self) -> None:
        """Have the host's processes resolve its own name, as Windows does without asking anyone, and those of
        its hosts file."""
        entries = self.filesystem.local(HOSTS).read_text()
        # Written in place: processes that run have this very file.
        (self.root / "hosts").write_text(f"127.0.0.1 localhost\n{self.address} {self.name}\n{entries}")

    def close(self) -> None:
        """End every process."""
        self.services.close()
        self.processes.end()

    def open_process(
        self,
        command_line: str,
        *,
        user: str,
        working_directory: str | None,
        environment: dict[str, str],
        console_stdin: bool,
        through_cmd: bool = True,
        code_page: int = UTF_8,
    ) -> Process:
        """Start a command line of WinRS, as lab/winrm_server/host.py asks."""
        session = Session(self, user, environment, working_directory, code_page=code_page)
        session.prepare_profile()
        try:
            if not session.is_directory(session.directory):
                raise Win32Error(errors.DIRECTORY, session.directory)
            script = payload.unwrap(command_line)
            if script is not None:
                process = PowerShell(session, script)
            else:
                process = self._command(session, command_line, through_cmd)
        except payload.NotEncoded:
            process = not_encoded(session)
        except Win32Error as error:
            raise CommandRefused(str(error), error.code) from error
        if console_stdin:
            process.close_stdin()
        return process

    @staticmethod
    def _command(session: Session, command_line: str, through_cmd: bool) -> Process:
        """Start a command line in cmd.exe, or without it if it is nothing but a program."""
        if not through_cmd and command_prompt.is_command_prompt(command_line):
            line = command_prompt.line_of(
                command_line, lambda name: tools.is_there(session, name, session.directory)
            )
            return command_prompt.CommandProcess(session, line)
        alone = not through_cmd or command_prompt.is_one_program(command_line)
        if alone and tools.is_started(session, command_line):
            return session.start(command_line)
        if through_cmd:
            return command_prompt.CommandProcess(session, command_line)
        return tools.ToolProcess(session, command_line)

    def user_of_certificate(self, der: bytes) -> str | None:
        return self.certificates.user_of(der)

    def user_of_password(self, name: str, password: str) -> str | None:
        return self.accounts.user_of_password(name, password)

    def user_named(self, name: str) -> str | None:
        user = self.accounts.user(name)
        return user.name if user else None

    def may_manage(self, user: str) -> bool:
        return bool({ADMINISTRATORS, REMOTE_MANAGEMENT} & set(self.accounts.groups_of(user)))

    def wmi(self, namespace: str) -> Any:
        """Return a WMI namespace of the Hyper-V model."""
        return self.model.namespace(namespace)
