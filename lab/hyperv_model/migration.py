# SPDX-License-Identifier: Apache-2.0
"""What a host says of live migration: whether it is enabled, and on which of its addresses."""

import ipaddress

from lab.hyperv_model import embedded, errors
from lab.hyperv_model.errors import CimError
from lab.hyperv_model.jobs import INVALID_PARAMETER, V2, JobFailure
from lab.hyperv_model.providers import provides

SERVICE = "Msvm_VirtualSystemMigrationService"
SETTINGS = "Msvm_VirtualSystemMigrationServiceSettingData"
NETWORK = "Msvm_VirtualSystemMigrationNetworkSettingData"
CREDSSP, KERBEROS = 0, 1  # documented: AuthenticationType
TYPES = {
    32768: "Virtual System",
    32769: "Storage",
    32770: "Staged",
    32771: "Virtual System And Storage",
}  # documented


def install(model):
    """As Windows is installed: storage may be moved, machines may not (documented for Enable-VMMigration)."""
    service = model.store.add_service(V2, SERVICE, "migrationwmi", "Hyper-V Migration Service")
    service["MigrationServiceListenerIPAddressList"] = []
    model.store.add(
        V2,
        SETTINGS,
        InstanceID=f"Microsoft:{model.name}\\Migration",
        EnableVirtualSystemMigration=False,
        MaximumActiveVirtualSystemMigration=2,
        MaximumActiveStorageMigration=2,
        AuthenticationType=CREDSSP,
    )
    for number, name in TYPES.items():
        model.store.add(
            V2,
            "Msvm_VirtualSystemMigrationSettingData",
            InstanceID=f"Microsoft:Definition\\Migration\\{number}",
            ElementName=name,
            MigrationType=number,
            TransportType=5,
            EnableCompression=True,
        )


def allow(model):
    """Allow live migration over any network with Kerberos, as Enable-VMMigration and Set-VMHost leave it.

    Returns whether that changed anything.
    """
    (service,), (settings,) = model.store.of(V2, SERVICE), model.store.of(V2, SETTINGS)
    listening = [model.facts.address]
    enabled = {"EnableVirtualSystemMigration": True, "AuthenticationType": KERBEROS}
    is_listening = service["MigrationServiceListenerIPAddressList"] == listening
    if is_listening and enabled.items() <= settings.values.items():
        return False
    settings.update(**enabled)
    service["MigrationServiceListenerIPAddressList"] = listening
    return True


def is_enabled(model):
    (settings,) = model.store.of(V2, SETTINGS)
    return settings["EnableVirtualSystemMigration"]


def listener_addresses(model):
    """The addresses that this host takes machines at; none while it takes none."""
    (service,) = model.store.of(V2, SERVICE)
    return service["MigrationServiceListenerIPAddressList"] if is_enabled(model) else []


@provides(f"{SERVICE}.ModifyServiceSettings")
def modify_service_settings(model, service, ServiceSettingData):
    wanted = embedded.read(ServiceSettingData, model.store, V2, SETTINGS)
    (settings,) = model.store.of(V2, SETTINGS)
    changes = {name: value for name, value in wanted.values.items() if value is not None}
    if changes.get("InstanceID", settings["InstanceID"]) != settings["InstanceID"]:
        raise CimError(errors.INVALID_PARAMETER, f"{wanted['InstanceID']} is not {settings['InstanceID']}")
    return model.jobs.run(f"{SERVICE}.ModifyServiceSettings", [], lambda: settings.update(**changes))


@provides(f"{SERVICE}.AddNetworkSettings")
def add_network_settings(model, service, NetworkSettings):
    """The host listens on its own addresses in the networks that are given (documented for
    Add-VMMigrationNetwork).
    """
    wanted = [embedded.read(text, model.store, V2, NETWORK) for text in NetworkSettings or []]

    def work():
        for settings in wanted:
            subnet = f"{settings['SubnetNumber']}/{settings['PrefixLength']}"
            try:
                network = ipaddress.ip_network(subnet)
            except ValueError:
                raise JobFailure(f"{subnet} is no network.", INVALID_PARAMETER) from None
            settings["InstanceID"] = f"Microsoft:{model.name}\\Migration\\{subnet}"
            if model.store.of(V2, NETWORK, InstanceID=settings["InstanceID"]):
                raise JobFailure(f"The network {subnet} is there already.", INVALID_PARAMETER)
            model.store.insert(settings)
            if ipaddress.ip_address(model.facts.address) in network:
                listening = service["MigrationServiceListenerIPAddressList"]
                service["MigrationServiceListenerIPAddressList"] = [*listening, model.facts.address]

    return model.jobs.run(f"{SERVICE}.AddNetworkSettings", [], work)
