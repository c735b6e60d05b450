# SPDX-License-Identifier: Apache-2.0
"""What the run left on the Hyper-V hosts: their inventories before and after, a thing a line."""

from .folder import Unreadable

# The folders of the Windows hosts among the logs: as the nodes are called in the jobs' nodesets.
HOSTS = ("hyperv", "hyperv-2")
INVENTORIES = ("inventory-before.txt", "inventory-after.txt")
MOST = 1_000_000
MOST_SHOWN = 40


def difference(folder):
    """Return the lines that came (+) and went (-); None if one of the inventories cannot be read."""
    found = {host: [_lines(folder, host, name) for name in INVENTORIES] for host in HOSTS}
    found = {host: inventories for host, inventories in found.items() if inventories != [None, None]}
    if not found or any(None in inventories for inventories in found.values()):
        return None
    changed = []
    for host, (before, after) in found.items():
        where = f"{host}: " if len(found) > 1 else ""
        changed += [f"- {where}{line}" for line in sorted(before - after)]
        changed += [f"+ {where}{line}" for line in sorted(after - before)]
    more = len(changed) - MOST_SHOWN
    return changed[:MOST_SHOWN] + ([f"… {more} more"] if more > 0 else [])


def _lines(folder, host, name):
    try:
        return set(folder.text(host, name, most=MOST).splitlines())
    except Unreadable:
        return None
