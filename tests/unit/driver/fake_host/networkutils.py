# SPDX-License-Identifier: Apache-2.0
"""os-win's networkutils."""

import types

from hyperv_driver.oswin import exceptions


class FakeNetworkUtils:
    def __init__(self, vmutils, switches=("external",)):
        self._vmutils = vmutils
        self._switches = switches
        self.external = list(switches)
        self._conn = types.SimpleNamespace(Msvm_VirtualEthernetSwitch=self._list_switches)

    def _list_switches(self, _fields):
        return [types.SimpleNamespace(ElementName=name) for name in self._switches]

    def get_vswitch_external_network_name(self, vswitch_name):
        return "a network card" if vswitch_name in self.external else None

    def _nic(self, name):
        for vm in self._vmutils.vms.values():
            if name in vm["nics"]:
                return vm["nics"][name]
        raise exceptions.HyperVvNicNotFound(vnic_name=name)

    def get_vswitch_id(self, vswitch_name):
        if vswitch_name not in self._switches:
            raise exceptions.HyperVvSwitchNotFound(vswitch_name=vswitch_name)
        return vswitch_name

    def connect_vnic_to_vswitch(self, vswitch_name, switch_port_name):
        self._nic(switch_port_name)["switch"] = vswitch_name

    def set_vswitch_port_vlan_id(self, vlan_id=None, switch_port_name=None):
        self._nic(switch_port_name)["vlan"] = vlan_id

    def remove_switch_port(self, switch_port_name, vnic_deleted=False):
        for vm in self._vmutils.vms.values():
            vm["nics"].get(switch_port_name, {}).pop("switch", None)
