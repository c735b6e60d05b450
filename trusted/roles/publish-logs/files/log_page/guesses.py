# SPDX-License-Identifier: Apache-2.0
"""What a simulated host did in a run without anyone knowing whether Windows does.

No result should hang on it. The host says it in its event log, once each, and what would have to be recorded.
"""

import re

from .cause import EVENT_LOG, TAIL
from .folder import Unreadable
from .host import HOSTS

# As lab/guesses.py and export-event-log.ps1 write it.
EVENT = re.compile(r"^\S+ \S+ Warning +\S+ Simulated-Host-Guesses 1: (?P<message>.+)$", re.MULTILINE)


def read(folder):
    """Return the guesses that the hosts of a run came to, a line each."""
    found = {}
    for host in HOSTS:
        try:
            text = folder.tail(host, EVENT_LOG, most=TAIL)
        except Unreadable:
            continue
        found |= dict.fromkeys(match["message"] for match in EVENT.finditer(text))
    return list(found)
