# SPDX-License-Identifier: Apache-2.0
"""What a reader wants to know first: why a build failed, in the words of what failed.

First a failing test, with the end of its traceback, and what nova-compute and Windows logged around its time;
else the task that ended the run, with the end of its output; else the end of the console. Where nothing
around the test alarms, nova-compute's last error: behind a failure it is the reason more often than not, and
has to be on the first screen. Then what else failed.
"""

import dataclasses

from . import nightly, surroundings, tempest
from . import playbooks as playbooks_module
from .folder import Unreadable
from .host import HOSTS

# In the folder of each Windows host.
COMPUTE_LOG, COMPUTE_STDERR, EVENT_LOG = "nova-compute.log", "nova-compute-stderr.log", "events.log"
CONSOLE = ("job-output.txt",)
TAIL = 32_000_000

# What Ansible says when it has nothing to say.
EMPTY_MESSAGES = ("non-zero return code", "All items completed", "One or more items failed", "MODULE FAILURE")

# Lines that fit on the first screen: for what failed first, for each further thing, for what Windows logged.
FIRST, FURTHER, EVENTS = 14, 7, 4
MOST_SHOWN = 4


@dataclasses.dataclass
class Evidence:
    """Something that failed.

    :ivar title: one line
    :ivar text: the end of its own words
    :ivar source: path of the file it is from
    :ivar line: number of the line in it where this begins, or None
    :ivar verdict: nightly.Verdict on a failed test
    """

    title: str
    text: str
    source: tuple[str, ...]
    line: int | None = None
    verdict: nightly.Verdict | None = None


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


def read(folder, success, nightlies=()):
    """Return the Build.

    :param folder: Folder of its logs
    :param success: whether Zuul calls it one
    :param nightlies: see nightly.read
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
    failed = [test for test in tests or [] if test.status == "fail"]
    evidence = _failed_tests(failed, nightlies) or _failed_tasks(found.failures) or _console(folder)
    headline = evidence[0].title if evidence else "The build left nothing that says why it failed."
    logged = _around(folder, failed[0]) if failed else _compute_errors(folder)
    return Build(headline, evidence[:1] + logged + evidence[1:], found.phases, tests, unreadable)


def _summary(tests):
    if tests is None:
        return "Every task succeeded."
    counts = {status: sum(test.status == status for test in tests) for status in tempest.STATUSES}
    return f"{counts['success']} tests passed, {counts['skip']} were skipped, {counts['fail']} failed."


def _failed_tests(failed, nightlies):
    evidence = [
        Evidence(
            f"Test failed: {test.id}",
            end(test.details, FURTHER if index else FIRST),
            tempest.PATH,
            verdict=nightly.verdict(nightlies, test.id),
        )
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


def _around(folder, test):
    """Return what the Windows hosts' logs say around a test."""
    evidence, alarming = [], False
    for title, name, most in (
        ("What nova-compute logged about it", COMPUTE_LOG, FURTHER),
        ("What Windows logged about it", EVENT_LOG, EVENTS),
    ):
        for host in HOSTS:
            lines = surroundings.around(_tail_if_any(folder, (host, name)), test)
            if lines:
                shown = surroundings.shown(lines, most)
                evidence.append(Evidence(title, shown, (host, name), lines[0].number))
            alarming |= name == COMPUTE_LOG and any(line.alarming for line in lines)
    return evidence if alarming else _compute_errors(folder) + evidence


def _compute_errors(folder):
    errors = (_compute_error(folder, host) for host in HOSTS)
    return [error for error in errors if error.text.strip()]


def _compute_error(folder, host):
    title = "nova-compute's last error"
    if log := _tail_if_any(folder, (host, COMPUTE_LOG)):
        lines = surroundings.last_error(log)
        shown = surroundings.shown(lines, FURTHER)
        return Evidence(title, shown, (host, COMPUTE_LOG), lines[0].number if lines else None)
    # What it says before it has a log is of interest only where it never came to have one.
    return Evidence(title, end(_tail_if_any(folder, (host, COMPUTE_STDERR)), FURTHER), (host, COMPUTE_STDERR))


def _tail_if_any(folder, path):
    try:
        return folder.tail(*path, most=TAIL)
    except Unreadable:
        return ""


def end(text, most):
    """Return the last lines of a text that have something on them."""
    lines = [line for line in text.splitlines() if line.strip()]
    return "\n".join((["…"] if len(lines) > most else []) + lines[-most:])
