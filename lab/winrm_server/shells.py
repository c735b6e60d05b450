# SPDX-License-Identifier: Apache-2.0
"""Windows Remote Shells (MS-WSMV: Create, Command, Send, Receive, Signal, Delete) on the host's processes."""

import base64
import codecs
import threading
import time
import uuid
from dataclasses import dataclass, field

from lab.winrm_server import faults
from lab.winrm_server.faults import Fault
from lab.winrm_server.host import CommandRefused, Host, Process
from lab.winrm_server.protocol import ANONYMOUS, SHELL, TRANSFER, Request, element, seconds, text

RESOURCE_URI = SHELL + "/cmd"
TERMINATE = SHELL + "/signal/terminate"
CTRL_C = SHELL + "/signal/ctrl_c"

# winrm/config/winrs as Windows Server 2022 ships it.
MAX_SHELLS_PER_USER = 30
MAX_PROCESSES_PER_SHELL = 25
IDLE_TIMEOUT = 7200.0

# cmd.exe's limit (KB 830473); WinRS runs a command through cmd unless it is told to skip it.
MAX_COMMAND_LINE = 8191

# Without the option it is the server's own (documented: MS-WSMV), which in the United States is this.
DEFAULT_CODE_PAGE = 437

# Seconds between two looks at which shells are idle.
_REAP_INTERVAL = 0.5

# A Receive's answer has to fit the client's envelope, in base64 and with the headers around it.
_ENVELOPE_OVERHEAD = 4096


@dataclass
class _Command:
    process: Process
    stdin_open: bool
    reading: threading.Lock = field(default_factory=threading.Lock)
    pending: dict[str, bytes] = field(default_factory=lambda: {"stdout": b"", "stderr": b""})
    exit_code: int | None = None
    terminated: bool = False

    def take(self, room: int) -> dict[str, bytes]:
        """Remove and return up to `room` bytes of what was read, standard output first."""
        taken = {}
        for name, data in self.pending.items():
            taken[name], self.pending[name] = data[:room], data[room:]
            room -= len(taken[name])
        return taken


@dataclass
class _Shell:
    owner: str
    working_directory: str | None
    environment: dict[str, str]
    idle_timeout: float
    code_page: int
    used: float = field(default_factory=time.monotonic)
    commands: dict[str, _Command] = field(default_factory=dict)

    def is_idle(self) -> bool:
        """Say whether nothing was asked of it for longer than it lives; a Receive that waits asks."""
        receiving = any(command.reading.locked() for command in self.commands.values())
        return not receiving and time.monotonic() - self.used > self.idle_timeout


class Shells:
    """The shells that are open on one host. Every operation takes a request and its user, and returns the
    answer's body; it raises Fault. Safe to call from many threads."""

    def __init__(self, host: Host):
        self._host = host
        self._shells: dict[str, _Shell] = {}
        self._lock = threading.Lock()
        self._closed = threading.Event()
        self._operations = {
            TRANSFER + "/Create": self._create,
            TRANSFER + "/Delete": self._delete,
            SHELL + "/Command": self._command,
            SHELL + "/Send": self._send,
            SHELL + "/Receive": self._receive,
            SHELL + "/Signal": self._signal,
        }
        threading.Thread(target=self._reap, name="shell-reaper", daemon=True).start()

    def answer(self, request: Request, user: str) -> str:
        """Serve a request for RESOURCE_URI."""
        operation = self._operations.get(request.action)
        if operation is None:
            raise Fault(faults.ACTION_NOT_SUPPORTED, f"A shell has no action {request.action}.")
        return operation(request, user)

    def close(self) -> None:
        """End every command and forget every shell, as a stop of the service does."""
        self._closed.set()
        with self._lock:
            shells, self._shells = list(self._shells.values()), {}
        for shell in shells:
            _terminate(list(shell.commands.values()))

    def _reap(self) -> None:
        """End idle shells with all that runs in them (documented: IdleTimeout of winrm/config/winrs)."""
        while not self._closed.wait(_REAP_INTERVAL):
            with self._lock:
                idle = [shell_id for shell_id, shell in self._shells.items() if shell.is_idle()]
                shells = [self._shells.pop(shell_id) for shell_id in idle]
            for shell in shells:
                _terminate(list(shell.commands.values()))

    def _create(self, request: Request, user: str) -> str:
        body = request.child(f"{{{SHELL}}}Shell")
        shell = _Shell(
            owner=user,
            working_directory=body.findtext(f"{{{SHELL}}}WorkingDirectory"),
            environment={
                variable.get("Name", ""): variable.text or ""
                for variable in body.iter(f"{{{SHELL}}}Variable")
            },
            idle_timeout=min(
                seconds("IdleTimeOut", body.findtext(f"{{{SHELL}}}IdleTimeOut"), IDLE_TIMEOUT), IDLE_TIMEOUT
            ),
            code_page=_code_page(request),
        )
        # Whether the profile is loaded shows nowhere: it is there, and so are the user's variables.
        _option(request, "WINRS_NOPROFILE", default=False)
        shell_id = str(uuid.uuid4()).upper()
        with self._lock:
            if sum(other.owner == user for other in self._shells.values()) >= MAX_SHELLS_PER_USER:
                raise Fault(
                    faults.QUOTA_MAX_SHELLS,
                    "This user is allowed a maximum number of "
                    f"{MAX_SHELLS_PER_USER} concurrent shells, which has been exceeded.",
                )
            self._shells[shell_id] = shell
        selectors = element("w:SelectorSet", text("w:Selector", shell_id, Name="ShellId"))
        parameters = element("a:ReferenceParameters", text("w:ResourceURI", RESOURCE_URI) + selectors)
        created = element("x:ResourceCreated", text("a:Address", ANONYMOUS) + parameters)
        return created + element(
            "rsp:Shell",
            "".join(
                [
                    text("rsp:ShellId", shell_id),
                    text("rsp:ResourceUri", RESOURCE_URI),
                    text("rsp:Owner", user),
                    text("rsp:IdleTimeOut", f"PT{shell.idle_timeout:.3f}S"),
                    text("rsp:InputStreams", "stdin"),
                    text("rsp:OutputStreams", "stdout stderr"),
                ]
            ),
        )

    def _delete(self, request: Request, user: str) -> str:
        shell = self._shell(request, user)
        with self._lock:
            self._shells.pop(request.selectors["ShellId"], None)
        _terminate(list(shell.commands.values()))
        return ""

    def _command(self, request: Request, user: str) -> str:
        shell = self._shell(request, user)
        if len(shell.commands) >= MAX_PROCESSES_PER_SHELL:
            raise _quota(
                f"This shell is allowed a maximum number of {MAX_PROCESSES_PER_SHELL} concurrent "
                "commands, which has been exceeded."
            )
        body = request.child(f"{{{SHELL}}}CommandLine")
        words = [body.findtext(f"{{{SHELL}}}Command") or ""]
        if not words[0].strip():
            raise Fault(faults.INVALID_PARAMETER)
        words += [argument.text or "" for argument in body.findall(f"{{{SHELL}}}Arguments")]
        console_stdin = _option(request, "WINRS_CONSOLEMODE_STDIN", default=True)
        skip_cmd = _option(request, "WINRS_SKIP_CMD_SHELL", default=False)
        command = _Command(self._start(shell, " ".join(words), console_stdin, skip_cmd), not console_stdin)
        command_id = str(uuid.uuid4()).upper()
        with self._lock:
            gone = request.selectors["ShellId"] not in self._shells
            if not gone:
                shell.commands[command_id] = command
        if gone:
            _terminate([command])
            raise Fault(faults.ABORTED)
        return element("rsp:CommandResponse", text("rsp:CommandId", command_id))

    def _start(self, shell: _Shell, command_line: str, console_stdin: bool, skip_cmd: bool) -> Process:
        if len(command_line) > MAX_COMMAND_LINE and not skip_cmd:
            return _Ended(b"The command line is too long.\r\n", 1)
        try:
            return self._host.open_process(
                command_line,
                user=shell.owner,
                working_directory=shell.working_directory,
                environment=shell.environment,
                console_stdin=console_stdin,
                through_cmd=not skip_cmd,
                code_page=shell.code_page,
            )
        except CommandRefused as refusal:
            kind = faults.NOT_IMPLEMENTED
            if refusal.code is not None:
                kind = kind._replace(code=refusal.code)
            raise Fault(kind, str(refusal)) from refusal

    def _send(self, request: Request, user: str) -> str:
        for stream in request.child(f"{{{SHELL}}}Send").findall(f"{{{SHELL}}}Stream"):
            _, command = self._running(request, user, stream.get("CommandId"))
            if not command.stdin_open:
                raise Fault(
                    faults.PIPE_CLOSING,
                    "This command takes no input: it has ended, or none was "
                    "announced (WINRS_CONSOLEMODE_STDIN is TRUE).",
                )
            try:
                data = base64.b64decode(stream.text or "", validate=True)
            except ValueError as error:
                raise Fault(faults.SCHEMA_VALIDATION, f"A stream is not base64: {error}.") from error
            try:
                command.process.write(data)
            except BrokenPipeError as error:
                raise Fault(faults.PIPE_CLOSING) from error
            if stream.get("End", "").lower() in ("true", "1"):
                command.stdin_open = False
                command.process.close_stdin()
        return element("rsp:SendResponse")

    def _receive(self, request: Request, user: str) -> str:
        command_id, command = self._running(
            request, user, request.child(f"{{{SHELL}}}Receive/{{{SHELL}}}DesiredStream").get("CommandId")
        )
        with command.reading:
            if command.exit_code is None and not any(command.pending.values()):
                stdout, stderr, command.exit_code = command.process.read(request.operation_timeout)
                command.pending["stdout"] += stdout
                command.pending["stderr"] += stderr
            if command.terminated:
                raise Fault(faults.ABORTED)
            self._shell(request, user)
            streams = command.take((request.max_envelope_size - _ENVELOPE_OVERHEAD) // 4 * 3)
            done = command.exit_code is not None and not any(command.pending.values())
        if not done and not any(streams.values()):
            raise Fault(faults.TIMED_OUT)
        parts = [
            text("rsp:Stream", base64.b64encode(data).decode(), Name=name, CommandId=command_id)
            for name, data in streams.items()
            if data
        ]
        if done:
            parts += [element("rsp:Stream", Name=name, CommandId=command_id, End="true") for name in streams]
        state = f"{SHELL}/CommandState/{'Done' if done else 'Running'}"
        exit_code = text("rsp:ExitCode", str(command.exit_code)) if done else ""
        parts.append(element("rsp:CommandState", exit_code, CommandId=command_id, State=state))
        return element("rsp:ReceiveResponse", "".join(parts))

    def _signal(self, request: Request, user: str) -> str:
        body = request.child(f"{{{SHELL}}}Signal")
        code = (body.findtext(f"{{{SHELL}}}Code") or "").strip()
        if code not in (TERMINATE, CTRL_C):
            raise Fault(
                faults.NOT_IMPLEMENTED,
                f"The signal {code!r} is not served; expected {TERMINATE} or {CTRL_C}.",
            )
        command_id, command = self._running(request, user, body.get("CommandId"))
        if code == TERMINATE:
            shell = self._shell(request, user)
            with self._lock:
                shell.commands.pop(command_id, None)
            _terminate([command])
        else:
            command.process.terminate()
        return element("rsp:SignalResponse")

    def _shell(self, request: Request, user: str) -> _Shell:
        shell_id = request.selectors.get("ShellId", "")
        with self._lock:
            shell = self._shells.get(shell_id)
            if shell:
                shell.used = time.monotonic()
        if shell is None or shell.owner != user:
            raise Fault(
                faults.INVALID_SELECTORS,
                "The request for the Windows Remote Shell with ShellId "
                f"{shell_id} failed because the shell was not found on the server.",
            )
        return shell

    def _running(self, request: Request, user: str, command_id: str | None) -> tuple[str, _Command]:
        shell = self._shell(request, user)
        with self._lock:
            command = shell.commands.get(command_id or "")
        if command is None:
            raise Fault(
                faults.INVALID_SELECTORS,
                "The Windows Remote Shell received a request to perform an "
                f"operation on a command identifier that does not exist: {command_id}.",
            )
        return command_id, command


class _Ended:
    """What cmd.exe answers by itself, as a process that has ended."""

    def __init__(self, stderr: bytes, exit_code: int):
        self._answer = (b"", stderr, exit_code)

    def write(self, data: bytes) -> None:
        raise BrokenPipeError

    def close_stdin(self) -> None:
        pass

    def read(self, timeout: float) -> tuple[bytes, bytes, int | None]:
        return self._answer

    def terminate(self) -> None:
        pass


def _terminate(commands: list[_Command]) -> None:
    for command in commands:
        command.terminated = True
        command.process.terminate()


def _option(request: Request, name: str, default: bool) -> bool:
    value = request.options.get(name)
    if value is None:
        return default
    if value.upper() not in ("TRUE", "FALSE", "1", "0"):
        raise Fault(faults.INVALID_HEADER, f"The option {name} is {value!r}; expected TRUE or FALSE.")
    return value.upper() in ("TRUE", "1")


def _code_page(request: Request) -> int:
    """Return the code page of a shell's console (documented: MS-WSMV, WINRS_CODEPAGE), in which text comes
    (recorded: "café" in 437, by users of pywinrm in its pull request 271).
    """
    asked = request.options.get("WINRS_CODEPAGE", str(DEFAULT_CODE_PAGE)).strip()
    try:
        codecs.lookup(f"cp{int(asked)}")
    except (LookupError, ValueError) as error:
        raise Fault(
            faults.INVALID_PARAMETER,
            f"WINRS_CODEPAGE is {asked!r}; expected the number of a code page, such as 437 or 65001.",
        ) from error
    return int(asked)


def _quota(message: str) -> Fault:
    """A quota's fault with an MSFT_WmiError as its detail: it tells Ansible that a new shell helps."""
    code = faults.QUOTA_MAX_OPERATIONS.code
    cim = "http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/MSFT_WmiError"
    detail = (
        f'<e:MSFT_WmiError xmlns:e="{cim}"><e:CIMStatusCode>27</e:CIMStatusCode>'
        f"<e:MessageID>HRESULT {code:#x}</e:MessageID><e:error_Code>{code}</e:error_Code>"
        "<e:error_Type>HRESULT</e:error_Type></e:MSFT_WmiError>"
    )
    return Fault(faults.QUOTA_MAX_OPERATIONS, message, detail=detail)
