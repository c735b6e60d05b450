# SPDX-License-Identifier: Apache-2.0
"""Which runs are repeated, and when the infrastructure is thought to be well again."""

import calendar
import time
import unittest

from verdict.attendant import PATIENCE, PROBE, Attendant, interrupted

NOVA = "openstack/nova"
START = calendar.timegm((2026, 11, 25, 12, 0, 0))


def build(result, change=7, patchset=2, pipeline="check", ended=0, project=NOVA):
    """Return a build as Zuul's REST API has it; of a branch, if there is no change."""
    end_time = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(START + ended)) if result else None
    ref = {"change": change, "patchset": patchset if change else None, "project": project, "branch": "master"}
    return {
        "result": result,
        "pipeline": pipeline,
        "job_name": "hyperv-tempest",
        "end_time": end_time,
        "ref": ref,
    }


class FakeZuul:
    """Zuul with some builds, the newest first; remembers what is put into its pipelines."""

    def __init__(self, *builds, current=True):
        self.all = list(builds)
        self.current = current
        self.enqueued = []

    def builds(self, limit, **query):
        def matches(one):
            facts = one | one["ref"]
            wanted = {name: value if isinstance(value, tuple) else (value,) for name, value in query.items()}
            return all(facts[name] in values for name, values in wanted.items())

        return [one for one in self.all if matches(one)][:limit]

    def enqueue(self, project, **what):
        self.enqueued.append((project, what))

    def is_current(self, run):
        return self.current


class InterruptedTest(unittest.TestCase):
    def names(self, *builds, **more):
        return {str(run) for run in interrupted(FakeZuul(*builds, **more))}

    def test_a_run_that_zuul_gave_up(self):
        for result in ("RETRY_LIMIT", "NODE_FAILURE"):
            builds = [build(result), build("RETRY"), build("RETRY")]
            self.assertEqual({"7,2 of openstack/nova in check"}, self.names(*builds))

    def test_runs_with_an_end_of_their_own(self):
        self.assertEqual(set(), self.names(build("FAILURE"), build("SUCCESS", change=8)))

    def test_what_came_out_well_since(self):
        self.assertEqual(set(), self.names(build("SUCCESS"), build("RETRY_LIMIT")))
        self.assertEqual(set(), self.names(build("FAILURE"), build("RETRY_LIMIT")))

    def test_what_runs_again_already(self):
        self.assertEqual(set(), self.names(build(None), build("RETRY_LIMIT")))

    def test_once_only(self):
        self.assertEqual(set(), self.names(build("RETRY_LIMIT"), build("RETRY_LIMIT")))

    def test_the_same_change_in_another_pipeline_or_patch_set(self):
        builds = [build("RETRY_LIMIT", pipeline="gate"), build("RETRY_LIMIT", patchset=1)]
        expected = {"7,2 of openstack/nova in gate", "7,1 of openstack/nova in check"}
        self.assertEqual(expected, self.names(*builds))

    def test_changes_that_are_no_longer_to_be_judged(self):
        self.assertEqual(set(), self.names(build("RETRY_LIMIT"), current=False))

    def test_branches_and_probes(self):
        self.assertEqual(set(), self.names(build("RETRY_LIMIT", change=None, pipeline=PROBE)))


class AttendantTest(unittest.TestCase):
    PROBING = (NOVA, {"pipeline": PROBE, "ref": "refs/heads/master"})
    AGAIN = (NOVA, {"pipeline": "check", "change": "7,2"})

    def setUp(self):
        self.seconds = 0
        self.zuul = FakeZuul(build("RETRY_LIMIT"))
        self.attendant = Attendant(self.zuul, now=lambda: START + self.seconds)

    def look(self, seconds=1):
        """Look, and return what was put into pipelines."""
        self.seconds += seconds
        self.zuul.enqueued.clear()
        self.attendant.look()
        return list(self.zuul.enqueued)

    def probe(self, result):
        self.zuul.all.insert(0, build(result, change=None, pipeline=PROBE, ended=self.seconds + 1))

    def test_nothing_was_interrupted(self):
        self.zuul.all[:] = [build("SUCCESS")]
        self.assertEqual([], self.look())

    def test_a_probe_that_ends_by_itself_has_the_change_run_again(self):
        for result in ("SUCCESS", "FAILURE"):
            with self.subTest(result):
                self.assertEqual([self.PROBING], self.look())
                self.assertEqual([], self.look())
                self.probe(None)
                self.assertEqual([], self.look())
                self.zuul.all.pop(0)
                self.probe(result)
                self.assertEqual([self.AGAIN], self.look())
                self.assertEqual([], self.look(), "it waits for its nodes")
                self.setUp()

    def test_an_older_probe_says_nothing(self):
        self.probe("SUCCESS")
        self.seconds += 100
        self.assertEqual([self.PROBING], self.look())
        self.assertEqual([], self.look())

    def test_a_probe_that_is_interrupted_is_tried_again_after_a_while(self):
        self.assertEqual([self.PROBING], self.look())
        self.probe("NODE_FAILURE")
        self.assertEqual([], self.look())
        self.assertEqual([self.PROBING], self.look(PATIENCE))
        self.probe("SUCCESS")
        self.assertEqual([self.AGAIN], self.look())

    def test_a_probe_that_takes_long_is_waited_for(self):
        self.look()
        self.assertEqual([], self.look(2 * PATIENCE))

    def test_one_probe_serves_all_changes_of_a_branch(self):
        self.zuul.all.append(build("NODE_FAILURE", change=8))
        self.assertEqual([self.PROBING], self.look())
        self.probe("SUCCESS")
        self.assertEqual(2, len(self.look()))
