# SPDX-License-Identifier: Apache-2.0
"""What a log of the Windows node says around the time of a test.

Both logs begin a line with its time in UTC, to the millisecond: oslo.log's ``TIME PID LEVEL MODULE [REQUEST]
MESSAGE``, and the event log's ``TIME LEVEL LOG PROVIDER ID: MESSAGE``. A line without a time goes on where
the one before it ended.
"""

import dataclasses
import datetime
import re

LINE = re.compile(
    r"(?P<time>\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3}) (?P<source>(?:\d+ )?(?P<level>[A-Za-z]+)\s+\S+ )"
    r"(?P<context>(?:\[[^\]]*\] ?)*)"
)
UUID = re.compile(r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b")
ALARMING = ("ERROR", "CRITICAL")
# Attempts to reach a RabbitMQ that comes up beside it are errors to oslo.messaging, and no cause of anything.
NO_CAUSE = re.compile(r"ERROR +oslo\.messaging\._drivers")
# The clocks of two nodes differ by less; and a host may need a moment to log what it did.
MARGIN = datetime.timedelta(seconds=2)


@dataclasses.dataclass
class Line:
    """A line of a log.

    :ivar number: in the file, from 1
    :ivar level: in capitals; of a line that goes on, that of the one before
    """

    number: int
    time: str
    level: str
    text: str

    @property
    def alarming(self):
        return self.level in ALARMING and not NO_CAUSE.search(self.text)


def lines(text):
    """Yield the lines of a log from the first that has a time."""
    time = level = None
    for number, one in enumerate(text.splitlines(), 1):
        if match := LINE.match(one):
            time, level = match["time"], match["level"].upper()
        if time:
            yield Line(number, time, level, one)


def around(text, test):
    """Return the lines that a reader of a failed test wants: errors first, else what happened at all.

    Tests run side by side, so lines that name what the test's own words name go before others of its time; at
    whatever time, for of a class that could not be set up only the end is known.

    :param text: of the log
    :param test: tempest.Test
    """
    names = _uuids(test.details)
    found = [line for line in lines(text) if line.level != "DEBUG"]
    named = [line for line in found if names & _uuids(line.text)]
    within = []
    if test.start is not None:
        end = test.start + datetime.timedelta(seconds=test.seconds)
        first, last = (
            moment.strftime("%Y-%m-%d %H:%M:%S.%f")[:-3] for moment in (test.start - MARGIN, end + MARGIN)
        )
        within = [line for line in found if first <= line.time <= last]
    choices = (
        [line for line in named if line.alarming],
        [line for line in within if line.alarming],
        named,
        within,
    )
    return next(filter(None, choices), [])


def _uuids(text):
    # Windows writes them in capitals.
    return set(UUID.findall(text.lower()))


def shown(chosen, most):
    """Return the first of some lines and the end of them as text, at most that many.

    What a line repeats of the one before it (time, module and request stand on each line of a traceback) is
    left out.
    """
    texts, before = [], None
    for line in chosen:
        match = LINE.match(line.text)
        head = match and (match["time"], match["source"])
        repeats = head is not None and head == before
        texts.append(line.text[match.end() :] if repeats else line.text)
        before = head or before
    texts = [text for text in texts if text.strip()]
    return "\n".join(texts if len(texts) <= most else [texts[0], "…", *texts[2 - most :]])


def last_error(text):
    """Return the lines of the last moment at which the log has an error."""
    errors = [line for line in lines(text) if line.alarming]
    return [line for line in errors if line.time == errors[-1].time]
