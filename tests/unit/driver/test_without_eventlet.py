# SPDX-License-Identifier: Apache-2.0
import subprocess
import sys
import textwrap

import testtools

from hyperv_driver.without_eventlet import without_eventlet


class WithoutEventletTest(testtools.TestCase):
    def test_leaves_nothing_behind(self):
        before = sys.modules.get("eventlet")
        with without_eventlet():
            import eventlet
            from eventlet import patcher, tpool

            self.assertIsNot(before, eventlet)
            self.assertIs(sys, patcher.original("sys"))
            self.assertFalse(patcher.is_monkey_patched("thread"))
            self.assertEqual(5, tpool.execute(max, 3, 5))
            self.assertIsNone(eventlet.getcurrent().parent)
        self.assertIs(before, sys.modules.get("eventlet"))

    def test_driver_loads_where_nova_forbids_eventlet(self):
        program = textwrap.dedent("""
            import sys
            from nova import monkey_patch
            monkey_patch.patch(backend="threading")
            import hyperv_driver.clusterdriver
            from os_win import utilsfactory
            for variants in utilsfactory.utils_map.values():
                for variant in variants:
                    utilsfactory.importutils.import_class(variant["path"])
            assert "eventlet" not in sys.modules
        """)
        done = subprocess.run([sys.executable, "-W", "ignore", "-c", program], capture_output=True, text=True)
        self.assertEqual(0, done.returncode, done.stderr)
