# SPDX-License-Identifier: Apache-2.0
"""What the jobs of zuul.d ask for."""

import unittest

from lab import jobs
from lab.errors import LabError
from lab.home import CHECKOUT


class JobsTest(unittest.TestCase):
    def test_a_job_has_what_its_parents_have(self):
        short, long = (jobs.read(CHECKOUT, name) for name in ("hyperv-tempest", "hyperv-tempest-long"))
        self.assertEqual({"controller": "controller", "hyperv": "hyperv-2022"}, short.nodes)
        self.assertEqual({"controller": ["controller"], "hyperv": ["hyperv", "hyperv-2"]}, long.groups)
        self.assertNotIn("tempest_selection", short.variables)
        self.assertLess(short.variables.items(), long.variables.items())

    def test_nodes_of_a_job_s_own(self):
        job = jobs.read(CHECKOUT, "hyperv-ci-unit")
        self.assertEqual(({"controller": "controller"}, {}), (job.nodes, job.groups))

    def test_a_job_that_is_not_there(self):
        with self.assertRaisesRegex(LabError, "there is no job x in .*/zuul.d, only hyperv-ci-unit, hyperv"):
            jobs.read(CHECKOUT, "x")
