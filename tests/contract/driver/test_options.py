# SPDX-License-Identifier: Apache-2.0
import ast

import testtools

from hyperv_driver import config, former_options
from tests.contract.driver import compute_hyperv

# Of compute-hyperv 16's packages, by group: nova 28's are among them.
SOURCES = {
    "nova/conf/hyperv.py": {"hyperv_opts": "hyperv"},
    "compute_hyperv/nova/conf.py": {"hyperv_opts": "hyperv", "coordination_opts": "coordination"},
}


def names(path, lists):
    """(group, name) of each option in these lists of a module."""
    for statement in ast.parse((compute_hyperv.packages() / path).read_text()).body:
        group = isinstance(statement, ast.Assign) and lists.get(statement.targets[0].id)
        for option in statement.value.elts if group else ():
            yield group, option.args[0].value


class OptionsTest(testtools.TestCase):
    def test_every_option_of_the_former_drivers_is_known(self):
        known = {(group, name) for group, options in former_options.FORMER.items() for name in options}
        for option in config.OPTIONS:
            known |= {("hyperv", option.name), *(("hyperv", old.name) for old in option.deprecated_opts)}
        former = {option for path, lists in SOURCES.items() for option in names(path, lists)}
        self.assertGreater(len(former), 25)
        self.assertEqual(set(), former - known)
