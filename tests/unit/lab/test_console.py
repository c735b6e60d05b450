# SPDX-License-Identifier: Apache-2.0
"""A build's console becomes stages, plays and their times."""

import unittest
from datetime import datetime

from lab.console import Parser, Parts

CONSOLE = b"""\
2026-11-23 07:00:00.000000 | Job console starting
2026-11-23 07:00:01.500000 | PRE-RUN START: [trusted : hyperv-ci-config/playbooks/base/pre.yaml@master]
2026-11-23 07:00:02.000000 |
2026-11-23 07:00:02.000000 | PLAY [Nodes answer]
2026-11-23 07:00:02.100000 | TASK [role : Do it]
2026-11-23 07:00:02.200000 | controller | PLAY [printed by a task]
2026-11-23 07:00:05.000000 | RUN START: [untrusted : hyperv-ci/playbooks/hyperv-tempest/run.yaml@master]
2026-11-23 07:00:06.000000 | PLAY [Tempest] ************
a line without a time
2026-11-23 07:00:16.250000 | PLAY RECAP
"""


class ConsoleTest(unittest.TestCase):
    def test_events(self):
        found = [(event.kind, event.text) for event in Parser().feed(CONSOLE)]
        self.assertEqual(
            [
                ("stage", "PRE-RUN"),
                ("play", "Nodes answer"),
                ("task", "role : Do it"),
                ("stage", "RUN"),
                ("play", "Tempest"),
            ],
            found,
        )

    def test_a_line_may_come_in_pieces(self):
        parser = Parser()
        found = [event for byte in CONSOLE for event in parser.feed(bytes([byte]))]
        self.assertEqual(list(Parser().feed(CONSOLE)), found)

    def test_parts(self):
        parser, parts = Parser(), Parts()
        for event in parser.feed(CONSOLE):
            parts.add(event)
        self.assertEqual(datetime(2026, 11, 23, 7, 0, 16, 250000), parser.last)
        self.assertEqual(
            [("pre-run: Nodes answer", 4.0), ("run: Tempest", 10.25)], parts.seconds(parser.last)
        )

    def test_a_build_that_ran_no_play_has_no_parts(self):
        self.assertEqual([], Parts().seconds(datetime(2026, 11, 23)))
