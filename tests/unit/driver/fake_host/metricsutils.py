# SPDX-License-Identifier: Apache-2.0
"""os-win's metricsutils."""


class FakeMetricsUtils:
    def __init__(self):
        self.measured = []

    def enable_vm_metrics_collection(self, vm_name):
        self.measured.append(vm_name)
