# SPDX-License-Identifier: Apache-2.0
"""zuul.d/ and trusted/zuul.d/ hold together: by Zuul's own parsers, and where one object names another."""

import importlib.util
import json
import os
import pathlib
import re
import subprocess
import sys
import unittest

import yaml

TOP = pathlib.Path(__file__).parents[3]
TRUSTED, UNTRUSTED = TOP / "trusted", TOP
FILES = sorted([*TRUSTED.glob("zuul.d/*.yaml"), *UNTRUSTED.glob("zuul.d/*.yaml")])


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


def objects():
    """Yield (file, kind, value) of every object."""
    for path in FILES:
        for item in yaml.safe_load(path.read_text()):
            ((kind, value),) = item.items()
            yield path, kind, value


def listed(value):
    return value if isinstance(value, list) else [] if value is None else [value]


class Parsers(unittest.TestCase):
    def setUp(self):
        self.python = python_with_zuul()
        if self.python is None:
            self.skipTest("no Python with Zuul: run ./hyperv-ci lab once, or set HYPERV_CI_ZUUL_PYTHON")

    def verdicts(self, *paths):
        script = pathlib.Path(__file__).with_name("zuul_parsers.py")
        result = subprocess.run(
            [self.python, script, *paths], capture_output=True, text=True, check=False, timeout=120
        )
        self.assertEqual(0, result.returncode, result.stderr)
        return [(path, verdict) for path, found in json.loads(result.stdout).items() for verdict in found]

    def test_every_object_is_accepted_and_mistakes_are_not(self):
        mistakes = pathlib.Path(__file__).with_name("mistakes.yaml")
        verdicts = self.verdicts(*FILES, mistakes)
        for path, verdict in verdicts:
            with self.subTest(path=path, **verdict):
                if path == str(mistakes):
                    self.assertIsNotNone(verdict["error"])
                else:
                    self.assertIsNone(verdict["error"])
        self.assertLess(len(FILES), len(verdicts))


class CrossReferences(unittest.TestCase):
    """What Zuul's schemas do not see, because it is said in another object."""

    def setUp(self):
        self.by_kind = {}
        for path, kind, value in objects():
            self.by_kind.setdefault(kind, []).append((path, value))

    def names(self, kind):
        return {value["name"] for _path, value in self.by_kind.get(kind, [])}

    def top(self, path):
        return TRUSTED if TRUSTED in path.parents else UNTRUSTED

    def test_parents(self):
        for _path, job in self.by_kind["job"]:
            if job["name"] == "base":
                self.assertIsNone(job["parent"])
            else:
                self.assertIn(job.get("parent", "base"), self.names("job"), job["name"])

    def test_playbooks_and_their_roles(self):
        for path, job in self.by_kind["job"]:
            for key in ("pre-run", "run", "post-run", "cleanup-run"):
                for playbook in listed(job.get(key)):
                    playbook = playbook["name"] if isinstance(playbook, dict) else playbook
                    with self.subTest(job=job["name"], playbook=playbook):
                        self.check_roles(self.top(path), self.top(path) / playbook)

    def check_roles(self, top, playbook):
        text = playbook.read_text()
        named = set(re.findall(r"^\s+(?:- role|name): ([a-z0-9-]+-[a-z0-9-]+)$", text, re.MULTILINE))
        for play in yaml.safe_load(text):
            named |= {role["role"] if isinstance(role, dict) else role for role in play.get("roles", [])}
        for role in named:
            tasks = top / "roles" / role / "tasks/main.yaml"
            self.assertTrue(tasks.is_file(), f"{playbook}: no role {role}")

    def test_nodesets_and_labels(self):
        labels = set(re.findall(r"^  - name: ([\w-]+)$", self.nodepool_labels(), re.MULTILINE))
        nodesets = [value for _path, value in self.by_kind["nodeset"]]
        for path, job in self.by_kind["job"]:
            nodeset = job.get("nodeset")
            if isinstance(nodeset, str):
                self.assertIn(nodeset, self.names("nodeset"), f"{path}: {job['name']}")
            elif nodeset:
                nodesets.append(nodeset)
        for nodeset in nodesets:
            for node in nodeset["nodes"]:
                self.assertIn(node["label"], labels, nodeset)

    def nodepool_labels(self):
        """Return the text of the labels section of Nodepool's configuration."""
        text = (TOP / "nodepool/nodepool.yaml.j2").read_text()
        return re.search(r"^labels:\n((?:[ #].*\n|\n|- .*\n)*)", text, re.MULTILINE)[1]

    def test_secrets(self):
        for path, job in self.by_kind["job"]:
            for secret in listed(job.get("secrets")):
                name = secret if isinstance(secret, str) else secret["secret"]
                self.assertIn(name, self.names("secret"), f"{path}: {job['name']}")

    def test_projects_name_jobs_and_pipelines(self):
        for path, project in self.by_kind["project"]:
            pipelines = {key: value["jobs"] for key, value in project.items() if isinstance(value, dict)}
            self.assertLessEqual(set(pipelines), self.names("pipeline"), path)
            for jobs in pipelines.values():
                for job in jobs:
                    name = next(iter(job)) if isinstance(job, dict) else job
                    self.assertIn(name, self.names("job") | {"noop"}, f"{path}: {project['name']}")

    def test_what_is_trusted_is_in_trusted_alone(self):
        for kind in ("pipeline", "secret"):
            for path, value in self.by_kind.get(kind, []):
                self.assertIn(TRUSTED, path.parents, f"{kind} {value['name']}")
        for path, project in self.by_kind["project"]:
            if project["name"] != "hyperv-ci":
                self.assertIn(TRUSTED, path.parents, f"stanza of {project['name']}")


class Comments(unittest.TestCase):
    """What Gerrit's results table and the people on a change depend on."""

    def setUp(self):
        self.pipelines = {value["name"]: value for _path, kind, value in objects() if kind == "pipeline"}

    def test_first_line_is_the_one_that_the_results_table_reads(self):
        for name, pipeline in self.pipelines.items():
            self.assertNotIn("-", name)
            self.assertEqual(f"Build succeeded ({name} pipeline).", pipeline["success-message"])
            self.assertEqual(f"Build failed ({name} pipeline).", pipeline["failure-message"])

    def test_check_neither_submits_nor_votes_two(self):
        for action in ("success", "failure"):
            report = self.pipelines["check"][action]["gerrit"]
            self.assertEqual({"Verified"}, set(report))
            self.assertIn(report["Verified"], (1, -1))

    def test_recheck(self):
        triggers = self.pipelines["check"]["trigger"]["gerrit"]
        (trigger,) = [trigger for trigger in triggers if trigger["event"] == "comment-added"]
        for comment in (
            "recheck",
            "Recheck",
            "run-hyper-v ci",
            "Patch Set 3:\n\nrecheck",
            "Patch Set 1:\n\nrun-hyper-v ci\n",
            "Patch Set 12: Code-Review+1\n\nrecheck",
            "recheck that was the mirror",
        ):
            self.assertRegex(comment, trigger["comment"])
        for comment in (
            "please recheck",
            "rechecked",
            "I did\n\nrecheck",
            "Patch Set 3: Verified-1\n\nBuild failed (check pipeline).",
        ):
            self.assertNotRegex(comment, trigger["comment"])
