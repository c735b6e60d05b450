# SPDX-License-Identifier: Apache-2.0
"""Virtual switches, the adapters and connections of machines, and the features of a connection's port."""

import ipaddress
import re
import uuid

from lab.hyperv_model import embedded, storage, switch_ports
from lab.hyperv_model.errors import CimError
from lab.hyperv_model.jobs import INVALID_PARAMETER, V2, JobFailure
from lab.hyperv_model.machine import SERVICE
from lab.hyperv_model.providers import provides

ADAPTER = "Microsoft:Hyper-V:Synthetic Ethernet Port"
EMULATED_ADAPTER = "Microsoft:Hyper-V:Emulated Ethernet Port"
CONNECTION = "Microsoft:Hyper-V:Ethernet Connection"
PORT_CLASS = "CIM_EthernetPortAllocationSettingData"
NO_ADDRESS = "000000000000"
# How many a machine has at most (documented: "Plan for Hyper-V scalability in Windows Server").
ADAPTERS = {ADAPTER: 8, EMULATED_ADAPTER: 4}

# class → values of a port that nobody configured; documented, less what no client here reads.
FEATURES = {
    "Msvm_EthernetSwitchPortVlanSettingData": {"OperationMode": 1, "AccessVlanId": 0, "NativeVlanId": 0},
    "Msvm_EthernetSwitchPortSecuritySettingData": {
        "AllowMacSpoofing": False,
        "EnableDhcpGuard": False,
        "EnableRouterGuard": False,
        "VirtualSubnetId": 0,
    },
    "Msvm_EthernetSwitchPortOffloadSettingData": {
        "VMQOffloadWeight": 100,
        "IOVOffloadWeight": 0,
        "IOVQueuePairsRequested": 1,
        "IPSecOffloadLimit": 512,
    },
    "Msvm_EthernetSwitchPortProfileSettingData": {},
    "Msvm_EthernetSwitchPortBandwidthSettingData": {
        "Limit": 0,
        "Reservation": 0,
        "BurstLimit": 0,
        "BurstSize": 0,
    },
}
# The features that a port has as many of as were added; defaults documented, addresses inferred (os-win finds
# its meters by an empty RemoteAddress).
ACLS = ("Msvm_EthernetSwitchPortExtendedAclSettingData", "Msvm_EthernetSwitchPortAclSettingData")
FEATURES[ACLS[0]] = {
    **dict.fromkeys(("LocalIPAddress", "RemoteIPAddress", "LocalPort", "RemotePort", "Protocol"), "ANY"),
    **dict.fromkeys(("Direction", "Action", "Weight", "IsolationID"), 0),
    "Stateful": False,
    "IdleSessionTimeout": 255,
}
FEATURES[ACLS[1]] = {
    **dict.fromkeys(("LocalAddress", "RemoteAddress", "Name"), ""),
    **dict.fromkeys(("LocalAddressPrefixLength", "RemoteAddressPrefixLength"), 0),
}
# Values other than null and 0 (documented for Set-VMNetworkAdapterVlan and Set-VMNetworkAdapter).
RANGES = {
    "AccessVlanId": range(1, 4095),
    "NativeVlanId": range(1, 4095),
    "VirtualSubnetId": range(4096, 1 << 24),
    "PrimaryVlanId": range(1, 4095),
    "SecondaryVlanId": range(1, 4095),
    "TrunkVlanIdArray": range(1, 4095),
    "PruneVlanIdArray": range(1, 4095),
    "SecondaryVlanIdArray": range(1, 4095),
    "OperationMode": range(1, 4),  # documented: access, trunk, private
    "Direction": range(1, 3),  # documented: incoming, outgoing
    "Action": range(1, 4),  # documented: allow, deny, meter
}
BANDWIDTH = "Msvm_EthernetSwitchPortBandwidthSettingData"
ABSOLUTE = 2  # BandwidthReservationMode (documented for New-VMSwitch)
OFFLOAD = "Msvm_EthernetSwitchPortOffloadSettingData"


def install(model):
    for switch in model.facts.switches:
        _add_switch(model, switch, model.facts.adapter)
    for class_name, values in FEATURES.items():
        feature = _feature_id(class_name)
        model.store.add(
            V2,
            class_name,
            InstanceID=f"Microsoft:Definition\\{feature}\\Default",
            ElementName=class_name.removeprefix("Msvm_EthernetSwitchPort"),
            **values,
        )


def _add_switch(model, name, adapter):
    """An external switch: connected through two LAN endpoints to a network card of the host (documented)."""
    guid = str(uuid.uuid5(uuid.NAMESPACE_DNS, f"{name}.{model.name}")).upper()
    add = model.store.add
    add(
        V2,
        "Msvm_VirtualEthernetSwitch",
        CreationClassName="Msvm_VirtualEthernetSwitch",
        Name=guid,
        ElementName=name,
        Caption="Virtual Switch",
        Description="Microsoft Virtual Switch (simulated)",
        EnabledState=5,
        HealthState=5,
    )
    add(
        V2,
        "Msvm_VirtualEthernetSwitchSettingData",
        InstanceID=f"Microsoft:{guid}",
        ElementName=name,
        VirtualSystemIdentifier=guid,
        VirtualSystemType="Microsoft:Hyper-V:Switch",
        IOVPreferred=False,
        BandwidthReservationMode=ABSOLUTE,
    )
    add(
        V2,
        "Msvm_EthernetSwitchHardwareOffloadData",
        SystemCreationClassName="Msvm_VirtualEthernetSwitch",
        SystemName=guid,
        CreationClassName="Msvm_EthernetSwitchHardwareOffloadData",
        DeviceID=f"Microsoft:{guid}",
        VmqCapacity=16,
        VmqUsage=0,
        IovVfCapacity=0,
        IovVfUsage=0,
        IovQueuePairCapacity=0,
        IovQueuePairUsage=0,
        IPsecSACapacity=0,
        IPsecSAUsage=0,
    )
    port = add(
        V2,
        "Msvm_ExternalEthernetPort",
        SystemCreationClassName="Msvm_ComputerSystem",
        SystemName=model.name,
        CreationClassName="Msvm_ExternalEthernetPort",
        DeviceID=f"Microsoft:{guid}:{adapter}",
        ElementName=adapter,
        Name=adapter,
        IsBound=True,
        EnabledState=2,
        PermanentAddress="00155D000001",
    )
    outer, inner = (
        add(
            V2,
            "Msvm_LANEndpoint",
            SystemCreationClassName=system_class,
            SystemName=system,
            CreationClassName="Msvm_LANEndpoint",
            Name=f"Microsoft:{guid}:{side}",
            EnabledState=2,
            Connected=True,
        )
        for side, system_class, system in (
            ("external", "Msvm_ComputerSystem", model.name),
            ("switch", "Msvm_VirtualEthernetSwitch", guid),
        )
    )
    add(V2, "Msvm_EthernetDeviceSAPImplementation", Antecedent=port.path, Dependent=outer.path)
    add(V2, "Msvm_ActiveConnection", Antecedent=inner.path, Dependent=outer.path)
    switch_ports.equip(model, guid, name)


def add_adapter(model, machine, wanted):
    sub_type = wanted["ResourceSubType"]
    if sub_type == EMULATED_ADAPTER and machine.generation == 2:
        # documented: Msvm_EmulatedEthernetPort
        raise storage.failure(machine, wanted, "generation 2 has no emulated network adapters")
    if len(machine.of(PORT_CLASS, sub_type)) >= ADAPTERS[sub_type]:
        raise storage.failure(machine, wanted, f"it has {ADAPTERS[sub_type]} already")
    # A dynamic one is made when the machine starts first (documented; zeros: inferred).
    wanted["Address"] = address_of(machine, wanted) if wanted["StaticMacAddress"] else NO_ADDRESS
    adapter = machine.add(storage.named(machine, wanted, storage.new_device()))
    if machine.generation == 2:
        storage.add_boot_source(model, machine, adapter)
    return adapter


def address_of(machine, adapter):
    """Its MAC address as Hyper-V keeps it.

    :raises JobFailure: it is none, or one of a group of adapters (documented: KB 2758965)
    """
    address = re.sub(r"[-:]", "", adapter["Address"] or "").upper()
    if not re.fullmatch(r"[0-9A-F]{12}", address):
        raise storage.failure(
            machine, adapter, f"the MAC address is {adapter['Address']}, expected 12 hex digits"
        )
    if int(address[:2], 16) & 1:
        raise storage.failure(machine, adapter, f"the MAC address {address} is a multicast address")
    return address


def adapters(machine):
    """Its network adapters of every kind."""
    return [part for part in machine.of(PORT_CLASS) if part["ResourceSubType"] in ADAPTERS]


def address_adapters(model, machine, prefix):
    """Give each dynamic adapter that has no address one of the host's 256: Microsoft's prefix, the last two
    octets of the host's address, and one more (documented, and that a machine that gets none does not start).

    :raises JobFailure: they are used up
    """
    start = "00155D" + ipaddress.IPv4Address(model.facts.address).packed[2:].hex().upper()
    for adapter in adapters(machine):
        if adapter["StaticMacAddress"] or adapter["Address"] != NO_ADDRESS:
            continue
        taken = {other["Address"] for each in model.machines.values() for other in adapters(each)}
        free = (address for number in range(256) if (address := f"{start}{number:02X}") not in taken)
        adapter["Address"] = next(free, NO_ADDRESS)
        if adapter["Address"] == NO_ADDRESS:
            raise JobFailure(
                f"{prefix} '{machine.name}' {adapter['ElementName']}: Failed to power on with Error "
                "'Attempt to access invalid address.' ('0x800701E7')"
            )


def add_connection(model, machine, wanted):
    adapter = storage.parent(model, machine, wanted, PORT_CLASS, tuple(ADAPTERS))
    if storage.children(machine, adapter):
        raise storage.failure(machine, wanted, "the adapter has a connection already")
    check_connection(model, machine, wanted)
    wanted.update(Parent=adapter.path, EnabledState=wanted["EnabledState"] or 2)
    connection = machine.add(storage.named(machine, wanted, adapter["InstanceID"].partition("\\")[2] + "\\C"))
    model.store.add(
        V2,
        OFFLOAD,
        InstanceID=f"{connection['InstanceID']}\\{_feature_id(OFFLOAD)}",
        ElementName="Offload",
        **FEATURES[OFFLOAD],
    )
    return connection


def check_connection(model, machine, connection):
    """Refuse a connection to a switch that is not there; none at all is a connection that is not made."""
    for path in filter(None, connection["HostResource"] or ()):
        try:
            switch = model.store.at(path, V2)
        except CimError as error:
            raise storage.failure(machine, connection, f"no virtual switch: {error.message}") from None
        if switch.class_name != "Msvm_VirtualEthernetSwitch":
            raise storage.failure(machine, connection, f"{path} is not a virtual switch")


@provides(f"{SERVICE}.AddFeatureSettings")
def add_feature_settings(model, service, AffectedConfiguration, FeatureSettings):
    """A feature is one per port and class (inferred), but for ACLs. What it leaves out gets the class's
    defaults (inferred: os-win finds its meters by an address that it never set).
    """
    wanted = _features(model, FeatureSettings)
    for feature in wanted:
        defaults = FEATURES[feature.class_name]
        feature.update(**{name: value for name, value in defaults.items() if feature[name] is None})

    def work():
        added = []
        for feature in wanted:
            feature["InstanceID"] = f"{AffectedConfiguration['InstanceID']}\\{_new_id(feature)}"
            if model.store.of(V2, feature.class_name, InstanceID=feature["InstanceID"]):
                raise JobFailure(
                    f"The port '{AffectedConfiguration['ElementName']}' has a {feature.class_name} already.",
                    INVALID_PARAMETER,
                )
            _check_values(AffectedConfiguration["ElementName"], feature)
            _check_extended_acl(model, AffectedConfiguration["ElementName"], feature)
            _check_bandwidth(model, AffectedConfiguration, feature)
            added.append(model.store.insert(feature).path)
        return {"ResultingFeatureSettings": added}

    return model.jobs.run(f"{SERVICE}.AddFeatureSettings", [AffectedConfiguration], work)


@provides(f"{SERVICE}.ModifyFeatureSettings")
def modify_feature_settings(model, service, FeatureSettings):
    wanted = _features(model, FeatureSettings)
    current = [model.store.find(V2, item.class_name, {"InstanceID": item["InstanceID"]}) for item in wanted]

    def work():
        for item, feature in zip(wanted, current, strict=True):
            _check_values(feature["InstanceID"], item)
            changed = feature.copy()
            changed.update(**{name: value for name, value in item.values.items() if value is not None})
            _check_extended_acl(model, feature["InstanceID"], changed)
            feature.update(**changed.values)
        return {"ResultingFeatureSettings": [feature.path for feature in current]}

    return model.jobs.run(f"{SERVICE}.ModifyFeatureSettings", current, work)


@provides(f"{SERVICE}.RemoveFeatureSettings")
def remove_feature_settings(model, service, FeatureSettings):
    def work():
        for feature in FeatureSettings or []:
            remove_features(model, feature)
            model.store.remove(feature)

    return model.jobs.run(f"{SERVICE}.RemoveFeatureSettings", [], work)


def remove_features(model, part):
    """Take away what belongs to a part of a machine, or to a feature: features and metrics."""
    prefix = part["InstanceID"] + "\\"
    for class_name in ("Msvm_FeatureSettingData", "CIM_BaseMetricValue"):
        for instance in model.store.of(V2, class_name):
            if instance["InstanceID"].startswith(prefix):
                model.store.remove(instance)


def _check_values(port, feature):
    for name, allowed in RANGES.items():
        found = feature.values.get(name) or ()
        for value in found if isinstance(found, list) else filter(None, [found]):
            if value not in allowed:
                raise JobFailure(
                    f"The port '{port}': {name} is {value}, expected {allowed[0]} to {allowed[-1]}.",
                    INVALID_PARAMETER,
                )


def _check_extended_acl(model, port, feature):
    """Documented for Add-VMNetworkAdapterExtendedAcl, but that weights differ: inferred from
    Remove-VMNetworkAdapterExtendedAcl, to which direction and weight name one.
    """
    if feature.class_name != ACLS[0]:
        return
    for name, (holds, expected) in EXTENDED_ACL.items():
        if feature[name].upper() != "ANY" and not holds(feature[name].upper()):
            raise JobFailure(
                f"The port '{port}': {name} is {feature[name]}, expected {expected} or ANY.",
                INVALID_PARAMETER,
            )
    of_port = feature["InstanceID"].rpartition("\\")[0] + "\\"
    place = {name: feature[name] for name in ("Direction", "Weight")}
    for other in model.store.of(V2, ACLS[0], **place):
        if other["InstanceID"] != feature["InstanceID"] and other["InstanceID"].startswith(of_port):
            raise JobFailure(f"The port '{port}' has an ACL of {place} already.", INVALID_PARAMETER)


def _is_network(text):
    try:
        ipaddress.ip_interface(text)
    except ValueError:
        return False
    return True


def _is_port_range(text):
    first, dash, last = text.partition("-")
    numbers = [int(part) if part.isdecimal() else -1 for part in ((first, last) if dash else (first,))]
    return numbers == sorted(numbers) and all(0 <= number < 1 << 16 for number in numbers)


def _is_protocol(text):
    return text in ("TCP", "UDP") or (text.isdecimal() and int(text) < 256)


# property → what holds of its values other than ANY, and how that is said.
EXTENDED_ACL = {
    "LocalIPAddress": (_is_network, "an address or a subnet"),
    "RemoteIPAddress": (_is_network, "an address or a subnet"),
    "LocalPort": (_is_port_range, "a port or a range"),
    "RemotePort": (_is_port_range, "a port or a range"),
    "Protocol": (_is_protocol, "TCP, UDP, a number"),
}


def _check_bandwidth(model, connection, feature):
    """Bits per second can be reserved on a switch in absolute mode only (documented for New-VMSwitch); the
    code is inferred: os-win takes it for a wrong rule.
    """
    if feature.class_name != BANDWIDTH or not feature["Reservation"]:
        return
    for path in filter(None, connection["HostResource"] or ()):
        switch = model.store.at(path, V2)
        settings = model.store.find(
            V2, "Msvm_VirtualEthernetSwitchSettingData", {"InstanceID": f"Microsoft:{switch['Name']}"}
        )
        if settings["BandwidthReservationMode"] != ABSOLUTE:
            raise JobFailure(
                f"The port '{connection['ElementName']}' cannot reserve bandwidth: the switch "
                f"'{switch['ElementName']}' is not in absolute mode. ('0x80070057')",
                INVALID_PARAMETER,
            )


def _features(model, texts):
    return [
        embedded.read(text, model.store, V2, "Msvm_EthernetSwitchPortFeatureSettingData")
        for text in texts or []
    ]


def _new_id(feature):
    return str(uuid.uuid4()).upper() if feature.class_name in ACLS else _feature_id(feature.class_name)


def _feature_id(class_name):
    return str(uuid.uuid5(uuid.NAMESPACE_OID, class_name)).upper()
