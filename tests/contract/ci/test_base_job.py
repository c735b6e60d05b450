# SPDX-License-Identifier: Apache-2.0
"""The base job's pre-run against a simulated Windows host."""

import json
import os
import re
import subprocess

from tests.contract.ci.windows_node import BUILD, TOP, WindowsNodeCase


class BaseJob(WindowsNodeCase):
    @classmethod
    def projects(cls, work):
        """One project whose commit stands on another one."""
        source = work / "src/openstack/nova"
        author = ["-c", "user.name=t", "-c", "user.email=t@invalid"]
        subprocess.run(["git", "init", "--quiet", source], check=True)
        for message in ("one", "two"):
            commit = ["git", "-C", source, *author, "commit", "--quiet", "--allow-empty", "-m", message]
            subprocess.run(commit, check=True)
        return {"gerrit/openstack/nova": {"name": "openstack/nova", "src_dir": "src/openstack/nova"}}

    def setUp(self):
        agent = subprocess.run(["ssh-agent", "-s"], capture_output=True, text=True, check=True).stdout
        for name, value in re.findall(r"(SSH_\w+)=([^;]+);", agent):
            os.environ[name] = value
            self.addCleanup(os.environ.pop, name)
        self.addCleanup(subprocess.run, ["ssh-agent", "-k"], check=True, capture_output=True)
        master = self.folder / "master-ssh"
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", master], check=True)
        subprocess.run(["ssh-add", "-q", master], check=True)

    def test_build_gets_credentials_of_its_own_and_loses_the_executors(self):
        self.assert_succeeds(self.run_playbook(TOP / "trusted/playbooks/base/pre.yaml"))
        log = ["git", "-C", self.folder / "work/src/openstack/nova", "log", "--format=%H %T %P"]
        history = subprocess.run(log, capture_output=True, text=True, check=True).stdout.splitlines()
        revisions = json.loads((self.folder / "work/logs/zuul-info/revisions.json").read_text())
        self.assertEqual({"openstack/nova": history}, revisions)
        agent = subprocess.run(["ssh-add", "-L"], capture_output=True, text=True, check=True).stdout
        self.assertEqual((self.folder / "work/ssh/build.pub").read_text(), agent)
        build = self.folder / "work/winrm"
        for private in (build / "build.key", self.folder / "work/ssh/build"):
            self.assertEqual(0o600, private.stat().st_mode & 0o777)
        playbook = self.folder / "who.yaml"
        playbook.write_text("""
- hosts: hyperv
  gather_facts: false
  tasks:
    - ansible.windows.win_command: cmd.exe /c echo %USERNAME%
      register: who
    - ansible.builtin.debug:
        msg: "It is {{ who.stdout }}"
""")
        certificate = {
            "ansible_winrm_cert_pem": str(build / "build.pem"),
            "ansible_winrm_cert_key_pem": str(build / "build.key"),
        }
        result = self.run_playbook(playbook, **certificate)
        self.assert_succeeds(result)
        self.assertIn(f"It is build-{BUILD[:12]}", result.stdout)
        # Another build's certificate opens nothing.
        self.certify("administrator", self.folder / "other")
        certificate = {
            "ansible_winrm_cert_pem": str(self.folder / "other.pem"),
            "ansible_winrm_cert_key_pem": str(self.folder / "other.key"),
        }
        self.assert_fails(self.run_playbook(playbook, **certificate), "UNREACHABLE")
