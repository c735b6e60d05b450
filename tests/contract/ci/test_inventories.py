# SPDX-License-Identifier: Apache-2.0
"""The inventories that the documentation shows, as Ansible reads them with the job's own variables."""

import json
import os
import pathlib
import subprocess
import sys
import unittest

TOP = pathlib.Path(__file__).parents[3]
INVENTORIES = sorted((TOP / "doc/source/inventories").glob("*.yaml"))
# What group_vars takes from Zuul, and an inventory has to say where there is none.
OF_ZUUL = (
    "nova_source",
    "hyperv_ci_source",
    "run_work",
    "run_logs",
    "winrm_certificate",
    "winrm_certificate_key",
)


def ansible(program, *arguments):
    return subprocess.run(
        [pathlib.Path(sys.executable).with_name(program), *arguments],
        cwd=TOP,
        env=os.environ
        | {"LC_ALL": "C.UTF-8", "HOME": "/home/me", "ANSIBLE_CONFIG": str(TOP / "ansible.cfg")},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


class Inventories(unittest.TestCase):
    def test_there_are_two(self):
        self.assertEqual(["lab.yaml", "own-host.yaml"], [path.name for path in INVENTORIES])

    def test_nothing_of_zuul_is_missing(self):
        playbook = TOP / "playbooks/hyperv-tempest/run.yaml"
        shown = ", ".join(f"'{name}': {name}" for name in (*OF_ZUUL, "run_secrets", "wheelhouse_platform"))
        for path in INVENTORIES:
            with self.subTest(inventory=path.name):
                result = ansible(
                    "ansible",
                    "all",
                    *("--inventory", path, "--playbook-dir", playbook.parent, "--connection", "local"),
                    *(
                        "--module-name",
                        "ansible.builtin.debug",
                        "--args",
                        f"msg={{{{ {{{shown}}} | to_json }}}}",
                    ),
                    "--one-line",
                )
                self.assertEqual(0, result.returncode, result.stdout + result.stderr)
                lines = result.stdout.strip().splitlines()
                self.assertEqual(["controller", "hyperv"], sorted(line.split()[0] for line in lines))
                for line in lines:
                    said = json.loads(line.partition(" => ")[2])["msg"]
                    values = said if isinstance(said, dict) else json.loads(said)
                    for name in OF_ZUUL:
                        self.assertTrue(values[name].startswith("/home/me/"), f"{name}: {values[name]}")
