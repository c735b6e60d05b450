# SPDX-License-Identifier: Apache-2.0
"""Zones of the DNS Server role, on hosts that have it; no name is resolved.

The methods return nothing on Windows; PyMI shows that as True (inferred from PyMI's own workaround).
"""

from lab.hyperv_model import errors
from lab.hyperv_model.errors import CimError
from lab.hyperv_model.providers import provides

NAMESPACE = "root/MicrosoftDNS"
PRIMARY, SECONDARY, STUB, FORWARD = range(4)  # ZoneType of CreateZone (documented)
ZONE = "MicrosoftDNS_Zone"
CHANGEABLE = {"AllowUpdate", "DisableWINSRecordReplication", "Notify", "Reverse", "SecureSecondaries"}
NOTHING = {"ReturnValue": True}


def install(model):
    if not model.facts.dns_server:
        model.store.hide(NAMESPACE)


@provides(f"{ZONE}.CreateZone")
def create_zone(model, target, ZoneName, ZoneType, DsIntegrated, DataFileName, IpAddr, AdminEmailName):
    """Documented: all but primary zones need the address of a master; the directory needs a domain."""
    if ZoneType not in (PRIMARY, SECONDARY, STUB, FORWARD) or (ZoneType != PRIMARY and not IpAddr):
        raise CimError(
            errors.INVALID_PARAMETER, f"a zone of type {ZoneType} with the masters {IpAddr or 'none'}"
        )
    if DsIntegrated:
        raise CimError(errors.FAILED, f"{ZoneName} cannot be in the directory: {model.name} is in no domain")
    keys = {"ContainerName": ZoneName, "DnsServerName": model.name}
    zone = model.store.add(
        NAMESPACE,
        ZONE,
        **keys,
        Name=ZoneName,
        ZoneType=ZoneType,
        DsIntegrated=False,
        DataFile=DataFileName or f"{ZoneName}.dns",
        MasterServers=IpAddr,
        Reverse=ZoneName.lower().endswith(".arpa"),
        AllowUpdate=0,
        Notify=1,
        SecureSecondaries=0,
    )
    if ZoneType == PRIMARY:
        model.store.add(
            NAMESPACE,
            "MicrosoftDNS_SOAType",
            **keys,
            DomainName=ZoneName,
            OwnerName=ZoneName,
            SerialNumber=1,
            PrimaryServer=f"{model.name.lower()}.",
            ResponsibleParty=AdminEmailName or "hostmaster.",
        )
    return {**NOTHING, "RR": zone.path}


@provides(f"{ZONE}.PutInstance")
def change_zone(model, zone, values):
    changes = {name: value for name, value in values.items() if value is not None and value != zone[name]}
    fixed = sorted(changes.keys() - CHANGEABLE)
    if fixed:
        raise CimError(errors.INVALID_PARAMETER, f"{', '.join(fixed)} of {zone['Name']} cannot be changed")
    zone.update(**changes)


@provides(f"{ZONE}.DeleteInstance")
def delete_zone(model, zone):
    for record in model.store.of(NAMESPACE, "MicrosoftDNS_SOAType", ContainerName=zone["Name"]):
        model.store.remove(record)
    model.store.remove(zone)


@provides(f"{ZONE}.UpdateFromDS")
def update_from_directory(model, zone):
    raise CimError(errors.FAILED, f"{zone['Name']} is not in the directory")


@provides(f"{ZONE}.ForceRefresh")
def force_refresh(model, zone):
    """Documented: of secondary zones; nobody answers at the masters' addresses here, so nothing comes."""
    if zone["ZoneType"] not in (SECONDARY, STUB):
        raise CimError(errors.FAILED, f"{zone['Name']} has no master to be refreshed from")
    return NOTHING


@provides(f"{ZONE}.ReloadZone")
def reload_zone(model, zone):
    return NOTHING
