# SPDX-License-Identifier: Apache-2.0
"""Has Hyper-V measure instances, for others to read; nova itself does not ask for it."""

import threading

import nova.conf

CONF = nova.conf.CONF


class MetricsOps:
    def __init__(self, metricsutils):
        self._metricsutils = metricsutils
        # os-win takes the metrics' definitions for known while another thread still reads them.
        self._lock = threading.Lock()

    def collect(self, name):
        """Have the processors, memory and disks of a virtual machine measured, if the operator wants that.

        What is measured already goes on. Hyper-V ends it for a machine that is off, and has none for new
        disks (source: compute-hyperv 16).
        """
        if CONF.hyperv.enable_instance_metrics_collection:
            with self._lock:
                self._metricsutils.enable_vm_metrics_collection(name)
