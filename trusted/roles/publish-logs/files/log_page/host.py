# SPDX-License-Identifier: Apache-2.0
"""What the run left on the Hyper-V host: its inventory before and after, a thing a line."""

from .folder import Unreadable

BEFORE, AFTER = ("hyperv", "inventory-before.txt"), ("hyperv", "inventory-after.txt")
MOST = 1_000_000
MOST_SHOWN = 40


def difference(folder):
    """Return the lines that came (+) and went (-); None if one of the inventories cannot be read."""
    try:
        before, after = (folder.text(*path, most=MOST).splitlines() for path in (BEFORE, AFTER))
    except Unreadable:
        return None
    gone, come = sorted(set(before) - set(after)), sorted(set(after) - set(before))
    changed = [f"- {line}" for line in gone] + [f"+ {line}" for line in come]
    more = len(changed) - MOST_SHOWN
    return changed[:MOST_SHOWN] + ([f"… {more} more"] if more > 0 else [])
