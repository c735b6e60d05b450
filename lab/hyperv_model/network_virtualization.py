# SPDX-License-Identifier: Apache-2.0
"""Hyper-V Network Virtualization (NVGRE): records and routes that clients list and delete. They are kept, no
packet follows them. The host's own adapter at the first switch, and its address.
"""

from lab.hyperv_model.host import STANDARD
from lab.hyperv_model.providers import provides

IPV4 = 2
MANAGEMENT_INDEX = 100
VIRTUAL_ADAPTER = "Hyper-V Virtual Ethernet Adapter"
RECORDS = ("ProviderAddress", "ProviderRoute", "CustomerRoute", "LookupRecord")


def install(model):
    """A virtual adapter that shares the switch with machines is called "vEthernet (SWITCH)" (documented)."""
    switch = model.facts.switches[0]
    model.store.add(
        STANDARD,
        "MSFT_NetAdapter",
        CreationClassName="MSFT_NetAdapter",
        DeviceID="{management}",
        SystemCreationClassName="CIM_NetworkPort",
        SystemName=model.name,
        Name=f"vEthernet ({switch})",
        InterfaceDescription=VIRTUAL_ADAPTER,
        DriverDescription=VIRTUAL_ADAPTER,
        InterfaceIndex=MANAGEMENT_INDEX,
        MediaConnectState=1,
    )
    model.store.add(
        STANDARD,
        "MSFT_NetIPAddress",
        Name=model.facts.address,
        IPAddress=model.facts.address,
        PrefixLength=24,
        InterfaceIndex=MANAGEMENT_INDEX,
        AddressFamily=IPV4,
    )


def _delete(model, record):
    model.store.remove(record)


for _record in RECORDS:
    provides(f"MSFT_NetVirtualization{_record}SettingData.DeleteInstance")(_delete)
