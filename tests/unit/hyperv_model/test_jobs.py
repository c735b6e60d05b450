# SPDX-License-Identifier: Apache-2.0
"""Jobs: what a client sees of one that runs, that it ends, and that is over."""

import time
from unittest import mock
from xml.etree import ElementTree

from lab.hyperv_model import jobs, states
from tests.unit.hyperv_model.case import ModelCase

REQUEST = "Msvm_ComputerSystem.RequestStateChange"


class JobCase(ModelCase):
    def setUp(self):
        super().setUp()
        self.vm = self.define()

    def start(self, seconds=60):
        """The path of a job that starts the machine."""
        self.model.faults.append(jobs.Fault(REQUEST, seconds=seconds))
        return self.wmi.invoke(self.vm.system.path, "RequestStateChange", {"RequestedState": 2})["Job"]

    def ask(self, job, state, **arguments):
        arguments["RequestedState"] = state
        return self.wmi.invoke(job, "RequestStateChange", arguments)["ReturnValue"]

    def seconds(self, job):
        text = self.wmi.at(job)["ElapsedTime"]
        return int(text[12:14]) + float(text[14:21])

    def test_requests_answer_with_codes_of_their_own(self):
        """Documented for Msvm_ConcreteJob.RequestStateChange; they are none of the services' codes."""
        job = self.start()
        self.assertEqual([1, 1, 1], [self.ask(job, state) for state in (2, 3, 6)])
        self.assertEqual(5, self.ask(job, 77))
        self.assertEqual(4098, self.ask(job, 5, TimeoutPeriod="00000000000005.000000:000"))
        self.assertEqual(4, self.wmi.at(job)["JobState"])
        self.assertEqual(0, self.ask(job, 5, TimeoutPeriod="00000000000000.000000:000"))
        self.assertEqual(4097, self.ask(job, 5))

    def test_what_is_terminated_is_not_what_is_killed(self):
        for request, state in ((4, 8), (5, 9)):
            job = self.start()
            self.assertEqual(0, self.ask(job, request))
            self.assertEqual(state, self.wmi.at(job)["JobState"])

    def test_a_job_that_is_ended_is_undone_at_once(self):
        job = self.start()
        self.assertEqual(states.STARTING, self.vm.state)
        self.ask(job, 5)
        self.assertEqual(states.OFF, self.vm.state)
        self.request(self.vm, states.ENABLE)
        self.assertEqual(states.RUNNING, self.vm.state)

    def test_a_job_says_what_it_does(self):
        """Documented: JobType."""
        for state, job_type in (
            (states.ENABLE, 12),
            (states.QUIESCE, 26),
            (states.ENABLE, 27),
            (states.OFFLINE, 14),
            (states.ENABLE, 15),
            (states.DISABLE, 13),
        ):
            job = self.request(self.vm, state)["Job"]
            self.assertEqual(job_type, self.wmi.at(job)["JobType"])
        destroyed = self.succeed(self.service, "DestroySystem", AffectedSystem=self.vm.system.path)
        self.assertEqual(3, self.wmi.at(destroyed["Job"])["JobType"])

    def test_progress_and_time_grow_and_stay(self):
        job = self.start(seconds=0.4)
        self.wait_for(lambda: 20 < self.wmi.at(job)["PercentComplete"])
        self.assertLess(self.wmi.at(job)["PercentComplete"], 100)
        self.wait_for(lambda: self.wmi.at(job)["JobState"] == 7)
        self.assertEqual(100, self.wmi.at(job)["PercentComplete"])
        took = self.seconds(job)
        self.assertGreater(took, 0.35)
        time.sleep(0.02)
        self.assertEqual(took, self.seconds(job))

    def test_errors_are_embedded_instances(self):
        """Documented: GetError and GetErrorEx tell of a job that failed or that a client ended."""
        job = self.start()
        self.assertEqual(
            (None, None),
            (self.wmi.invoke(job, "GetError", {})["Error"], self.wmi.invoke(job, "GetErrorEx", {})["Errors"]),
        )
        self.ask(job, 4)
        self.assertEqual("Job was terminated", self.message(job))
        self.model.faults.append(jobs.Fault(REQUEST, message="The planets stand badly."))
        job = self.start()
        self.wait_for(lambda: self.wmi.at(job)["JobState"] == 10)
        self.assertEqual("The planets stand badly.", self.message(job))

    def message(self, job):
        (text,) = self.wmi.invoke(job, "GetErrorEx", {})["Errors"]
        self.assertEqual(text, self.wmi.invoke(job, "GetError", {})["Error"])
        error = ElementTree.fromstring(text)
        self.assertEqual("Msvm_Error", error.get("CLASSNAME"))
        return error.findtext("PROPERTY[@NAME='Message']/VALUE")


class KeptJobCase(ModelCase):
    def setUp(self):
        patch = mock.patch.object(jobs, "KEEP_SECONDS", 0.3)
        patch.start()
        self.addCleanup(patch.stop)
        super().setUp()

    def test_finished_jobs_go_when_their_time_has_come(self):
        """Documented: TimeBeforeRemoval; no client has to come for it."""
        first = self.define("vm-1")
        self.define("vm-2")
        self.model.faults.append(jobs.Fault(REQUEST, seconds=60))
        self.wmi.invoke(first.system.path, "RequestStateChange", {"RequestedState": 2})
        self.assertEqual([4, 7, 7], sorted(self.states()))
        self.wait_for(lambda: self.states() == [4])
        self.assertEqual(1, len(self.wmi.query("SELECT * FROM Msvm_AffectedJobElement")))

    def states(self):
        return [job["JobState"] for job in self.wmi.query("SELECT * FROM Msvm_ConcreteJob")]
