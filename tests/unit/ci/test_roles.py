# SPDX-License-Identifier: Apache-2.0
"""Every role says what it does and what it takes, and keeps to its own names."""

import pathlib
import re
import unittest

import yaml

TOP = pathlib.Path(__file__).parents[3]
FOLDERS = (TOP / "roles", TOP / "trusted/roles")
ROLES = sorted(path.parents[1] for folder in FOLDERS for path in folder.glob("*/tasks/main.yaml"))


class Roles(unittest.TestCase):
    def test_there_are_roles(self):
        self.assertLess(10, len(ROLES))

    def test_every_role_has_a_readme_with_all_its_defaults(self):
        for role in ROLES:
            with self.subTest(role=role.name):
                readme = (role / "README.rst").read_text()
                documented = set(re.findall(r"^ *\.\. zuul:rolevar:: (\w+)$", readme, re.MULTILINE))
                defaults = role / "defaults/main.yaml"
                names = set(yaml.safe_load(defaults.read_text()) if defaults.exists() else {})
                self.assertLessEqual(names, documented, "defaults that README.rst does not explain")

    def test_variables_carry_the_name_of_their_role(self):
        for role in ROLES:
            prefix = role.name.replace("-", "_")
            for path in (*role.glob("defaults/*.yaml"), *role.glob("vars/*.yaml")):
                for name in yaml.safe_load(path.read_text()):
                    self.assertTrue(name.startswith(prefix), f"{path}: {name}")

    def test_roles_for_nodes_know_nothing_of_the_lab(self):
        for role in ROLES:
            for path in role.rglob("*"):
                if path.suffix in (".yaml", ".j2", ".ps1", ".py"):
                    self.assertNotRegex(
                        path.read_text(),
                        r"lab\.windows|windows_s(andbox|hims)|hyperv_model|HYPERV_CI_HOME",
                        str(path),
                    )
