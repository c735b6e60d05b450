# SPDX-License-Identifier: Apache-2.0
"""Waiting for a vote: the phases that Zuul's answers become, and what ends the wait."""

import io
import itertools
import tempfile
import unittest
from pathlib import Path
from unittest import mock

from rich.console import Console

from lab import vote
from lab.changes import Change
from lab.errors import LabError
from lab.home import Home
from lab.phases import Timeline

TAKEN = (
    "2026-11-26 03:27:23,965 INFO zuul.Pipeline.hyperv.check: [e: 6af1] "
    "Adding [<Change 0x7fbd307c9490 openstack/nova 3,1>] to queue <ChangeQueue check: > in <Pipeline check>\n"
)
CHANGE = Change(3, 1, "openstack/nova", "A subject")
WAITING = {
    "name": "hyperv-tempest",
    "uuid": None,
    "start_time": None,
    "result": None,
    "tries": 1,
    "waiting_status": "nodepool",
}
RUNNING = WAITING | {"uuid": "b1", "start_time": 1.0}
AGAIN = RUNNING | {"uuid": "b2", "tries": 2}
ENDED = AGAIN | {"result": "SUCCESS"}
STREAMS = {
    "b1": b"2026-11-23 07:00:00.000000 | PLAY [Lost]\n",
    "b2": b"2026-11-23 07:00:10.000000 | RUN START: [x]\n2026-11-23 07:00:10.000000 | PLAY [Tempest]\n"
    b"2026-11-23 07:00:15.000000 | end\n",
}


class FakeConsole:
    """Stands for a build's console stream: all at once."""

    def __init__(self, build):
        self._data = STREAMS[build]

    def read(self):
        data, self._data = self._data, b""
        return data

    def close(self):
        pass


class FakeGerrit:
    """Stands for Gerrit's REST API: says the CI's comment the nth time it is asked."""

    def __init__(self, after, value=1):
        self._left = after
        self._value = value

    def get(self, path):
        self._left -= 1
        said = {"author": {"username": "hyperv-ci"}, "_revision_number": 1, "message": "Build succeeded."}
        others = {"author": {"username": "developer"}, "_revision_number": 1, "message": "recheck"}
        of_an_older_patchset = said | {"_revision_number": 0}
        return {
            "messages": [others, of_an_older_patchset] + [said] * (self._left < 0),
            "labels": {
                "Verified": {"all": [{"username": "hyperv-ci", "value": self._value}, {"username": "x"}]}
            },
        }


class VoteTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.home = Home(Path(folder.name))
        (self.home.logs / "builds").mkdir(parents=True)
        self.log = TAKEN
        self.printed = io.StringIO()
        self.timeline = Timeline(Console(file=self.printed, width=200))
        self.builds = [
            {"job_name": "hyperv-tempest", "result": "SUCCESS", "uuid": "b2", "log_url": "http://log/b2/"},
            {"job_name": "hyperv-tempest", "result": None, "uuid": "b1", "log_url": None},
        ]

    def wait(self, states, gerrit, is_up=True):
        states = iter(states)
        log = self.home.logs / "zuul-scheduler.log"
        log.write_text(self.log)

        def get(path):
            return self.builds if "builds" in path else next(states)

        with (
            mock.patch.object(vote.zuul, "get", get),
            mock.patch.object(vote, "client", return_value=gerrit),
            mock.patch.object(vote, "Console", FakeConsole),
            mock.patch.object(vote.lifecycle, "is_up", return_value=is_up),
            mock.patch.object(vote.time, "sleep"),
        ):
            return vote.wait(self.home, self.timeline, CHANGE)

    def test_a_run_from_event_to_vote(self):
        items = [[{"jobs": jobs}] for jobs in ([], [WAITING], [RUNNING], [AGAIN], [ENDED])]
        result = self.wait([None, *items, None], FakeGerrit(7))
        self.assertEqual((1, "Build succeeded."), (result.value, result.comment))
        self.assertEqual([("run: Tempest", 5.0)], result.parts)
        self.assertEqual(["event", "nodes", "build", "report"], list(self.timeline.taken))
        (build,) = result.builds
        self.assertEqual(("SUCCESS", "http://log/b2/"), (build.result, build.log_url))

    def test_what_a_build_said_is_kept(self):
        self.wait([[{"jobs": [RUNNING]}], None], FakeGerrit(2))
        self.assertEqual(STREAMS["b1"], (self.home.logs / "builds/b1.log").read_bytes())

    def test_a_comment_that_comes_before_anything_is_seen(self):
        self.assertEqual(-1, self.wait([], FakeGerrit(0, value=-1)).value)

    def test_a_change_that_zuul_lets_pass(self):
        with mock.patch.object(vote.time, "monotonic", side_effect=itertools.count(step=2)):
            result = self.wait([None] * 20, FakeGerrit(50))
        self.assertEqual("", result.comment)
        self.assertEqual("no run       3,1    A subject", result.line)
        self.assertFalse(result.is_against)

    def test_a_comment_that_is_late(self):
        with mock.patch.object(vote.time, "monotonic", side_effect=itertools.count(step=2)):
            result = self.wait([[{"jobs": [ENDED]}], *[None] * 30], FakeGerrit(20, value=-1))
        self.assertTrue(result.is_against)

    def test_labels(self):
        labels = [vote.Vote(CHANGE, value, "").label for value in (1, -1, 0)]
        self.assertEqual(["+1", "-1", "0"], labels)

    def test_zuul_takes_no_event(self):
        self.log = ""
        with (
            mock.patch.object(vote, "EVENT_TIMEOUT", -1),
            self.assertRaisesRegex(LabError, "no pipeline of Zuul's has taken change 3,1"),
        ):
            self.wait([None], FakeGerrit(9))

    def test_the_lab_goes_down(self):
        expected = "the lab went down before change 3,1 got its vote: nodepool-launcher, zuul-scheduler"
        with self.assertRaisesRegex(LabError, expected):
            self.wait([[{"jobs": [WAITING]}]], FakeGerrit(9), is_up=False)
