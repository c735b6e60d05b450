# SPDX-License-Identifier: Apache-2.0
"""What the playbooks are given on nodes outside of Zuul."""

import tempfile
import unittest
from pathlib import Path
from unittest import mock

from lab import pair
from lab.commands import git
from lab.home import Home
from lab.projects import IDENTITY


class PairTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.checkout = Path(folder.name, "checkout")
        self.checkout.mkdir()
        git(self.checkout, "init", "--quiet")
        (self.checkout / "file").write_text("committed\n")
        (self.checkout / ".gitignore").write_text("ignored\n")
        git(self.checkout, "add", "--all")
        git(self.checkout, "commit", "--quiet", "--message", "one", environment=IDENTITY)
        self.enterContext(mock.patch.object(pair, "CHECKOUT", self.checkout))
        self.pair = pair.Pair(Home(Path(folder.name, "home")), "try")
        self.pair.clear()

    def taken(self, *words):
        return git(self.pair.source("hyperv-ci"), *words)

    def test_working_tree_is_taken_as_it_is_and_left_as_it_is(self):
        (self.checkout / "file").write_text("not committed\n")
        (self.checkout / "new").write_text("new\n")
        (self.checkout / "ignored").write_text("no\n")
        before = git(self.checkout, "status", "--porcelain=v2"), git(self.checkout, "count-objects")
        self.pair.take_working_tree()
        self.assertEqual(".gitignore\nfile\nnew\n", self.taken("ls-tree", "--name-only", "HEAD"))
        self.assertEqual("not committed\n", self.taken("show", "HEAD:file"))
        after = git(self.checkout, "status", "--porcelain=v2"), git(self.checkout, "count-objects")
        self.assertEqual(before, after)
        (self.checkout / "new").unlink()
        self.pair.take_working_tree()
        self.assertEqual(".gitignore\nfile\n", self.taken("ls-tree", "--name-only", "HEAD"))

    def test_chosen_tests(self):
        variables = self.pair.chosen(["^a$", "b"])
        self.assertEqual("^a$\nb\n", Path(variables["tempest_selection"]).read_text())
        for name in ("tempest_exclusions", "tempest_expected"):
            self.assertEqual("", Path(variables[name]).read_text())
