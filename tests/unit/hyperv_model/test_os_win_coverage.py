# SPDX-License-Identifier: Apache-2.0
import ast
import unittest

from tests import os_win_coverage
from tests.os_win_refusals import PENDING, REFUSED


class OsWinCoverageTest(unittest.TestCase):
    maxDiff = None

    def setUp(self):
        self.known = {
            (name, function) for name, found in os_win_coverage.functions().items() for function in found
        }
        self.called = os_win_coverage.called()
        self.refused = os_win_coverage.by_function(REFUSED)
        self.pending = os_win_coverage.by_function(PENDING)

    def test_every_function_is_called_or_refused(self):
        self.assertEqual([], sorted(self.known - self.called - self.refused.keys() - self.pending.keys()))

    def test_what_is_called_is_not_refused(self):
        self.assertEqual([], sorted(self.called & (self.refused.keys() | self.pending.keys())))

    def test_what_is_refused_exists_and_has_one_reason(self):
        self.assertEqual([], sorted((self.refused.keys() | self.pending.keys()) - self.known))
        self.assertEqual(set(), self.refused.keys() & self.pending.keys())
        self.assertEqual([], [names for _, names, reason in REFUSED + PENDING if len(reason) < 20])

    def test_no_more_than_a_tenth_is_refused(self):
        self.assertLessEqual(len(self.refused), len(self.known) / 10)


class CountingTest(unittest.TestCase):
    def calls(self, code):
        return set(os_win_coverage.calls(ast.parse(code)))

    def test_a_call_names_the_class(self):
        self.assertEqual(
            {("VMUtils", "vm_exists"), ("VHDUtils", "get_vhd_type"), ("ISCSIInitiatorUtils", "get_targets")},
            self.calls(
                "self.os_win.vmutils.vm_exists('x')\n"
                "utils = vhdutils.VHDUtils()\n"
                "utils.get_vhd_type('x')\n"
                "utilsfactory.get_iscsi_initiator_utils().get_targets()"
            ),
        )

    def test_what_is_inherited_is_its_owners(self):
        self.assertEqual(
            {("MigrationUtils", "planned_vm_exists"), ("VMUtils", "add_pci_device")},
            self.calls("livemigrationutils.planned_vm_exists('x')\nVMUtils10().add_pci_device('x', 1, 2)"),
        )

    def test_the_same_name_on_something_else_is_no_call(self):
        self.assertEqual(set(), self.calls("shutil.rmtree('x')\nvmutils.rmtree('x')\nVMUtils.vm_exists"))
