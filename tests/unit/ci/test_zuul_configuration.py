# SPDX-License-Identifier: Apache-2.0
"""zuul.d/ and trusted/zuul.d/ hold together: by Zuul's own parsers, and where one object names another."""

import importlib.util
import json
import os
import re
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

import yaml

from lab import config_project
from lab.services import accounts, zuul
from tests.unit.ci.references import Configuration

TOP = Path(__file__).parents[3]
TRUSTED = TOP / "trusted"
FILES = sorted([*TRUSTED.glob("zuul.d/*.yaml"), *TOP.glob("zuul.d/*.yaml")])


def python_with_zuul():
    """Return an interpreter that has Zuul: this one, one that the environment names, the lab's; or None."""
    if importlib.util.find_spec("zuul"):
        return sys.executable
    cache = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    home = os.environ.get("HYPERV_CI_HOME") or os.path.join(cache, "hyperv-ci")
    for path in (os.environ.get("HYPERV_CI_ZUUL_PYTHON"), os.path.join(home, "venvs/zuul/bin/python")):
        if path and os.access(path, os.X_OK):
            return path
    return None


def published(path):
    """Return a file as Zuul reads it: those of trusted/ with the settings filled in."""
    text = path.read_text()
    return config_project.filled_in(text, config_project.settings()) if TRUSTED in path.parents else text


class Parsers(unittest.TestCase):
    def setUp(self):
        self.python = python_with_zuul()
        if self.python is None:
            self.skipTest("no Python with Zuul: run ./hyperv-ci lab once, or set HYPERV_CI_ZUUL_PYTHON")

    def verdicts(self, *paths):
        script = Path(__file__).with_name("zuul_parsers.py")
        result = subprocess.run(
            [self.python, script, *paths], capture_output=True, text=True, check=False, timeout=600
        )
        self.assertEqual(0, result.returncode, result.stderr)
        return [(path, verdict) for path, found in json.loads(result.stdout).items() for verdict in found]

    def test_every_object_is_accepted_and_mistakes_are_not(self):
        mistakes = Path(__file__).with_name("mistakes.yaml")
        folder = Path(self.enterContext(tempfile.TemporaryDirectory()))
        files = [folder / str(path.relative_to(TOP)).replace("/", "-") for path in FILES]
        for file, path in zip(files, FILES, strict=True):
            file.write_text(published(path))
        verdicts = self.verdicts(*files, mistakes)
        for path, verdict in verdicts:
            with self.subTest(path=path, **verdict):
                if path == str(mistakes):
                    self.assertIsNotNone(verdict["error"])
                else:
                    self.assertIsNone(verdict["error"])
        self.assertLess(len(FILES), len(verdicts))


def labels():
    """Return the labels of Nodepool's configuration."""
    text = (TOP / "nodepool/nodepool.yaml.j2").read_text()
    section = re.search(r"^labels:\n((?:[ #].*\n|\n|- .*\n)*)", text, re.MULTILINE)[1]
    return set(re.findall(r"^  - name: ([\w-]+)$", section, re.MULTILINE))


def ours():
    """Return what is in this tree."""
    objects = []
    for path in FILES:
        for item in yaml.safe_load(published(path)):
            ((kind, value),) = item.items()
            objects.append((path.parents[1], str(path.relative_to(TOP)), kind, value))
    return objects


class CrossReferences(unittest.TestCase):
    """What Zuul's schemas do not see, because it is said in another object."""

    def setUp(self):
        self.folder = Path(self.enterContext(tempfile.TemporaryDirectory()), accounts.DRIVER)

    def configuration(self, objects, trusted):
        ((tenant,),) = [one.values() for one in zuul.TENANT_CONFIGURATION]
        source = tenant["source"]["gerrit"]
        projects = {*source["config-projects"], accounts.DRIVER, accounts.NOVA}
        return Configuration(objects, labels(), projects, trusted)

    def test_ours_lead_somewhere(self):
        # A stanza in this tree is of the project hyperv-ci, whatever the checkout's folder is called.
        top = Path(self.enterContext(tempfile.TemporaryDirectory()), accounts.DRIVER)
        top.symlink_to(TOP)
        trusted = top / "trusted"
        objects = [(trusted if owner == TRUSTED else top, *rest) for owner, *rest in ours()]
        self.assertEqual([], self.configuration(objects, trusted).check())

    def problems(self, text, trusted=""):
        """Return what is said of objects beside a base job, a pipeline and a nodeset that are well."""
        well = "- job: {name: base, parent: null, nodeset: {nodes: []}}\n- pipeline: {name: check}\n"
        top, config = self.folder, self.folder / "trusted"
        objects = []
        for owner, source in ((config, well + trusted), (top, text)):
            for item in yaml.safe_load(source) or []:
                ((kind, value),) = item.items()
                objects.append((owner, "x.yaml", kind, value))
        return self.configuration(objects, config).check()

    def write(self, path, text):
        (self.folder / path).parent.mkdir(parents=True, exist_ok=True)
        (self.folder / path).write_text(text)

    def test_each_kind_of_mistake_is_seen(self):
        for text, expected in (
            ("- job: {name: a, parent: bsae}", "job a: no job bsae, only a, base"),
            ("- job: {name: a, dependencies: [{name: b}]}", "job a: no job b, only"),
            ("- job: {name: a, nodeset: nowhere}", "job a: no nodeset nowhere"),
            ("- job: {name: a, secrets: [{name: x, secret: y}]}", "job a: no secret y"),
            ("- job: {name: a, required-projects: [openstack/n]}", "no project of the tenant openstack/n"),
            ("- job: {name: a, run: playbooks/none.yaml}", "job a: no playbook playbooks/none.yaml"),
            ("- nodeset: {name: a, nodes: [{name: x, label: hyperv-2021}]}", "no label hyperv-2021"),
            (
                "- nodeset: {name: a, nodes: [{name: x, label: controller}],"
                " groups: [{name: g, nodes: [y]}]}",
                "nodeset a: no node y, only x",
            ),
            ("- project: {name: hyperv-ci, chekc: {jobs: [base]}}", "no pipeline chekc, only check"),
            ("- project: {name: hyperv-ci, check: {jobs: [{bsae: {}}]}}", "no job bsae"),
            ("- project: {name: openstack/nova, check: {jobs: []}}", "only the config project may say"),
            ("- secret: {name: a}", "secret a: only the config project may have one"),
            ("- pipeline: {name: a}", "pipeline a: only the config project may have one"),
        ):
            with self.subTest(text):
                (problem,) = self.problems(text)
                self.assertIn(expected, problem)

    def test_a_trusted_job_cannot_stand_on_one_that_is_not(self):
        (problem,) = self.problems("- job: {name: a}", "- job: {name: b, parent: a}")
        self.assertIn("job b: no job a, only b, base", problem)

    def test_a_variable_that_group_vars_outrank(self):
        self.write("playbooks/p/group_vars/all.yaml", "x: 1")
        (problem,) = self.problems("- job: {name: a, vars: {x: 2, y: 2}}")
        self.assertIn("job a: playbooks/p/group_vars/all.yaml outranks its variable x", problem)

    def test_playbooks(self):
        job = "- job: {name: a, run: p.yaml}"
        for playbook, expected in (
            ("- hosts: hyprev", "p.yaml: no host or group hyprev, only all, localhost"),
            ("- {hosts: all, roles: [r]}", "p.yaml: no role r with main.yaml"),
            ("- {hosts: all, roles: [{role: r}]}", "p.yaml: no role r with main.yaml"),
            (
                "- {hosts: all, tasks: [{block: [], rescue: [{ansible.builtin.include_role: {name: r}}]}]}",
                "p.yaml: no role r with main.yaml",
            ),
            (
                "- {hosts: all, tasks: [{ansible.builtin.include_role: {name: outer, tasks_from: more}}]}",
                "p.yaml: no role outer with more.yaml",
            ),
            ("- {hosts: all, roles: [outer]}", "outer/tasks/main.yaml: no role inner with main.yaml"),
        ):
            with self.subTest(playbook):
                self.write("roles/outer/tasks/main.yaml", "- ansible.builtin.include_role: {name: inner}")
                self.write("p.yaml", playbook)
                (problem,) = self.problems(job)
                self.assertIn(expected, problem)
