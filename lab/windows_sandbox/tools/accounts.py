# SPDX-License-Identifier: Apache-2.0
"""whoami, net (user, localgroup, start, stop)."""

import re

from lab.windows_sandbox import command_line as lines
from lab.windows_sandbox.environment import is_system, sid
from lab.windows_sandbox.errors import Win32Error
from lab.windows_sandbox.processes import Completed
from lab.windows_sandbox.session import Session
from lab.windows_sandbox.token import PRIVILEGES, privileges, token_groups
from lab.windows_sandbox.tools.reply import arguments, done, failed

_DONE = "The command completed successfully.\n\n"
_RULE = "-" * 79 + "\n"

# NERR and ERROR_ numbers that net names (documented: NET HELPMSG).
_MESSAGES = {
    1376: "The specified local group does not exist.",
    1377: "The specified account name is not a member of the group.",
    1378: "The specified account name is already a member of the group.",
    1379: "The specified local group already exists.",
    2185: "The service name is invalid.",
    2221: "The user name could not be found.",
    2224: "The account already exists.",
}


def full_name(session: Session, user: str) -> str:
    return r"nt authority\system" if is_system(user) else f"{session.host.computer_name}\\{user}".lower()


def whoami(session: Session, text: str, stdin: bytes) -> Completed:
    switches, rest = arguments(text)
    asked = [name for name in ("user", "groups", "priv") if name in switches or "all" in switches]
    layout = rest.pop(0).lower() if "fo" in switches and rest else "table"
    known = {"user", "groups", "priv", "all", "fo", "nh"}
    bad = set(switches) - known or rest or layout not in _LAYOUTS or ("nh" in switches and layout == "list")
    if bad or (len(asked) > 1) != ("all" in switches) or (switches and not asked):
        return failed(
            1, f"ERROR: Invalid argument/option - '{text.strip()}'.\nType \"WHOAMI /?\" for usage.\n"
        )
    if not asked:
        return done(full_name(session, session.user) + "\n")
    output = ""
    for name in asked:
        title, rows = _INFORMATION[name](session)
        head = f"\n{title} INFORMATION\n{'-' * len(title + ' INFORMATION')}\n\n"
        output += ("" if layout == "csv" else head) + _LAYOUTS[layout](rows, "nh" not in switches)
    return done(output)


def _user_information(session: Session):
    return "USER", [("User Name", "SID"), (full_name(session, session.user), sid(session.user))]


def _group_information(session: Session):
    attributes = "Mandatory group, Enabled by default, Enabled group"
    return "GROUP", [
        ("Group Name", "Type", "SID", "Attributes"),
        *(
            (
                "\\".join(filter(None, (group.domain, group.name))),
                _TYPES[group.type],
                group.sid,
                attributes if group.type != "Label" else "",
            )
            for group in token_groups(session)
        ),
    ]


def _privilege_information(session: Session):
    return "PRIVILEGES", [
        ("Privilege Name", "Description", "State"),
        *(
            (name, PRIVILEGES[name], "Disabled" if state == "disabled" else "Enabled")
            for name, state in privileges(session).items()
        ),
    ]


_TYPES = {"WellKnownGroup": "Well-known group", "Alias": "Alias", "Label": "Label"}
_INFORMATION = {"user": _user_information, "groups": _group_information, "priv": _privilege_information}


def _csv(rows: list[tuple[str, ...]], head: bool) -> str:
    return "".join(",".join(f'"{cell}"' for cell in row) + "\n" for row in rows[not head :])


def _list(rows: list[tuple[str, ...]], head: bool) -> str:
    width = max(map(len, rows[0])) + 2
    return "\n".join(
        "".join(f"{name + ':':<{width}}{cell}\n" for name, cell in zip(rows[0], row, strict=True))
        for row in rows[1:]
    )


def _columns(rows: list[tuple[str, ...]], head: bool) -> str:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    titles, *body = (
        " ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows
    )
    lines_ = (titles, " ".join("=" * width for width in widths), *body)
    return "".join(line.rstrip() + "\n" for line in lines_[0 if head else 2 :])


_LAYOUTS = {"table": _columns, "csv": _csv, "list": _list}


def _error(number: int) -> Completed:
    return failed(2, f"{_MESSAGES[number]}\n\nMore help is available by typing NET HELPMSG {number}.\n\n")


def net(session: Session, text: str, stdin: bytes) -> Completed:
    words = lines.split(text)
    command = words[0].lower() if words else ""
    # A switch may be cut short (documented: net); what stands after a colon is its value.
    switches = {
        _switch(name) + colon + value
        for name, colon, value in (word.partition(":") for word in words[1:] if word.startswith("/"))
    }
    rest = [word for word in words[1:] if not word.startswith("/")]
    act = {"user": _user, "localgroup": _localgroup, "start": _start, "stop": _stop}.get(command)
    if act is None:
        return failed(1, "The syntax of this command is:\n\nNET\n    [ LOCALGROUP | START | STOP | USER ]\n")
    return act(session, rest, switches)


def _switch(name: str) -> str:
    known = ("/add", "/delete", "/active", "/comment", "/fullname", "/expires", "/passwordchg")
    return next((each for each in known if len(name) > 3 and each.startswith(name.lower())), name.lower())


def _user(session: Session, rest: list[str], switches: set[str]) -> Completed:
    accounts = session.host.accounts
    if not rest and not switches:
        names = [user.name for user in accounts.users()]
        rows = (names[at : at + 3] for at in range(0, len(names), 3))
        table = "".join("".join(name.ljust(25) for name in row).rstrip() + "\n" for row in rows)
        return done(f"\nUser accounts for \\\\{session.host.computer_name}\n\n{_RULE}{table}{_DONE}")
    known = ("/add", "/delete", r"/active:(?i:yes|no)", "/comment:.*", "/fullname:.*", r"/expires:(?i:never)")
    # No one is there to type the password that * asks for.
    if not rest or rest[1:] == ["*"] or unknown(switches, *known, r"/passwordchg:(?i:yes|no)"):
        return failed(
            1,
            "The syntax of this command is:\n\nNET USER\n[username [password]] [/ADD] [/DELETE] [/ACTIVE:"
            '{YES | NO}]\n[/COMMENT:"text"] [/EXPIRES:NEVER] [/FULLNAME:"name"] [/PASSWORDCHG:{YES | NO}]\n',
        )
    fields = _fields(switches)
    name, user = rest[0], accounts.user(rest[0])
    if "/add" in switches:
        if user:
            return _error(2224)
        accounts.create_user(name, rest[1] if len(rest) > 1 else "")
        accounts.add_member("Users", name)
        accounts.change_user(name, **fields)
        return done(_DONE)
    if user is None:
        return _error(2221)
    if "/delete" in switches:
        accounts.delete_user(user.name)
        return done(_DONE)
    if len(rest) == 1 and not switches:
        return done(_described(session, user.name))
    if len(rest) > 1:
        fields["password"] = rest[1]
    accounts.change_user(user.name, **fields)
    return done(_DONE)


def _fields(switches: set[str]) -> dict[str, object]:
    """Return what the switches of net user set."""
    given = {name: value for name, _, value in (switch.partition(":") for switch in switches)}
    fields: dict[str, object] = {}
    if "/active" in given:
        fields["disabled"] = given["/active"].lower() == "no"
    if "/passwordchg" in given:
        fields["may_not_change_password"] = given["/passwordchg"].lower() == "no"
    for switch, field in (("/comment", "description"), ("/fullname", "full_name")):
        if switch in given:
            fields[field] = given[switch]
    return fields


def _described(session: Session, name: str) -> str:
    user = session.host.accounts.user(name)
    groups = "".join(f"*{group}".ljust(21) for group in session.host.accounts.groups_of(name))
    fields = (
        ("User name", user.name),
        ("Full Name", user.full_name),
        ("Comment", user.description),
        ("Account active", "No" if user.disabled else "Yes"),
        ("Local Group Memberships", groups),
    )
    return "".join(f"{title:<29}{value}".rstrip() + "\n" for title, value in fields) + _DONE


def unknown(switches: set[str], *known: str) -> bool:
    return any(not re.fullmatch("|".join(known), switch) for switch in switches)


def _localgroup(session: Session, rest: list[str], switches: set[str]) -> Completed:
    accounts = session.host.accounts
    if not rest and not switches:
        table = "".join(f"*{group.name}\n" for group in accounts.groups())
        return done(f"\nAliases for \\\\{session.host.computer_name}\n\n{_RULE}{table}{_DONE}")
    if not rest or unknown(switches, "/add", "/delete"):
        return failed(
            1, "The syntax of this command is:\n\nNET LOCALGROUP\n[groupname [name]] [/ADD] [/DELETE]\n"
        )
    group = accounts.group(rest[0])
    if len(rest) == 1 and "/add" in switches:
        if group:
            return _error(1379)
        accounts.create_group(rest[0])
        return done(_DONE)
    if group is None:
        return _error(1376)
    if len(rest) == 1:
        if "/delete" in switches:
            accounts.delete_group(group.name)
            return done(_DONE)
        members = "".join(member + "\n" for member in group.members)
        head = f"Alias name     {group.name}\nComment        {group.description}\n\nMembers\n\n"
        return done(head + _RULE + members + _DONE)
    for name in rest[1:]:
        user = accounts.user(name)
        if user is None:
            return _error(2221)
        present = user.name in group.members
        if present == ("/add" in switches):
            return _error(1378 if present else 1377)
        accounts.add_member(group.name, user.name) if "/add" in switches else accounts.remove_member(
            group.name, user.name
        )
    return done(_DONE)


def _start(session: Session, rest: list[str], switches: set[str]) -> Completed:
    controller = session.host.services
    if not rest:
        names = (controller.installed.read(name) for name in controller.installed.names())
        running = sorted(
            each.display_name for each in names if controller.query(each.name).state == "running"
        )
        table = "".join(f"   {name}\n" for name in running)
        return done(f"These Windows services are started:\n\n{table}\n{_DONE}")
    return _control(session, " ".join(rest), "started", controller.start)


def _stop(session: Session, rest: list[str], switches: set[str]) -> Completed:
    return _control(session, " ".join(rest), "stopped", session.host.services.stop)


def _control(session: Session, name: str, participle: str, act) -> Completed:
    found = session.host.services.installed.find(name)
    if found is None:
        return _error(2185)
    title = session.host.services.installed.read(found).display_name
    try:
        act(found)
    except Win32Error as error:
        return failed(
            2,
            f"The {title} service could not be {participle}.\n\n"
            f"System error {error.code} has occurred.\n\n{error.text}.\n\n",
        )
    return done(f"The {title} service was {participle} successfully.\n\n")
