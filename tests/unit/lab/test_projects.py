# SPDX-License-Identifier: Apache-2.0
"""What `lab import` and `lab push-series` take, and what they refuse."""

import subprocess
import tempfile
import unittest
from pathlib import Path
from unittest import mock

from lab import projects, series
from lab.commands import git
from lab.errors import LabError


class RepositoryTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        self.repository = self.folder / "repository"
        git(self.folder, "init", "--quiet", "--initial-branch", "base", self.repository)
        self.base = self.commit("base")

    def commit(self, subject):
        git(
            self.repository,
            "commit",
            "--quiet",
            "--allow-empty",
            "-m",
            subject,
            environment=projects.IDENTITY,
        )
        return git(self.repository, "rev-parse", "HEAD").strip()

    def bundle(self):
        path = self.folder / "changes.bundle"
        subprocess.run(
            ["git", "-C", self.repository, "bundle", "create", "--quiet", path, "--all"], check=True
        )
        return path

    def test_the_only_branch_needs_no_name(self):
        with projects.opened(self.repository, None) as (repository, revision):
            self.assertEqual((self.repository, "base"), (repository, revision))

    def test_a_bundle(self):
        with projects.opened(self.bundle(), "base") as (repository, revision):
            self.assertEqual(self.base, git(repository, "rev-parse", revision).strip())

    def test_several_branches_need_a_name(self):
        git(self.repository, "branch", "seen")
        for path in (self.repository, self.bundle()):
            with (
                self.assertRaisesRegex(LabError, "has the branches base, seen: name one with --branch"),
                projects.opened(path, None),
            ):
                self.fail("opened")

    def test_no_such_branch(self):
        with (
            self.assertRaisesRegex(LabError, "has no branch x, only base"),
            projects.opened(self.repository, "x"),
        ):
            self.fail("opened")

    def test_no_such_path(self):
        with self.assertRaisesRegex(
            LabError, "nowhere does not exist: expected a git repository or a bundle"
        ):
            projects.opened(self.folder / "nowhere", None).__enter__()

    def test_a_file_that_is_no_bundle(self):
        path = self.folder / "text"
        path.write_text("text")
        with self.assertRaisesRegex(LabError, "text is no git bundle: "):
            projects.opened(path, None).__enter__()

    def test_a_folder_that_is_no_repository(self):
        with self.assertRaisesRegex(LabError, "not a git repository"):
            projects.opened(self.folder, None).__enter__()

    def test_series_has_one_patch_for_each_commit_beyond_master(self):
        for subject in ("first", "second"):
            (self.repository / subject).write_text(subject)
            git(self.repository, "add", subject)
            self.commit(subject)
        with mock.patch.object(projects, "head", return_value=self.base):
            found = [path.name for path in series.patches(None, self.repository, None)]
        self.assertEqual(["0001-first.patch", "0002-second.patch"], found)

    def test_series_that_stands_on_another_base(self):
        with (
            mock.patch.object(projects, "head", return_value="0" * 40),
            self.assertRaisesRegex(LabError, "does not stand on openstack/nova's master, 000000000000"),
        ):
            list(series.patches(None, self.repository, None))

    def test_series_without_commits(self):
        with (
            mock.patch.object(projects, "head", return_value=self.base),
            self.assertRaisesRegex(LabError, "has no commit beyond openstack/nova's master"),
        ):
            list(series.patches(None, self.repository, None))
