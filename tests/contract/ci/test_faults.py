# SPDX-License-Identifier: Apache-2.0
"""The roles that tell infrastructure from the change, against a simulated Windows host."""

import textwrap

import yaml

from tests.contract.ci.windows_node import WindowsNodeCase

# As run.yaml has it. zuul_return is Zuul's: here it is a module that takes the same.
RESCUED = """
- hosts: hyperv
  gather_facts: false
  strategy: free
  tasks:
    - block:
        - name: What fails
          ansible.windows.win_command: cmd.exe /c exit 3
      rescue:
        - ansible.builtin.include_role:
            name: repeat-run
          vars:
            repeat_run_phase: control plane
            repeat_run_reason: "{{ ansible_failed_task.name }}: {{ ansible_failed_result.msg }}"
          when: repeated
        - name: Name what failed
          ansible.builtin.fail:
            msg: "{{ ansible_failed_task.name }} failed"
"""
# As run.yaml has it after Tempest: what failed on another node may be the Windows host's death.
ASKED = """
- hosts: all
  gather_facts: false
  tasks:
    - when: inventory_hostname == 'localhost'
      block:
        - name: What fails
          ansible.builtin.fail:
      rescue:
        - ansible.windows.win_ping:
          delegate_to: hyperv
          vars:
            ansible_port: "{{ port }}"
        - name: Name what failed
          ansible.builtin.fail:
            msg: "{{ ansible_failed_task.name }} failed"
"""
ZUUL_RETURN = """\
from ansible.module_utils.basic import AnsibleModule
module = AnsibleModule({"data": {"type": "dict"}})
module.exit_json(said=module.params["data"]["verdict"]["fault"])
"""


class Faults(WindowsNodeCase):
    def test_a_node_with_room(self):
        self.assert_succeeds(self.run_role("disk-space", disk_space_path="C:\\", disk_space_needed=1))

    def test_a_node_without(self):
        result = self.run_role("disk-space", disk_space_path="C:\\", disk_space_needed=10**9)
        self.assert_fails(result, "MiB free, a run needs 1000000000")
        self.assertNotIn("UNREACHABLE", result.stdout)

    def rescued(self, **variables):
        (self.folder / "library").mkdir(exist_ok=True)
        (self.folder / "library/zuul_return.py").write_text(textwrap.dedent(ZUUL_RETURN))
        playbook = self.folder / "rescued.yaml"
        playbook.write_text(RESCUED)
        return self.run_playbook(playbook, **variables)

    def test_a_run_to_repeat_loses_its_node(self):
        result = self.rescued(repeated=True)
        # Ansible's exit code for hosts that could not be reached.
        self.assertEqual(4, result.returncode, result.stdout)
        self.assertRegex(result.stdout, r"hyperv +: .*unreachable=1 +failed=0")
        self.assertNotIn("Name what failed", result.stdout)

    def test_a_run_that_the_change_broke_does_not(self):
        result = self.rescued(repeated=False)
        self.assertEqual(2, result.returncode, result.stdout)
        self.assertIn("What fails failed", result.stdout)
        self.assertNotIn("UNREACHABLE", result.stdout)

    def asked(self, port):
        playbook = self.folder / "asked.yaml"
        playbook.write_text(ASKED)
        path = self.folder / "inventory.yaml"
        both = yaml.safe_load(path.read_text())
        both["all"]["hosts"]["localhost"] = {"ansible_connection": "local"}
        path.write_text(yaml.safe_dump(both))
        return self.run_playbook(playbook, port=port)

    def test_tests_that_failed_because_the_windows_host_died(self):
        result = self.asked(1)
        self.assertEqual(4, result.returncode, result.stdout)
        self.assertNotIn("Name what failed", result.stdout)

    def test_tests_that_failed_by_themselves(self):
        result = self.asked(self.port)
        self.assertEqual(2, result.returncode, result.stdout)
        self.assertIn("What fails failed", result.stdout)
