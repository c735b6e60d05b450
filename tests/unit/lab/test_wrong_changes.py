# SPDX-License-Identifier: Apache-2.0
"""The driver has what the lab's wrong changes of it replace: those tests run too seldom to find out."""

import testtools

from tests.lab.command import CHECKOUT
from tests.lab_long import test_wrong_changes


class WrongChangesTest(testtools.TestCase):
    def test_each_replaces_one_place(self):
        for file, former, _new in (test_wrong_changes.NO_DISK, test_wrong_changes.DISKS_LEFT):
            self.assertEqual(1, (CHECKOUT / "hyperv_driver" / file).read_text().count(former), former)
