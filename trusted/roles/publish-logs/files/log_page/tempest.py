# SPDX-License-Identifier: Apache-2.0
"""Tempest's results, as the job keeps them: controller/tempest/results.json.

A list of tests, each with ``id``, ``status`` (success, fail, skip), ``start`` (ISO 8601), ``seconds`` and
``details`` (a traceback, or why it was skipped).
"""

import dataclasses
import datetime
import json

from .folder import Unreadable
from .playbooks import items, moment, string

PATH = ("controller", "tempest", "results.json")
MOST = 32_000_000
STATUSES = ("fail", "skip", "success")


@dataclasses.dataclass
class Test:
    """One test.

    :ivar status: fail, skip or success
    :ivar start: datetime in UTC, or None
    :ivar seconds: how long it ran
    :ivar details: a traceback, or the reason of a skip
    """

    id: str
    status: str
    start: datetime.datetime | None
    seconds: float
    details: str


def read(folder):
    """Return the tests, failures first; None if the job kept no results.

    :raises Unreadable: it is no such list
    """
    if not folder.has(*PATH):
        return None
    try:
        tests = json.loads(folder.text(*PATH, most=MOST))
    except (ValueError, RecursionError) as error:
        raise Unreadable(f"{'/'.join(PATH)}: {error}") from error
    if not isinstance(tests, list):
        raise Unreadable(f"{'/'.join(PATH)}: found {type(tests).__name__}, expected a list")
    found = [_test(test) for test in items(tests)]
    return sorted(found, key=lambda test: (STATUSES.index(test.status), test.id))


def _test(test):
    status = string(test, "status")
    if status not in STATUSES:
        known = ", ".join(STATUSES)
        raise Unreadable(f"{'/'.join(PATH)}: {string(test, 'id')!r} is {status!r}, expected one of {known}")
    seconds = test.get("seconds")
    # More than a day is no time of a test's, and may be more than a datetime holds.
    seconds = float(seconds) if isinstance(seconds, int | float) and 0 <= seconds < 86_400 else 0.0
    return Test(string(test, "id"), status, moment(test, "start"), seconds, string(test, "details"))
