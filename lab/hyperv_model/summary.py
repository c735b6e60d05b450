# SPDX-License-Identifier: Apache-2.0
"""GetSummaryInformation: the quick way to a machine's state; only what was asked for is filled in
(documented).
"""

from lab.hyperv_model.errors import INVALID_PARAMETER, CimError
from lab.hyperv_model.jobs import V2
from lab.hyperv_model.machine import SERVICE, machine_of
from lab.hyperv_model.providers import provides

# The numbers of RequestedInformation (documented) that are simulated.
INFORMATION = {
    0: ("Name", lambda machine: machine.guid),
    1: ("ElementName", lambda machine: machine.name),
    2: ("CreationTime", lambda machine: machine.settings["CreationTime"]),
    3: ("Notes", lambda machine: "\n".join(machine.settings["Notes"] or ())),
    4: ("NumberOfProcessors", lambda machine: machine.of("Msvm_ProcessorSettingData")[0]["VirtualQuantity"]),
    10: ("Version", lambda machine: machine.settings["Version"]),
    11: ("Shielded", lambda machine: False),
    100: ("EnabledState", lambda machine: machine.state),
    101: ("ProcessorLoad", lambda machine: 0 if machine.is_active else None),
    103: ("MemoryUsage", lambda machine: memory_mb(machine) if machine.is_active else None),
    104: (
        "Heartbeat",
        lambda machine: (2 if machine.run.guest_answers else 12) if machine.is_active else None,
    ),
    105: ("UpTime", lambda machine: int(machine.run.on_time * 1000) if machine.run else 0),
    109: ("HealthState", lambda machine: machine.system["HealthState"]),
    110: ("OperationalStatus", lambda machine: machine.operational_status),
    111: ("StatusDescriptions", lambda machine: machine.system["StatusDescriptions"]),
}


def install(model):
    """Nothing of its own is in the repository."""


def memory_mb(machine):
    return machine.of("Msvm_MemorySettingData")[0]["VirtualQuantity"]


@provides(f"{SERVICE}.GetSummaryInformation")
def get_summary_information(model, service, SettingData, RequestedInformation):
    """No SettingData means every machine (documented)."""
    unknown = sorted(set(RequestedInformation or ()) - INFORMATION.keys())
    if unknown:
        raise CimError(INVALID_PARAMETER, f"GetSummaryInformation of {unknown} is not simulated")
    machines = [machine_of(model, settings) for settings in SettingData or ()] or [
        machine for machine in model.machines.values() if machine.system.class_name == "Msvm_ComputerSystem"
    ]
    return {
        "SummaryInformation": [_summary(model, machine, RequestedInformation or ()) for machine in machines]
    }


def _summary(model, machine, requested):
    values = dict(INFORMATION[number] for number in requested)
    return model.store.build(
        V2,
        "Msvm_SummaryInformation",
        InstanceID=machine.settings["InstanceID"],
        **{name: value(machine) for name, value in values.items()},
    )
