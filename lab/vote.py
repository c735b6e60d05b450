# SPDX-License-Identifier: Apache-2.0
"""Waiting for a change's vote, and telling what Zuul is doing meanwhile."""

import re
import time
from dataclasses import dataclass, field
from pathlib import Path

import requests

from lab import lifecycle
from lab.changes import Change, client
from lab.console import Console, Parser, Parts
from lab.errors import LabError
from lab.home import Home
from lab.phases import Timeline
from lab.services import accounts, zuul

# Seconds between a push and Zuul's taking it; it takes one or two.
EVENT_TIMEOUT = 90
# Seconds after which a change that was taken, and that Zuul's status does not show, has no run.
REPORT_TIMEOUT = 15


@dataclass(frozen=True)
class Build:
    """What Zuul says of one finished build."""

    job: str
    result: str
    url: str
    log_url: str | None


@dataclass
class Vote:
    """What Gerrit got.

    :param value: of the label Verified; 0 if there is none
    :param comment: Zuul's words; empty if it had nothing to run for the change, of which it says nothing
    :param parts: the plays of the build that was followed, with their seconds
    """

    change: Change
    value: int
    comment: str
    builds: list[Build] = field(default_factory=list)
    parts: list[tuple[str, float]] = field(default_factory=list)

    @property
    def label(self) -> str:
        """Return the vote as Gerrit shows it: +1, -1 or 0."""
        return f"{self.value:+}" if self.value else "0"

    @property
    def line(self) -> str:
        """Return one line for a list of votes."""
        outcome = f"Verified {self.label}" if self.comment else "no run"
        return f"{outcome:11}  {self.change.name:6} {self.change.subject}"

    @property
    def is_against(self) -> bool:
        """Return whether there was a run, and it did not end in +1."""
        return bool(self.comment) and self.value <= 0


def comments(home: Home, change: Change) -> list[str]:
    """Return what the CI has said of a patch set, oldest first."""
    return _said(client(home).get(f"changes/{change.number}/detail"), change)


def taken(home: Home, change: Change) -> int:
    """Return how often a pipeline of Zuul's has taken a patch set.

    Only the log says so of one that has no job: it leaves the pipeline before Zuul's status shows it.
    """
    text = zuul.daemon(home, "zuul-scheduler").log.read_text(encoding="utf-8", errors="replace")
    return len(
        re.findall(rf"Adding \[<Change \S+ {re.escape(change.project)} {change.name}>\] to queue", text)
    )


def wait(home: Home, timeline: Timeline, change: Change, already: int = 0, taken_before: int = 0) -> Vote:
    """Wait for the CI's comment on a change, or until it has let the change pass without a run.

    :param already: the number of comments that it made before
    :param taken_before: how often Zuul had taken the change before
    :raises LabError: if Zuul does not take the change, or a server of the lab ends
    """
    follower = _Follower(timeline, home.logs / "builds")
    timeline.begin("event")
    deadline = time.monotonic() + EVENT_TIMEOUT
    gone = None
    rest = client(home)
    while len(said := _said(detail := _detail(rest, change), change)) <= already:
        items = zuul.get(f"tenant/{zuul.TENANT}/status/change/{change.name}")
        if items:
            follower.look(items[0]["jobs"])
            gone = None
        elif follower.phase != "event" or taken(home, change) > taken_before:
            gone = gone or time.monotonic()
            if follower.had_jobs:
                follower.enter("report")
            elif time.monotonic() - gone > REPORT_TIMEOUT:
                follower.end()
                return Vote(change, 0, "")
        elif time.monotonic() > deadline:
            log = zuul.daemon(home, "zuul-scheduler").log
            raise LabError(f"no pipeline of Zuul's has taken change {change.name}", log)
        if not lifecycle.is_up(home):
            dead = ", ".join(daemon.name for daemon in lifecycle.daemons(home) if not daemon.process)
            raise LabError(f"the lab went down before change {change.name} got its vote: {dead} ended")
        time.sleep(0.3)
    follower.end()
    return Vote(change, _value(detail), said[already], _builds(change), follower.parts())


def _detail(rest: accounts.Rest, change: Change) -> dict:
    try:
        return rest.get(f"changes/{change.number}/detail")
    except requests.ConnectionError:
        return {"messages": []}  # the lab goes down, which the caller notices next


def _said(detail: dict, change: Change) -> list[str]:
    return [
        message["message"]
        for message in detail["messages"]
        if message["author"].get("username") == accounts.CI.name
        and message["_revision_number"] == change.patchset
    ]


def _value(detail: dict) -> int:
    votes = detail["labels"].get("Verified", {}).get("all", [])
    return next((vote.get("value", 0) for vote in votes if vote.get("username") == accounts.CI.name), 0)


def _builds(change: Change) -> list[Build]:
    query = f"tenant/{zuul.TENANT}/builds?change={change.number}&patchset={change.patchset}&limit=20"
    newest: dict[str, Build] = {}
    for build in zuul.get(query) or []:
        url = f"{zuul.URL}/t/{zuul.TENANT}/build/{build['uuid']}"
        newest.setdefault(build["job_name"], Build(build["job_name"], build["result"], url, build["log_url"]))
    return list(newest.values())


class _Follower:
    """Turns what Zuul shows of an item into phases, and a build's console into parts."""

    def __init__(self, timeline: Timeline, consoles: Path):
        self._timeline = timeline
        self._consoles = consoles
        self.phase = "event"
        self.had_jobs = False
        self._build: str | None = None
        self._console: Console | None = None
        self._parser = Parser()
        self._parts = Parts()

    def look(self, jobs: list[dict]) -> None:
        """Take the jobs of the item as they are now."""
        if self.phase == "event":
            self.enter("nodes")
        self.had_jobs = self.had_jobs or bool(jobs)
        running = [job for job in jobs if job["start_time"] and not job["result"]]
        if running:
            self.enter("build")
            self._follow(running[0])
        elif jobs and all(job["result"] for job in jobs):
            self.enter("report")
        elif jobs:
            self._timeline.say(self.phase, f"{jobs[0]['name']} waits for {jobs[0]['waiting_status']}")

    def enter(self, phase: str) -> None:
        """End the phase that goes on and begin another."""
        if phase != self.phase:
            self._timeline.finish(self.phase)
            self._timeline.begin(phase)
            self.phase = phase

    def end(self) -> None:
        """End the last phase: the comment is there."""
        self.enter("report")
        self._timeline.finish(self.phase)
        if self._console:
            self._console.close()

    def parts(self) -> list[tuple[str, float]]:
        """Return the plays of the build that was followed."""
        return self._parts.seconds(self._parser.last) if self._parser.last else []

    def _follow(self, job: dict) -> None:
        if job["uuid"] != self._build:
            # The first build of the item, or the same job again because its node failed.
            if self._console:
                self._console.close()
            self._build, self._parser, self._parts = job["uuid"], Parser(), Parts()
            try:
                self._console = Console(job["uuid"])
            except OSError as error:
                self._console = None
                self._timeline.say(
                    self.phase, f"{job['name']}: its console cannot be shown: {error}", step=True
                )
        if self._console and (data := self._console.read()):
            self._take(job, data)

    def _take(self, job: dict, data: bytes) -> None:
        # A build that fails before it can publish its logs leaves this.
        with (self._consoles / f"{self._build}.log").open("ab") as file:
            file.write(data)
        for event in self._parser.feed(data):
            self._parts.add(event)
            attempt = f" (attempt {job['tries']})" if job["tries"] > 1 else ""
            what = f"{job['name']}{attempt}: {event.text}"
            self._timeline.say(self.phase, what, step=event.kind == "play")
