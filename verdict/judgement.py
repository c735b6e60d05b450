# SPDX-License-Identifier: Apache-2.0
"""Whether a run that failed was ended by the change or by the infrastructure.

Zuul itself tells the two apart when it repeats a build: an unreachable node, a pre-run playbook that failed
and a node that cannot be had are reasons to repeat it, what a job says of the code under test never is.
When Zuul gives up, after ``attempts`` of the base job, the result is one of INTERRUPTED. What is
infrastructure in a run though its node answers says so with the role repeat-run, which loses the node on
purpose.
"""

import re
from dataclasses import dataclass

# Zuul's words for a build that had no end of its own.
INTERRUPTED = ("NODE_FAILURE", "RETRY_LIMIT", "MERGE_CONFLICT", "MERGER_FAILURE")
# Of results that are as good as none for the vote.
HARMLESS = ("SUCCESS", "SKIPPED")
LONGEST = 300


@dataclass(frozen=True)
class Build:
    """What Zuul knows of the last attempt at a job.

    :ivar result: Zuul's word for how it ended
    :ivar detail: Zuul's reason, e.g. ``Host unreachable``, or None
    :ivar said: what the build itself returned, under ``verdict``: ``fault``, ``headline``
    :ivar attempts: how often the job was begun
    :ivar own: whether the change could alter this job's playbooks, which run before its own
    """

    job: str
    result: str
    voting: bool = True
    detail: str | None = None
    said: dict | None = None
    attempts: int = 1
    own: bool = False


@dataclass(frozen=True)
class Fault:
    """One job that the infrastructure ended: where, and after how many attempts."""

    job: str
    what: str
    attempts: int

    def __str__(self) -> str:
        times = "1 attempt" if self.attempts == 1 else f"{self.attempts} attempts on fresh nodes"
        return f"{self.job}, {times}: {self.what}"


def faults(builds: list[Build]) -> list[Fault]:
    """Return the faults that ended a run; none if the change is to be blamed, or nothing failed."""
    failed = [build for build in builds if build.voting and build.result not in HARMLESS]
    if any(_is_the_change_s(build) for build in failed):
        return []
    return [Fault(build.job, _phase(build), build.attempts) for build in failed]


def _is_the_change_s(build: Build) -> bool:
    if build.result not in INTERRUPTED:
        return True
    # A pre-run playbook that fails on nodes that answer is broken, if the change could break it.
    return build.own and build.result == "RETRY_LIMIT" and build.detail is None


def _phase(build: Build) -> str:
    """Return in which phase the last attempt was lost, and how, in one line of plain text."""
    said = build.said if isinstance(build.said, dict) else {}
    if build.result == "NODE_FAILURE":
        return f"phase nodes: Nodepool could not make them ({plain(build.detail or 'no reason given')})"
    if build.result != "RETRY_LIMIT":
        return f"phase sources: the executor could not prepare them ({build.result})"
    for name in ("fault", "headline"):
        if text := plain(said.get(name)):
            return f"phase {text}"
    return f"phase first contact: {plain(build.detail or 'a pre-run playbook failed')}"


def plain(text: object) -> str:
    """Return what a build said as a part of one line of a comment; '' for what is no text."""
    if not isinstance(text, str):
        return ""
    line = " ".join(re.sub(r"[^\x20-\x7e“”]", " ", text).split())
    return line if len(line) <= LONGEST else line[: LONGEST - 1] + "…"
