# SPDX-License-Identifier: Apache-2.0
"""sc: the service control manager's own command line."""

from lab.windows_sandbox import command_line as lines
from lab.windows_sandbox import errors
from lab.windows_sandbox.errors import Win32Error
from lab.windows_sandbox.processes import Completed
from lab.windows_sandbox.services.configuration import ERROR_CONTROLS, Configuration
from lab.windows_sandbox.services.controller import Running
from lab.windows_sandbox.session import Session
from lab.windows_sandbox.tools.reply import done, failed

_STATES = {"stopped": 1, "start_pending": 2, "stop_pending": 3, "running": 4}
_MODES = {"boot": 0, "system": 1, "auto": 2, "delayed": 2, "manual": 3, "disabled": 4}
_NAMES = {0: "BOOT_START", 1: "SYSTEM_START", 2: "AUTO_START", 3: "DEMAND_START", 4: "DISABLED"}
_TYPES = {
    "win32_own_process": (0x10, "WIN32_OWN_PROCESS"),
    "win32_share_process": (0x20, "WIN32_SHARE_PROCESS"),
}

# sc's words for what a service's configuration holds, and how they become its fields.
_START = {"auto": "auto", "demand": "manual", "disabled": "disabled", "delayed-auto": "delayed"}
_FIELDS = {
    "binpath=": "path",
    "displayname=": "display_name",
    "group=": "load_order_group",
}
_ERROR_CONTROL = {name: f"{number}   {name.upper()}" for number, name in enumerate(ERROR_CONTROLS)}
_ACTIONS = {"": "none", "restart": "restart", "run": "run_command"}
_ACTION_NAMES = {"restart": "RESTART", "run_command": "RUN PROCESS", "reboot": "REBOOT", "none": "NONE"}

_VERBS = {
    "query": "OpenService",
    "start": "StartService",
    "stop": "ControlService",
    "delete": "DeleteService",
}


def sc(session: Session, text: str, stdin: bytes) -> Completed:
    words = lines.split(text)
    command, rest = words[0].lower() if words else "", words[1:]
    act = _COMMANDS.get(command)
    if act is None:
        return failed(1, f"\n*** Unrecognized Command ***\n{command}\n", on_stdout=True)
    try:
        return act(session, rest)
    except Win32Error as error:
        return _error(_VERBS.get(command, "OpenService"), error)


def _error(function: str, error: Win32Error) -> Completed:
    name = "OpenService" if error.code == errors.SERVICE_DOES_NOT_EXIST else function
    return failed(error.code, f"[SC] {name} FAILED {error.code}:\n\n{error.text}.\n\n", on_stdout=True)


def _find(session: Session, name: str) -> Configuration:
    installed = session.host.services.installed
    found = installed.find(name)
    if found is None or found.lower() != name.lower():
        raise Win32Error(errors.SERVICE_DOES_NOT_EXIST, name)
    return installed.read(found)


def _status(service: Configuration, running: Running, *, more: bool = False, title: str = "") -> str:
    number, kind = _TYPES[service.service_type]
    state = running.state
    controls = "STOPPABLE" if "stop" in running.controls else "NOT_STOPPABLE"
    text = f"\nSERVICE_NAME: {service.name} \n{title}"
    text += f"        TYPE               : {number:x}  {kind}  \n"
    text += f"        STATE              : {_STATES[state]}  {state.upper()} \n"
    text += f"                                ({controls}, NOT_PAUSABLE, IGNORES_SHUTDOWN)\n"
    text += f"        WIN32_EXIT_CODE    : {running.exit_code}  (0x{running.exit_code:x})\n"
    text += f"        SERVICE_EXIT_CODE  : {running.service_exit_code}  (0x{running.service_exit_code:x})\n"
    text += f"        CHECKPOINT         : 0x{running.checkpoint:x}\n"
    text += f"        WAIT_HINT          : 0x{running.wait_hint:x}\n"
    if more:
        text += f"        PID                : {running.process_id}\n"
        text += "        FLAGS              : \n"
    return text


def _query(session: Session, rest: list[str], *, more: bool = False) -> Completed:
    controller = session.host.services
    if rest and not rest[0].endswith("="):
        service = _find(session, rest[0])
        return done(_status(service, controller.query(service.name), more=more))
    chosen = {name.lower(): value.lower() for name, value in zip(rest[::2], rest[1::2], strict=False)}
    known = {"state=": ("active", "inactive", "all"), "type=": ("service", "driver", "all")}
    if len(rest) % 2 or any(value not in known.get(name, ()) for name, value in chosen.items()):
        return failed(1, f"\n*** Unrecognized Command ***\n{' '.join(rest)}\n", on_stdout=True)
    wanted = chosen.get("state=", "active")
    text = ""
    # This host has no drivers.
    for service, running in controller.all() if chosen.get("type=") != "driver" else []:
        if wanted == "all" or (running.state == "stopped") == (wanted == "inactive"):
            text += _status(service, running, more=more, title=f"DISPLAY_NAME: {service.display_name}\n")
    return done(text)


def _qc(session: Session, rest: list[str]) -> Completed:
    service = _find(session, rest[0] if rest else "")
    number, kind = _TYPES[service.service_type]
    mode = _MODES[service.start_mode]
    lines_ = [
        "[SC] QueryServiceConfig SUCCESS",
        "",
        f"SERVICE_NAME: {service.name}",
        f"        TYPE               : {number:x}  {kind} ",
        f"        START_TYPE         : {mode}   {_NAMES[mode]}"
        + ("  (DELAYED)" if service.start_mode == "delayed" else ""),
        f"        ERROR_CONTROL      : {_ERROR_CONTROL[service.error_control]}",
        f"        BINARY_PATH_NAME   : {service.path}  ",
        f"        LOAD_ORDER_GROUP   : {service.load_order_group}  ",
        "        TAG                : 0  ",
        f"        DISPLAY_NAME       : {service.display_name}  ",
        f"        DEPENDENCIES       : {'/'.join(service.dependencies)}  ",
        f"        SERVICE_START_NAME : {service.account}  ",
    ]
    return done("".join(line + "\n" for line in lines_))


def _pairs(session: Session, words: list[str]) -> tuple[dict[str, object], str | None]:
    """Return a configuration's fields and the account's password from sc's `name= value` words; Win32Error
    for others.
    """
    fields: dict[str, object] = {}
    password = None
    for name, value in zip(words[::2], words[1::2], strict=False):
        if name.lower() == "start=" and value.lower() in _START:
            fields["start_mode"] = _START[value.lower()]
        elif name.lower() == "error=" and value.lower() in ERROR_CONTROLS:
            fields["error_control"] = value.lower()
        elif name.lower() == "type=" and value.lower() in ("own", "share"):
            fields["service_type"] = f"win32_{value.lower()}_process"
        elif name.lower() == "obj=":
            fields["account"] = session.host.services.accounts.account(value)
        elif name.lower() == "password=":
            password = value
        elif name.lower() == "depend=":
            fields["dependencies"] = tuple(part for part in value.split("/") if part)
        elif name.lower() in _FIELDS:
            fields[_FIELDS[name.lower()]] = value
        else:
            raise Win32Error(errors.INVALID_PARAMETER, f"{name} {value}")
    if len(words) % 2:
        raise Win32Error(errors.INVALID_PARAMETER, words[-1])
    return fields, password


def _create(session: Session, rest: list[str]) -> Completed:
    if not rest:
        return failed(
            1639, "\nDESCRIPTION:\n        Creates a service entry in the registry.\n", on_stdout=True
        )
    try:
        given, password = _pairs(session, rest[1:])
        fields = {"start_mode": "manual", "display_name": rest[0], **given}
        if "path" not in fields:
            raise Win32Error(errors.INVALID_PARAMETER, "binPath=")
        session.host.services.create(Configuration(name=rest[0], **fields))
        if password:
            session.host.services.accounts.set_password(rest[0], password)
    except Win32Error as error:
        return _error("CreateService", error)
    return done("[SC] CreateService SUCCESS\n")


def _config(session: Session, rest: list[str]) -> Completed:
    service = _find(session, rest[0] if rest else "")
    fields, password = _pairs(session, rest[1:])
    session.host.services.installed.write(service.changed(**fields))
    if password:
        session.host.services.accounts.set_password(service.name, password)
    return done("[SC] ChangeServiceConfig SUCCESS\n")


def _description(session: Session, rest: list[str]) -> Completed:
    service = _find(session, rest[0] if rest else "")
    session.host.services.installed.write(service.changed(description=" ".join(rest[1:]) or None))
    return done("[SC] ChangeServiceConfig2 SUCCESS\n")


def _qdescription(session: Session, rest: list[str]) -> Completed:
    service = _find(session, rest[0] if rest else "")
    return done(
        "[SC] QueryServiceConfig2 SUCCESS\n\n"
        f"SERVICE_NAME: {service.name}\nDESCRIPTION:  {service.description or ''}\n"
    )


def _failure(session: Session, rest: list[str]) -> Completed:
    """Set the recovery actions; what stands empty is nothing (documented: sc failure)."""
    service = _find(session, rest[0] if rest else "")
    given = {name.lower(): value for name, value in zip(rest[1::2], rest[2::2], strict=False)}
    fields: dict[str, object] = {}
    # The two go together (documented).
    if len(rest) % 2 == 0 or ("reset=" in given) != ("actions=" in given):
        raise Win32Error(errors.INVALID_PARAMETER, " ".join(rest[1:]))
    for name, value in given.items():
        if name == "reset=" and value.isdigit():
            fields["failure_reset_period"] = int(value)
        elif name == "actions=":
            fields["failure_actions"] = _actions(value)
        elif name == "command=":
            fields["failure_command"] = value or None
        else:
            raise Win32Error(errors.INVALID_PARAMETER, f"{name} {value}")
    session.host.services.installed.write(service.changed(**fields))
    return done("[SC] ChangeServiceConfig2 SUCCESS\n")


def _actions(text: str) -> tuple[tuple[str, int], ...]:
    parts = text.split("/") if text else []
    pairs = list(zip(parts[::2], parts[1::2], strict=False))
    if len(parts) % 2 or any(
        kind.lower() not in _ACTIONS or not (delay or "0").isdigit() for kind, delay in pairs
    ):
        raise Win32Error(errors.INVALID_PARAMETER, f"actions= {text}")
    return tuple((_ACTIONS[kind.lower()], int(delay or 0)) for kind, delay in pairs)


def _qfailure(session: Session, rest: list[str]) -> Completed:
    service = _find(session, rest[0] if rest else "")
    fields = [
        ("RESET_PERIOD (in seconds)", service.failure_reset_period),
        ("REBOOT_MESSAGE", service.failure_reboot_message or ""),
        ("COMMAND_LINE", service.failure_command or ""),
    ]
    text = "".join(f"        {name:<29}: {value}\n" for name, value in fields)
    title = f"        {'FAILURE_ACTIONS':<29}: "
    for kind, delay in service.failure_actions:
        text += f"{title}{_ACTION_NAMES[kind]} -- Delay = {delay} milliseconds.\n"
        title = " " * len(title)
    return done(f"[SC] QueryServiceConfig2 SUCCESS\n\nSERVICE_NAME: {service.name}\n{text}")


def _start(session: Session, rest: list[str]) -> Completed:
    service = _find(session, rest[0] if rest else "")
    session.host.services.start(service.name)
    return done(_status(service, session.host.services.query(service.name), more=True))


def _stop(session: Session, rest: list[str]) -> Completed:
    service = _find(session, rest[0] if rest else "")
    session.host.services.stop(service.name)
    return done(_status(service, session.host.services.query(service.name)))


def _delete(session: Session, rest: list[str]) -> Completed:
    service = _find(session, rest[0] if rest else "")
    session.host.services.delete(service.name)
    return done("[SC] DeleteService SUCCESS\n")


_COMMANDS = {
    "config": _config,
    "create": _create,
    "delete": _delete,
    "description": _description,
    "failure": _failure,
    "qc": _qc,
    "qdescription": _qdescription,
    "qfailure": _qfailure,
    "query": _query,
    "queryex": lambda session, rest: _query(session, rest, more=True),
    "start": _start,
    "stop": _stop,
}
