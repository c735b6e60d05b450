# SPDX-License-Identifier: Apache-2.0
"""The phases as they are shown, timed and listed."""

import io
import unittest

from rich.console import Console

from lab.errors import LabError
from lab.phases import PHASES, Timeline


class TimelineTest(unittest.TestCase):
    def setUp(self):
        self.printed = io.StringIO()
        self.timeline = Timeline(Console(file=self.printed, width=120))

    def table(self, parts=()):
        console = Console(file=io.StringIO(), width=120)
        console.print(self.timeline.table(parts))
        return console.file.getvalue()

    def test_names_are_unique(self):
        names = [phase.name for phase in PHASES]
        self.assertEqual(sorted(set(names)), sorted(names))

    def test_a_phase_is_shown_once_it_is_over(self):
        with self.timeline.phase("keys"):
            self.assertEqual(
                "  up      keys, certificates and passwords, new each time …\n", self.printed.getvalue()
            )
        self.assertRegex(self.printed.getvalue(), r"✓ up +keys, certificates and passwords.* 0\.0 s\n")

    def test_an_error_says_its_phase(self):
        with self.assertRaises(LabError) as caught, self.timeline.phase("push"):
            raise LabError("no")
        self.assertEqual("push", caught.exception.phase)
        self.assertNotIn("push", self.timeline.taken)

    def test_an_unknown_phase(self):
        with self.assertRaises(StopIteration):
            self.timeline.begin("lunch")

    def test_the_table_lists_what_was_done_and_the_parts_of_the_build(self):
        self.timeline.begin("gerrit", "database")
        self.timeline.finish("database")
        self.timeline.finish("gerrit")
        with self.timeline.phase("build"):
            self.timeline.say("build", "hyperv-tempest: Tempest", step=True)
        table = self.table([("run: Tempest", 97.71)])
        self.assertRegex(
            table, r"(?s)MariaDB answers.*Gerrit answers.*all of it.*the playbooks.*run: Tempest +97\.7"
        )
        self.assertNotIn("Nodepool", table)
        self.assertIn("run     hyperv-tempest: Tempest", self.printed.getvalue())
