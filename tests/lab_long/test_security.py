# SPDX-License-Identifier: Apache-2.0
"""What a change to this repository may alter, and what the code that it brings can reach."""

import json
import urllib.request
from pathlib import Path

from lab.nodes import Nodes
from lab.services import accounts, gerrit, zookeeper, zuul
from tests.lab.command import CHECKOUT
from tests.lab_long.review import ReviewTest

# Lines that a change adds to zuul.d/, and what Zuul says of them.
REFUSED = {
    "the base job, weakened": (
        "- job:\n    name: base\n    parent: null\n    attempts: 1\n",
        "Base jobs may only be defined in config projects",
    ),
    "a pipeline of one's own": (
        "- pipeline:\n    name: mine\n    manager: independent\n    trigger: {}\n",
        "Pipelines may not be defined",
    ),
    "another job for nova": (
        "- project:\n    name: openstack/nova\n    check:\n      jobs:\n        - noop\n",
        "the only project definition permitted is\\s+that of the project itself",
    ),
    "the publishing of logs, before review": (
        "- job:\n    name: mine\n    parent: publish-config\n    post-review: false\n",
        "final|post-review",
    ),
}
# What it tries and may do, so that a broken attempt is not taken for a refusal.
ALLOWED = {
    "executor": {"its own work", "Gerrit in public", "its own node"},
    "node": {"its own work", "Gerrit in public"},
}

PLAYBOOK = """\
- name: Attempts from the executor's sandbox
  hosts: localhost
  gather_facts: false
  environment:
    OWN_NODE: "{{ hostvars['controller'].ansible_host }}:{{ hostvars['controller'].ansible_port }}"
    WORK: "{{ zuul.executor.work_root }}"
  tasks:
    - name: Try
      ansible.builtin.command:
        argv: [python3, "{{ playbook_dir }}/attempts.py", "{{ playbook_dir }}/lab.json"]
      register: got
    - name: Keep what was got
      ansible.builtin.copy:
        content: "{{ got.stdout_lines | last }}"
        dest: "{{ zuul.executor.log_root }}/executor.json"

- name: Attempts from a node
  hosts: controller
  gather_facts: false
  environment:
    OWN_NODE: "{{ hostvars['controller'].ansible_host }}:{{ hostvars['controller'].ansible_port }}"
    WORK: "{{ zuul.executor.work_root }}"
  tasks:
    - name: Bring them
      ansible.builtin.copy:
        src: "{{ playbook_dir }}/{{ item }}"
        dest: /tmp/
      loop: [attempts.py, lab.json]
    - name: Try
      ansible.builtin.command:
        argv: [python3, /tmp/attempts.py, /tmp/lab.json]
      register: got
    - name: Keep what was got
      ansible.builtin.copy:
        content: "{{ got.stdout_lines | last }}"
        dest: "{{ zuul.executor.log_root }}/node.json"
      delegate_to: localhost
"""


class SecurityTest(ReviewTest):
    def test_configuration_that_zuul_refuses(self):
        for what, (lines, words) in REFUSED.items():
            with self.subTest(what):
                change = self.propose(accounts.DRIVER, {"zuul.d/mine.yaml": lines})
                self.wait_for(lambda change=change: self.remarks(change), 60)
                self.assertRegex("\n".join(self.remarks(change)), words)
                self.assertEqual([], self.builds(change))

    def test_what_a_job_cannot_reach(self):
        """While another build has nodes of its own."""
        other = self.propose(accounts.NOVA, {"nova/virt/driver.py": "# Nothing works with this.\n"})
        self.wait_for(lambda: [node for node in Nodes(self.home.nodes).list() if node.is_ready()][1:], 120)
        change = self.propose(
            accounts.DRIVER,
            {
                "playbooks/unit/run.yaml": PLAYBOOK,
                "playbooks/unit/attempts.py": (Path(__file__).parent / "attempts.py").read_text(),
                "playbooks/unit/lab.json": json.dumps(self.lab()),
            },
        )
        self.wait_for(lambda: self.said(change), 300)
        (build,) = self.builds(change)
        for place, allowed in ALLOWED.items():
            with urllib.request.urlopen(f"{build['log_url']}{place}.json") as answer:
                got = json.load(answer)
            self.assertGreater(len(got), 15)
            self.assertEqual(allowed, {what for what, it_got in got.items() if it_got is not None}, got)
        self.assertEqual(-1, self.wait_for(lambda: self.vote(other), 600))

    def lab(self):
        """Return what the attempts are to be made at."""
        state = self.home
        nodes = Nodes(state.nodes).list()
        secret = [state.tls, state.keys, state.accounts, state.database, state.gerrit_site, state.zookeeper]
        secret += [
            state.nodepool,
            state.logs,
            state.mails,
            state.nodes,
            state.venvs,
            Path.home() / ".ssh",
        ]
        secret += [state.zuul / name for name in ("zuul.conf", "git", "merger")]
        return {
            "builds": str(state.zuul / "builds"),
            "secret": [str(path) for path in secret],
            "foreign": [str(path) for path in (state.site, state.images, CHECKOUT)],
            "gerrit": gerrit.URL,
            "gerrit_ssh": gerrit.SSH_PORT,
            "zookeeper": [zookeeper.ADDRESS, zookeeper.PORT],
            "zuul": zuul.URL,
            "nodes": [[node.address, node.port] for node in nodes],
        }
