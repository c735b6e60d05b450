# SPDX-License-Identifier: Apache-2.0
"""What job-output.json, which Zuul writes as playbooks end, says of a build.

Its form is Zuul's zuul_json callback's, and the job may have put anything else in its place: a value of
another type than expected counts as absent.

Under Ansible's free strategy that callback notes a result under the task that was started last, on whatever
host. A play of that strategy does well to rescue a failure with a task that fails with the other one's name
in its message.
"""

import dataclasses
import datetime
import json
import re

from .folder import Unreadable

MOST = 64_000_000
# What ssh says on stderr of every script, failed or not; the script's own words are on stdout then.
SSH_CHATTER = re.compile(r"^(Shared connection to \S+ closed\.|OpenSSH_.*|debug\d: .*)\s*$", re.MULTILINE)


@dataclasses.dataclass
class Phase:
    """A play.

    :ivar phase: setup, pre, run, post or cleanup
    :ivar start, end: datetime in UTC, or None
    """

    phase: str
    name: str
    start: datetime.datetime | None
    end: datetime.datetime | None
    failed: bool = False


@dataclasses.dataclass
class Failure:
    """A task's result on a host that failed or could not be reached.

    :ivar message: Ansible's
    :ivar output: the end of what the command or module wrote, stderr before stdout
    """

    phase: str
    play: str
    role: str
    task: str
    host: str
    message: str
    output: str
    unreachable: bool


@dataclasses.dataclass
class Playbooks:
    phases: list[Phase]
    failures: list[Failure]


def read(folder):
    """Return Playbooks, whose failures are those that ended a playbook, the job's own before those after it.

    :raises Unreadable: there is no such file, or it is no JSON, or too deep or large
    """
    text = folder.text("job-output.json", most=MOST)
    try:
        playbooks = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise Unreadable(f"job-output.json: {error}") from error
    result = Playbooks([], [])
    for playbook in items(playbooks):
        phase = string(playbook, "phase")
        lost_hosts = [
            name
            for name, stats in mapping(playbook, "stats").items()
            if isinstance(stats, dict) and (stats.get("failures") or stats.get("unreachable"))
        ]
        last_failures = {}
        for play in items(playbook.get("plays")):
            about = mapping(play, "play")
            duration = mapping(about, "duration")
            shown = Phase(phase, string(about, "name"), moment(duration, "start"), moment(duration, "end"))
            result.phases.append(shown)
            for failure in _failures(phase, shown.name, play):
                if failure.host in lost_hosts:
                    shown.failed = True
                    last_failures.setdefault(failure.host, []).append(failure)
        result.failures += [_ending(failures) for failures in last_failures.values()]
    order = {"run": 0, "pre": 1, "setup": 2}
    result.failures.sort(key=lambda failure: order.get(failure.phase, 3))
    return result


def _ending(failures):
    """Return the last of a host's failures, which ended its run; with the output of one that it rescues."""
    last = failures[-1]
    if len(failures) > 1 and failures[-2].play == last.play and not last.output:
        return dataclasses.replace(last, role="", task="", output=failures[-2].output)
    return last


def _failures(phase, play_name, play):
    for task in items(play.get("tasks")):
        for host, outcome in mapping(task, "hosts").items():
            if not isinstance(outcome, dict):
                continue
            unreachable = outcome.get("unreachable") is True
            if outcome.get("failed") is not True and not unreachable:
                continue
            failed_items = [item for item in items(outcome.get("results")) if item.get("failed") is True]
            words = failed_items[0] if failed_items else outcome
            yield Failure(
                phase=phase,
                play=play_name,
                host=host,
                unreachable=unreachable,
                role=string(mapping(task, "role"), "name"),
                task=string(mapping(task, "task"), "name"),
                message=string(words, "msg") or string(outcome, "msg"),
                output=_output(words),
            )


def _output(words):
    for key in ("stderr", "module_stderr", "stdout", "module_stdout", "exception"):
        text = SSH_CHATTER.sub("", string(words, key)).strip()
        if text:
            return text
    error = items(words.get("error"))
    return "\n".join(string(record, "output") for record in error).strip()


def items(value):
    """Return the dictionaries of a list; none if it is no list."""
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def mapping(value, key):
    inner = value.get(key)
    return inner if isinstance(inner, dict) else {}


def string(value, key):
    inner = value.get(key)
    if isinstance(inner, list):
        return "\n".join(line for line in inner if isinstance(line, str))
    return inner if isinstance(inner, str) else ""


def moment(value, key):
    try:
        time = datetime.datetime.fromisoformat(string(value, key).replace("Z", "+00:00"))
        return time.astimezone(datetime.UTC) if time.tzinfo else time.replace(tzinfo=datetime.UTC)
    # A time in the first or last hours of what a datetime holds overflows in another zone.
    except (ValueError, OverflowError):
        return None
