# SPDX-License-Identifier: Apache-2.0
"""Counterpart of roles/windows-logs/files/export-event-log.ps1."""

import re
from typing import Any

from lab.windows_sandbox.scripts.ansible_variable import AnsibleVariable, ScriptFailed
from lab.windows_sandbox.session import Session


def export(
    session: Session, ansible: AnsibleVariable, *, logname: list[str], newest: int, path: str
) -> list[Any]:
    """Write the newest events of some logs as text, one event a line, oldest first, in UTC."""
    events = []
    for name in logname:
        try:
            events += session.host.event_log.newest(name, newest)
        except KeyError:
            raise ScriptFailed(
                f"There is not an event log on the {session.host.computer_name} computer that matches"
                f' "{name}".'
            ) from None
    lines = [
        f"{event.created:%Y-%m-%d %H:%M:%S}.{event.created.microsecond // 1000:03} {event.level:<11}"
        f" {event.log} {event.provider} {event.id}: " + re.sub(r"\s+", " ", event.message)
        for event in sorted(events, key=lambda event: event.time)
    ]
    session.writable(path).write_text("".join(line + "\r\n" for line in lines), newline="")
    ansible.result = {"path": path, "events": len(lines)}
    return []
