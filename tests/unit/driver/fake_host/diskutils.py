# SPDX-License-Identifier: Apache-2.0
"""os-win's diskutils."""

from hyperv_driver.oswin import constants

GIB = 1024**3


class FakeDiskUtils:
    new_disk_policy = constants.DISK_POLICY_OFFLINE_SHARED

    def __init__(self, connectors):
        self._connectors = connectors

    def get_new_disk_policy(self):
        return self.new_disk_policy

    def get_device_number_from_device_name(self, device_name):
        return device_name.removeprefix(r"\\.\PHYSICALDRIVE")

    def get_disk_size(self, disk_number):
        return self._connectors.sizes[int(disk_number)]

    def get_disk_capacity(self, path):
        return 500 * GIB, 100 * GIB
