# SPDX-License-Identifier: Apache-2.0
"""os-win's hostutils."""

import types

from hyperv_driver.oswin import constants, exceptions


class FakeDevices:
    """os-win's connections to WMI for the host's devices; it has no NUMA nodes."""

    def __init__(self):
        self.devices, self.entities = [], {}

    def Msvm_Memory(self):
        return []

    def Msvm_NumaNode(self):
        return []

    def Msvm_PciExpress(self):
        return self.devices

    def Win32_PnPEntity(self, DeviceID):
        return [self.entities[DeviceID]] if DeviceID in self.entities else []

    def add(self, instance_path, bus, device_and_function, code=0):
        values = {"DEVPKEY_Device_BusNumber": bus, "DEVPKEY_Device_Address": device_and_function}
        properties = [types.SimpleNamespace(KeyName=name, Data=value) for name, value in values.items()]
        self.entities[instance_path] = types.SimpleNamespace(
            GetDeviceProperties=lambda _names: (code, properties)
        )
        self.devices.append(
            types.SimpleNamespace(DeviceInstancePath=instance_path, path_=lambda: instance_path)
        )


class FakeHostUtils:
    def __init__(self):
        self._conn = self._conn_cimv2 = FakeDevices()
        self.guardian = None

    @property
    def _conn_hgs(self):
        if self.guardian is None:
            raise exceptions.OSWinException("Namespace is not supported")
        return self.guardian

    def host_power_action(self, action):
        if action not in ("shutdown", "reboot"):
            raise NotImplementedError(action)

    def get_cpus_info(self):
        return 2 * [
            {
                "Architecture": constants.ARCH_X86_64,
                "Name": "Test CPU",
                "Manufacturer": "Tester",
                "MaxClockSpeed": 2000,
                "NumberOfCores": 4,
                "NumberOfLogicalProcessors": 8,
            }
        ]

    def is_cpu_feature_present(self, feature_key):
        return feature_key == 6

    def get_memory_info(self):
        return 32 * 1024**2, 20 * 1024**2

    def check_min_windows_version(self, major, minor, build=0):
        return [int(number) for number in self.get_windows_version().split(".")] >= [major, minor, build]

    def get_windows_version(self):
        return "10.0.20348"

    def get_host_tick_count64(self):
        return (2 * 86400 + 3661) * 1000
