# SPDX-License-Identifier: Apache-2.0
"""What the benchmark makes of a run's phases, and how it looks at memory."""

import io
import subprocess
import sys
import tempfile
import threading
import unittest
from pathlib import Path

from rich.console import Console

from lab import benchmark
from lab.home import Home
from lab.services import processes

TAKEN = {"push": 3.0, "event": 1.0, "nodes": 5.0, "build": 191.0, "report": 0.5}
PLAYS = [
    ("pre-run: Nodes answer", 8.0),
    ("run: Bundles of the sources", 3.0),
    ("run: Control plane and nova-compute", 40.0),
    ("run: Tempest", 130.0),
    ("post-run: Logs of both nodes", 10.0),
]


class FiguresTest(unittest.TestCase):
    def test_every_second_is_in_one_part(self):
        run = benchmark.parts(TAKEN, PLAYS)
        self.assertEqual(
            {
                "outside the nodes' own work": 17.5,
                "both nodes ready": 43.0,
                "tests": 130.0,
                "logs": 10.0,
                "push to vote": 200.5,
            },
            run,
        )

    def test_the_table_holds_medians_against_aims(self):
        run = benchmark.parts(TAKEN, PLAYS)
        runs = [{name: seconds * factor for name, seconds in run.items()} for factor in (1, 2, 3)]
        console = Console(file=io.StringIO(), width=120)
        console.print(benchmark.table(runs, 1024, 4096))
        printed = console.file.getvalue()
        self.assertRegex(printed, r"tests +130\.0 s +260\.0 s +390\.0 s +150 s +1\.73\n")
        self.assertRegex(printed, r"memory, at most +4096 MiB +8192 MiB +0\.50\n")


class MemoryTest(unittest.TestCase):
    def test_without_a_lab_there_is_nothing_to_count(self):
        home = Home(Path(self.enterContext(tempfile.TemporaryDirectory())))
        self.assertEqual(0, benchmark.memory(home))

    def test_a_process_counts_what_it_touched(self):
        program = "held = b'x' * 50_000_000; print('held', flush=True); input()"
        process = subprocess.Popen(
            [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        with process:
            process.stdout.readline()
            self.assertGreater(processes.proportional_memory(process.pid), 48_000)
            process.communicate(b"\n")
        self.assertEqual(0, processes.proportional_memory(process.pid))

    def test_the_watch_keeps_the_largest(self):
        figures = [1.0, 7.0, 2.0]
        seen = threading.Event()

        def look():
            if not figures:
                seen.set()
                return 0.0
            return figures.pop(0)

        with benchmark.Watch(look, interval=0.001) as watch:
            self.assertTrue(seen.wait(10))
        self.assertEqual(7.0, watch.peak)
