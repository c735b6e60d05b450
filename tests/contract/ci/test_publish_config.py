# SPDX-License-Identifier: Apache-2.0
"""The job publish-config: what it pushes is what the lab publishes itself, and nothing if nothing differs."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

from lab import config_project

TOP = Path(__file__).parents[3]
PUSHED = "refs/for/master%submit,l=Code-Review+2,l=Verified+2"


class PublishConfig(unittest.TestCase):
    def setUp(self):
        self.folder = Path(self.enterContext(tempfile.TemporaryDirectory()))
        self.source = self.folder / "src/hyperv-ci"
        self.project = self.folder / "src/hyperv-ci-config"
        shutil.copytree(TOP / "trusted", self.source / "trusted")
        self.git(self.source, "init", "--quiet")
        self.git(self.source, "add", "--all")
        self.commit = self.commit_all(self.source)
        self.git(self.folder, "init", "--quiet", "--bare", "gerrit.git")
        self.project.mkdir()
        self.git(self.project, "init", "--quiet", "--initial-branch", "master")
        (self.project / "old.yaml").write_text("old\n")
        self.commit_all(self.project)

    def git(self, folder, *arguments):
        command = ["git", "-C", folder, "-c", "user.name=t", "-c", "user.email=t@invalid", *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    def commit_all(self, folder):
        self.git(folder, "add", "--all")
        self.git(folder, "commit", "--quiet", "--message", "a commit")
        return self.git(folder, "rev-parse", "HEAD")

    def publish(self, build="b1"):
        names = {"hyperv-ci": self.commit, "hyperv-ci-config": "-"}
        projects = {
            name: {"name": name, "src_dir": f"src/{name}", "commit": commit} for name, commit in names.items()
        }
        zuul = {"build": build, "projects": projects, "executor": {"work_root": str(self.folder)}}
        variables = {
            "zuul": zuul,
            "site_publish_ssh_config": "/nowhere",
            "publish_config_remote": str(self.folder / "gerrit.git"),
            "ansible_python_interpreter": sys.executable,
        }
        programs = Path(sys.executable).parent
        (self.folder / "ansible.cfg").touch()
        environment = os.environ | {
            "PATH": f"{programs}:{os.environ['PATH']}",
            "ANSIBLE_CONFIG": str(self.folder / "ansible.cfg"),
            "ANSIBLE_ROLES_PATH": str(TOP / "trusted/roles"),
            "LC_ALL": "C.UTF-8",
        }
        playbook = TOP / "trusted/playbooks/publish/config.yaml"
        command = ["ansible-playbook", "-i", "localhost,", "-c", "local", "-e", json.dumps(variables)]
        ended = subprocess.run(
            [*command, playbook], env=environment, capture_output=True, text=True, check=False, timeout=180
        )
        self.assertEqual(0, ended.returncode, ended.stdout + ended.stderr)

    def pushed(self):
        return self.git(self.folder / "gerrit.git", "for-each-ref", "--format=%(refname)").splitlines()

    def test_what_is_pushed(self):
        self.publish()
        self.assertEqual([PUSHED], self.pushed())
        gerrit = self.folder / "gerrit.git"
        self.assertEqual(
            config_project.tree(self.source, self.commit), self.git(gerrit, "rev-parse", f"{PUSHED}^{{tree}}")
        )
        message = self.git(gerrit, "log", "-1", "--format=%B%an", PUSHED)
        self.assertRegex(message, rf"\Atrusted/ of hyperv-ci {self.commit}\n\nChange-Id: I[0-9a-f]{{40}}\n")
        self.assertIn(config_project.settings()["ci_name"], message)

    def test_nothing_is_pushed_twice(self):
        self.publish()
        self.git(self.folder / "gerrit.git", "update-ref", "-d", PUSHED)
        self.publish("b2")
        self.assertEqual([], self.pushed())
