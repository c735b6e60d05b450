# SPDX-License-Identifier: Apache-2.0
"""What a reader wants to know first: why a build failed, in the words of what failed.

First a failing test, with the end of its traceback; else the task that ended the run, with the end of its
output; else the end of the console. Then, where nova-compute logged one, its last error: behind a failing
test it is the reason more often than not, and has to be on the first screen. Then what else failed.
"""

import dataclasses
import os
import re

from . import playbooks as playbooks_module
from . import tempest
from .folder import Unreadable

COMPUTE_LOG = ("hyperv", "nova-compute.log")
COMPUTE_STDERR = ("hyperv", "nova-compute-stderr.log")
CONSOLE = ("job-output.txt",)
TAIL = 4_000_000
# oslo.log's line: time, process, level. A traceback repeats that start on each of its lines.
# Attempts to reach a RabbitMQ that comes up beside it are errors to oslo.messaging, and no cause of anything.
ERROR_LINE = re.compile(r"^(?P<time>\S+ \S+) \d+ (ERROR|CRITICAL) (?!oslo\.messaging\._drivers)")

# What Ansible says when it has nothing to say.
EMPTY_MESSAGES = ("non-zero return code", "All items completed", "One or more items failed", "MODULE FAILURE")

# Lines that fit on the first screen: for what failed first, and for each further thing.
FIRST, FURTHER = 14, 7
MOST_SHOWN = 4


@dataclasses.dataclass
class Evidence:
    """Something that failed.

    :ivar title: one line
    :ivar text: the end of its own words
    :ivar source: path of the file it is from
    """

    title: str
    text: str
    source: tuple[str, ...]


@dataclasses.dataclass
class Build:
    """What was read of a build.

    :ivar headline: one line: the cause, or what succeeded
    :ivar evidence: first things first; empty for a success
    :ivar phases: see playbooks
    :ivar tests: see tempest, or None
    :ivar unreadable: what the build left that could not be read
    """

    headline: str
    evidence: list[Evidence]
    phases: list[playbooks_module.Phase]
    tests: list[tempest.Test] | None
    unreadable: list[str]


def read(folder, success):
    """Return the Build.

    :param folder: Folder of its logs
    :param success: whether Zuul calls it one
    """
    unreadable = []
    found, tests = playbooks_module.Playbooks([], []), None
    try:
        found = playbooks_module.read(folder)
    except Unreadable as error:
        unreadable.append(str(error))
    try:
        tests = tempest.read(folder)
    except Unreadable as error:
        unreadable.append(str(error))
    if success:
        return Build(_summary(tests), [], found.phases, tests, unreadable)
    evidence = _failed_tests(tests or []) or _failed_tasks(found.failures) or _console(folder)
    headline = evidence[0].title if evidence else "The build left nothing that says why it failed."
    evidence = evidence[:1] + _compute_error(folder) + evidence[1:]
    return Build(headline, evidence, found.phases, tests, unreadable)


def _summary(tests):
    if tests is None:
        return "Every task succeeded."
    counts = {status: sum(test.status == status for test in tests) for status in tempest.STATUSES}
    return f"{counts['success']} tests passed, {counts['skip']} were skipped, {counts['fail']} failed."


def _failed_tests(tests):
    failed = [test for test in tests if test.status == "fail"]
    evidence = [
        Evidence(f"Test failed: {test.id}", end(test.details, FURTHER if index else FIRST), tempest.PATH)
        for index, test in enumerate(failed[:MOST_SHOWN])
    ]
    if len(failed) > MOST_SHOWN:
        evidence.append(Evidence(f"{len(failed) - MOST_SHOWN} more tests failed", "", tempest.PATH))
    return evidence


def _failed_tasks(failures):
    evidence = []
    for failure in failures[:MOST_SHOWN]:
        message, _newline, rest = failure.message.strip().partition("\n")
        task = " : ".join(part for part in (failure.role, failure.task) if part)
        if task and message.startswith(EMPTY_MESSAGES):
            message = f"{task}: {message}"
            task = ""
        what = "could not be reached" if failure.unreachable else "failed"
        title = f"{failure.host} {what} in “{failure.play or 'unnamed play'}”: {message or task}"
        parts = (task and message and f"task: {task}", rest, failure.output)
        text = end("\n".join(part for part in parts if part), FURTHER if evidence else FIRST)
        evidence.append(Evidence(title, text, CONSOLE))
    return evidence


def _console(folder):
    try:
        text = folder.tail(*CONSOLE, most=TAIL)
    except Unreadable:
        return []
    timed_out = "RESULT_TIMED_OUT" in text[-20_000:]
    title = "The job ran out of its time" if timed_out else "No task failed; the console ends like this"
    return [Evidence(title, end(text, FIRST), CONSOLE)]


def _compute_error(folder):
    log = _tail_if_any(folder, COMPUTE_LOG)
    # What it says before it has a log is of interest only where it never came to have one.
    path, text = (
        (COMPUTE_LOG, last_error(log)) if log else (COMPUTE_STDERR, _tail_if_any(folder, COMPUTE_STDERR))
    )
    return [Evidence("nova-compute's last error", end(text, FURTHER), path)] if text.strip() else []


def _tail_if_any(folder, path):
    try:
        return folder.tail(*path, most=TAIL)
    except Unreadable:
        return ""


def last_error(text):
    """Return the last error of an oslo.log file: the lines of that level and moment, or ''."""
    lines = text.splitlines()
    last = next((line for line in reversed(lines) if ERROR_LINE.match(line)), None)
    if last is None:
        return ""
    moment = ERROR_LINE.match(last)["time"]
    first, *rest = (line for line in lines if (match := ERROR_LINE.match(line)) and match["time"] == moment)
    # Time, module and request again on each line of a traceback leave no room for the traceback.
    prefix = os.path.commonprefix([first, *rest]).rpartition("] ")
    return "\n".join([first, *(line[len(prefix[0] + prefix[1]) :] for line in rest)])


def end(text, most):
    """Return the last lines of a text that have something on them."""
    lines = [line for line in text.splitlines() if line.strip()]
    return "\n".join((["…"] if len(lines) > most else []) + lines[-most:])
