# SPDX-License-Identifier: Apache-2.0
"""What a log page says of a build, and the revisions that it was made of."""

import functools
import http.server
import json
import tempfile
import threading
import unittest
from pathlib import Path

import yaml
from rich.console import Console

from lab import reproduce
from lab.commands import git
from lab.errors import LabError
from lab.home import Home
from lab.pair import Pair
from lab.projects import IDENTITY

NOVA, DRIVER = "openstack/nova", "hyperv-ci"


class SilentHandler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


class ReproduceCase(unittest.TestCase):
    """A Gerrit's repositories on disk, and the page of a build in a folder."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = Path(folder.name)
        self.home = Home(self.root / "home")
        self.page = self.root / "page"
        self.gerrit = self.home.gerrit_site / "git"
        self.heads = {project: self.commit(project, "master") for project in (NOVA, DRIVER)}

    def git(self, project, *words, **options):
        return git(self.gerrit / f"{project}.git", *words, environment=IDENTITY, **options).strip()

    def commit(self, project, file, *parents):
        """Make a commit that has one file more than its first parent, in the project's repository."""
        repository = self.gerrit / f"{project}.git"
        if not repository.exists():
            repository.mkdir(parents=True)
            self.git(project, "init", "--quiet", "--bare")
        blob = self.git(project, "hash-object", "-w", "--stdin", stdin=file)
        known = self.git(project, "ls-tree", parents[0]) + "\n" if parents else ""
        tree = self.git(project, "mktree", stdin=f"{known}100644 blob {blob}\t{file}\n")
        words = [word for parent in parents for word in ("-p", parent)]
        return self.git(project, "commit-tree", tree, *words, "-m", file)

    def publish(self, histories=None, variables=None, tests=None, **zuul):
        """Make the page of a build of the projects' heads, or of what `histories` says instead."""
        lines = {
            project: self.git(project, "log", "--first-parent", "--format=%H %T %P", head).splitlines()
            for project, head in self.heads.items()
        } | (histories or {})
        projects = {
            f"gerrit/{name}": {"name": name, "checkout": "master", "commit": lines[name][0].split()[0]}
            for name in lines
        }
        about = {
            "build": "0f" * 16,
            "job": "hyperv-tempest",
            "project": {"name": NOVA},
            "ref": "refs/heads/master",
        }
        inventory = {"all": {"vars": {"zuul": about | {"projects": projects} | zuul} | (variables or {})}}
        (self.page / "zuul-info").mkdir(parents=True, exist_ok=True)
        (self.page / reproduce.INVENTORY).write_text(yaml.safe_dump(inventory))
        (self.page / reproduce.REVISIONS).write_text(json.dumps(lines))
        if tests:
            results = self.page / reproduce.RESULTS
            results.parent.mkdir(parents=True)
            results.write_text(json.dumps([{"id": name, "status": status} for name, status in tests.items()]))

    def dry_run(self, where=None, **options):
        """Return what a dry run prints."""
        console = Console(width=300)
        with console.capture() as captured:
            build = reproduce.read(str(where or self.page))
            reproduce.run(self.home, console, build, dry_run=True, **{"failing_only": False} | options)
        return captured.get()

    def head(self, project):
        return git(Pair(self.home, "again").source(project), "rev-parse", "HEAD^{tree}", "HEAD").split()


class Page(ReproduceCase):
    def test_dry_run_says_what_it_would_do_and_starts_nothing(self):
        self.publish(
            variables={
                "driver_debug": True,
                "site_log_url": "x",
                "ansible_port": 1,
                "wheelhouse_platform": "y",
                "volume_backend": {},
            }
        )
        said = self.dry_run()
        for project, commit in self.heads.items():
            self.assertRegex(said, rf"{project} +{commit} from the lab's Gerrit")
        self.assertRegex(said, "driver_debug +True")
        for name in ("site_log_url", "ansible_port", "wheelhouse_platform", "volume_backend", "zuul"):
            self.assertNotIn(f"  {name} ", said)
        self.assertIn("the selection of the job", said)
        self.assertFalse(Pair(self.home, "again").is_up)

    def test_failing_tests_alone(self):
        self.publish(tests={"a.good": "success", "a.bad": "fail", "a.worse": "fail"})
        said = self.dry_run(failing_only=True)
        self.assertIn("a.bad", said)
        self.assertNotIn("a.good", said)

    def test_no_failing_tests_to_run_alone(self):
        self.publish(tests={"a.good": "success"})
        with self.assertRaisesRegex(LabError, "no test of build 0f.* failed: --failing-only"):
            self.dry_run(failing_only=True)

    def test_address_of_a_page(self):
        self.publish()
        handler = functools.partial(SilentHandler, directory=self.page)
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.addCleanup(server.server_close)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self.addCleanup(server.shutdown)
        address = f"http://127.0.0.1:{server.server_port}"
        self.assertIn(self.heads[NOVA], self.dry_run(f"{address}/index.html"))
        with self.assertRaisesRegex(
            LabError, "zuul-info/inventory.yaml answers 404: expected the page of a build"
        ):
            reproduce.read(f"{address}/other/")

    def test_server_that_does_not_answer(self):
        with self.assertRaisesRegex(LabError, "http://127.0.0.1:9/zuul-info/inventory.yaml cannot be read"):
            reproduce.read("http://127.0.0.1:9")

    def test_folder_without_a_page(self):
        with self.assertRaisesRegex(LabError, "inventory.yaml does not exist: expected the page of a build"):
            reproduce.read(str(self.root))

    def test_page_of_another_form(self):
        self.publish()
        evil = "all: {vars: {zuul: {projects: {a: {name: a/.., commit: b, checkout: c}}}}}"
        for text in (evil, "- 1", "all: {vars: {}}", "all: {vars: {zuul: {projects: {a: {name: b}}}}}", "{"):
            with self.subTest(text=text):
                (self.page / reproduce.INVENTORY).write_text(text)
                with self.assertRaisesRegex(LabError, "is no page of a build that can be run again"):
                    reproduce.read(str(self.page))

    def test_expressions_of_tests(self):
        self.assertEqual(r"^a\.T\.test_x(\[|$)", reproduce.expression("a.T.test_x"))
        self.assertEqual(r"^a\.T\.", reproduce.expression("setUpClass (a.T)"))


class Revisions(ReproduceCase):
    def test_merge_that_only_zuul_had_is_made_again(self):
        """Zuul merged a change into a master that had gone on; nobody else has that commit."""
        change = self.commit(NOVA, "change", self.heads[NOVA])
        master = self.commit(NOVA, "meanwhile", self.heads[NOVA])
        tree = self.git(NOVA, "merge-tree", "--write-tree", master, change)
        lines = [f"{'a' * 40} {tree} {master} {change}", f"{master} {'b' * 40} {self.heads[NOVA]}"]
        self.publish({NOVA: lines})
        self.dry_run()
        self.assertEqual(tree, self.head(NOVA)[0])
        self.publish({NOVA: [f"{'a' * 40} {'c' * 40} {master} {change}", lines[1]]})
        with self.assertRaisesRegex(
            LabError, f"{NOVA} is gone: the merge of {master} and {change} has the tree"
        ):
            self.dry_run()

    def test_revision_that_is_gone(self):
        self.publish({NOVA: [f"{'a' * 40} {'b' * 40} {'c' * 40}"]})
        with self.assertRaisesRegex(
            LabError, f"the revision of {NOVA} is gone: a{{40}} .* the lab's Gerrit$"
        ):
            self.dry_run()

    def test_revision_in_the_gerrit_that_the_change_is_in(self):
        change = self.commit(NOVA, "change", self.heads[NOVA])
        site = self.root / "site"
        (site / "openstack").mkdir(parents=True)
        for project, head in self.heads.items():
            (self.gerrit / f"{project}.git").rename(site / project)
            git(site / project, "update-ref", "refs/heads/master", head)
        git(site / NOVA, "update-ref", "refs/changes/07/107/2", change)
        self.gerrit.joinpath("openstack").rmdir()
        tree = git(site / NOVA, "rev-parse", f"{change}^{{tree}}").strip()
        driver = git(site / DRIVER, "log", "--format=%H %T %P", self.heads[DRIVER]).splitlines()
        item = {
            "project": {"name": NOVA},
            "change": "107",
            "patchset": "2",
            "change_url": f"file://{site}/c/{NOVA}/+/107",
        }
        self.heads = {}
        lines = {NOVA: [f"{change} {tree} {'d' * 40}"], DRIVER: driver}
        self.publish(lines, items=[item], change="107", patchset="2")
        said = self.dry_run()
        self.assertIn(f"on {NOVA} 107,2", said)
        self.assertIn(f"{change} from file://{site}/{NOVA}", said)
        self.assertEqual([tree, change], self.head(NOVA))
