# SPDX-License-Identifier: Apache-2.0
import testtools

from lab import host_benchmark


class TestHostBenchmark(testtools.TestCase):
    """That it measures what it says, not how much."""

    def test_module_call(self):
        self.assertTrue(all(host_benchmark.module_call(1)))

    def test_list_instances(self):
        self.assertTrue(all(host_benchmark.list_instances(3, 1)))
