# SPDX-License-Identifier: Apache-2.0
"""An instance's network adapters: one for each Neutron port, named by the port's id."""

import contextlib

import nova.conf
from nova import exception
from nova.network import model
from oslo_log import log as logging

from hyperv_driver import oswin, powerops
from hyperv_driver.oswin import constants
from hyperv_driver.vif_details import WIRED_BY_AGENT

CONF = nova.conf.CONF
LOG = logging.getLogger(__name__)


class NetworkOps:
    def __init__(self, vmutils, networkutils):
        self._vmutils = vmutils
        self._networkutils = networkutils

    def check_switch(self):
        """:raises nova.exception.InvalidConfiguration: none is configured, and the host has no external one.
        :raises os_win.exceptions.HyperVvSwitchNotFound: the host has no such switch.
        """
        self._networkutils.get_vswitch_id(self._switch())

    def _switch(self):
        """The virtual switch of adapters that no agent wires; without a name, as nova 28 documented, the
        first external one.
        """
        switch = CONF.hyperv.vswitch_name or next(oswin.external_switches(self._networkutils), None)
        if not switch:
            raise exception.InvalidConfiguration(
                "[hyperv] vswitch_name is not set, and the host has no external virtual switch"
            )
        return switch

    def adapters(self, network_info):
        """MAC addresses of the adapters for these ports, by the adapters' names."""
        for vif in network_info:
            if vif["type"] != model.VIF_TYPE_HYPERV:
                raise exception.VirtualInterfacePlugException(
                    f"port {vif['id']} is bound as {vif['type']}, expected {model.VIF_TYPE_HYPERV}"
                )
        return {vif["id"]: vif["address"] for vif in network_info}

    def connect(self, network_info):
        """Connect existing adapters to the virtual switch, each in its VLAN, if they are not yet.

        Those that an agent wires are left to it: it knows their switch.
        """
        for vif in network_info:
            if is_wired_by_agent(vif):
                continue
            self._networkutils.connect_vnic_to_vswitch(self._switch(), vif["id"])
            vlan = (vif.get("details") or {}).get(model.VIF_DETAILS_VLAN)
            if vlan:
                self._networkutils.set_vswitch_port_vlan_id(int(vlan), vif["id"])

    def attach(self, instance, vif):
        """Add an adapter and connect it; a generation 1 machine must be off for that.

        :raises nova.exception.InterfaceAttachFailed:
        """
        self._check_changeable(instance, f"attach port {vif['id']} to", exception.InterfaceAttachFailed)
        with contextlib.ExitStack() as undo:
            undo.callback(self._vmutils.destroy_nic, instance.name, vif["id"])
            for name, address in self.adapters([vif]).items():
                self._vmutils.create_nic(instance.name, name, address)
            self.connect([vif])
            undo.pop_all()

    def detach(self, instance, vif):
        """Disconnect an adapter and take it away; it may be gone already.

        :raises nova.exception.InterfaceDetachFailed:
        """
        self._check_changeable(instance, f"detach port {vif['id']} from", exception.InterfaceDetachFailed)
        self.unplug([vif])
        self._vmutils.destroy_nic(instance.name, vif["id"])

    def plug(self, instance, network_info):
        """What nova asks for at its start, for each instance that it has on this host."""
        if not self._vmutils.vm_exists(instance.name):
            LOG.warning("No adapter to connect: Hyper-V has no such virtual machine.", instance=instance)
            return
        self.connect(network_info)

    def unplug(self, network_info):
        """Disconnect adapters; those that are gone, with their virtual machine perhaps, are disconnected."""
        for vif in network_info:
            self._networkutils.remove_switch_port(vif["id"])

    def _check_changeable(self, instance, action, refusal):
        state = self._vmutils.get_vm_state(instance.name)
        if state == powerops.OFF:
            return
        name = powerops.NAMES.get(state, state)
        if self._vmutils.get_vm_generation(instance.name) == constants.VM_GEN_1:
            raise refusal(f"cannot {action} {instance.name}: it is of generation 1 and {name}, needs Off")
        if state == powerops.SAVED:
            raise refusal(f"cannot {action} {instance.name}: it is {name}, needs Off or Running")


def is_wired_by_agent(vif):
    """Whether an agent on the host connects this port's adapter, rather than nova-compute."""
    return bool((vif.get("details") or {}).get(WIRED_BY_AGENT))
