# SPDX-License-Identifier: Apache-2.0
"""The ports of virtual switches, and the extensions that are bound to a switch.

A connection of a machine is the wish for a port, which it has while the machine is on; the port is named
as the connection is (inferred: os-win looks for it so).
"""

import uuid

from lab import guesses
from lab.hyperv_model.jobs import V2
from lab.hyperv_model.providers import computes

CONNECTION = "Msvm_EthernetPortAllocationSettingData"
CAPTURE, FILTER, FORWARDING = 1, 2, 3  # ExtensionType, documented
ENABLED, DISABLED = 2, 3
EXTERNAL = "_External"  # ends the name of the adapter's port (documented, in Microsoft's samples)
# What a new switch of Windows Server 2022 comes with (documented for Get-VMSwitchExtension, GUIDs for
# Get-HnsNetwork).
EXTENSIONS = {
    "Microsoft NDIS Capture": ("EA24CD6C-D17A-4348-9190-09F0D5BE83DD", CAPTURE, DISABLED),
    "Microsoft Windows Filtering Platform": ("E7C3B2F0-F3C5-48DF-AF2B-10FED6D72E7A", FILTER, ENABLED),
    "Microsoft Azure VFP Switch Extension": ("E9B59CFA-2BE1-4B21-828F-B6FBDBDDC017", FORWARDING, DISABLED),
}


def equip(model, switch, name):
    """Give a new external switch the port of its adapter, and its extensions.

    :param switch: its Name, a GUID
    :param name: its ElementName
    """
    _add(model, switch, f"{name}{EXTERNAL}", uuid.uuid5(uuid.NAMESPACE_OID, switch))
    for title, (identifier, kind, state) in EXTENSIONS.items():
        model.store.add(
            V2,
            "Msvm_EthernetSwitchExtension",
            SystemCreationClassName="Msvm_VirtualEthernetSwitch",
            SystemName=switch,
            CreationClassName="Msvm_EthernetSwitchExtension",
            Name=identifier,
            ElementName=title,
            Description=title,
            Version=f"{model.facts.version}.1",
            Vendor="Microsoft",
            EnabledState=state,
            ExtensionType=kind,
        )


def update(model, machine):
    """Let the machine have the ports that it should have now."""
    for port in machine.switch_ports:
        model.store.remove(port)
    machine.switch_ports = [
        _add(model, switch["Name"], connection["ElementName"], _identifier(connection))
        for connection in machine.of(CONNECTION)
        if machine.is_active and connection["EnabledState"] == ENABLED
        for switch in (model.store.at(path, V2) for path in filter(None, connection["HostResource"] or ()))
    ]


@computes("Msvm_EthernetSwitchPort")
def port_of_a_machine(model, port):
    if not port["ElementName"].endswith(EXTERNAL):
        model.guesses.meet(guesses.SWITCH_PORTS_OF_RUNNING)


def _identifier(connection):
    return uuid.uuid5(uuid.NAMESPACE_OID, connection["InstanceID"])


def _add(model, switch, name, identifier):
    identifier = str(identifier).upper()
    return model.store.add(
        V2,
        "Msvm_EthernetSwitchPort",
        SystemCreationClassName="Msvm_VirtualEthernetSwitch",
        SystemName=switch,
        CreationClassName="Msvm_EthernetSwitchPort",
        DeviceID=f"Microsoft:{identifier}",
        Name=identifier,
        ElementName=name,
        EnabledState=ENABLED,
        HealthState=5,
    )
