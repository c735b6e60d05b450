# SPDX-License-Identifier: Apache-2.0
"""Metrics of machines, disks and ports, from when their collection is enabled.

No guest runs here, so processors, disks and networks stay at 0; a machine that is on has its memory.
"""

import typing

from lab.hyperv_model import networking, storage
from lab.hyperv_model.cim import timestamp
from lab.hyperv_model.errors import CimError
from lab.hyperv_model.jobs import V2
from lab.hyperv_model.machine import machine_of
from lab.hyperv_model.providers import computes, provides

SERVICE = "Msvm_MetricService"
BASE, AGGREGATION = "Msvm_BaseMetric", "Msvm_AggregationMetric"
ENABLE, DISABLE, RESET = 2, 3, 4  # MetricCollectionEnabled (documented)
FAILED = 2  # of ControlMetrics (documented)
METER = 3  # Action of a port's ACL
MACHINE, PORT = "Msvm_ComputerSystem", "Msvm_EthernetPortAllocationSettingData"
MEMORY = "Aggregated Average Memory Utilization"


class Metric(typing.NamedTuple):
    kind: str
    subject: str
    units: str
    direction: int | None = None


# By ElementName. Names and what they are of are inferred from os-win, kinds from ceilometer's specification
# of disk.iops and a library that lists both (Viridian); units documented for Measure-VM.
METRICS = {
    "Aggregated Average CPU Utilization": Metric(AGGREGATION, MACHINE, "MHz"),
    MEMORY: Metric(AGGREGATION, MACHINE, "MB"),
    "Filtered Incoming Network Traffic": Metric(BASE, PORT, "MB", direction=1),
    "Filtered Outgoing Network Traffic": Metric(BASE, PORT, "MB", direction=2),
    "Disk Data Read": Metric(BASE, storage.SASD, "MB"),
    "Disk Data Written": Metric(BASE, storage.SASD, "MB"),
    "Average Disk Latency": Metric(AGGREGATION, storage.SASD, "microseconds"),
    "Average Normalized Disk Throughput": Metric(AGGREGATION, storage.SASD, "I/O operations per second"),
}


def install(model):
    model.store.add_service(V2, SERVICE, "metricsvc", "Hyper-V Metric Service")
    for number, (name, metric) in enumerate(METRICS.items()):
        model.store.add(
            V2,
            f"{metric.kind}Definition",
            InstanceID=f"Microsoft:Definition\\Metric\\{number}",
            Id=f"Microsoft:Metric\\{number}",
            Caption=name,
            ElementName=name,
            Name=name,
            Units=metric.units,
        )


@provides(f"{SERVICE}.ControlMetrics")
def control_metrics(model, service, Subject, Definition, MetricCollectionEnabled):
    """Documented: without a definition it is about all that the subject has, without a subject about all that
    have the definition; a definition that is not of the subject's kind makes it fail. The metrics of a port
    are of the ACLs that meter it (inferred: os-win reads them there).
    """
    if MetricCollectionEnabled not in (ENABLE, DISABLE, RESET) or not (Subject or Definition):
        return {"ReturnValue": FAILED}
    subjects = [Subject] if Subject else _subjects(model)
    found = [
        (subject, definition)
        for subject in subjects
        for definition in model.store.of(V2, "CIM_BaseMetricDefinition")
        if subject.definition.is_a(METRICS[definition["ElementName"]].subject)
        and (Definition is None or definition is Definition)
        and _is_measured(model, subject)
    ]
    if Subject and not found:
        return {"ReturnValue": FAILED}
    for subject, definition in found:
        for element in _measured(model, subject, METRICS[definition["ElementName"]]):
            _control(model, element, definition, MetricCollectionEnabled)
    return {}


def _subjects(model):
    return [
        subject
        for machine in model.machines.values()
        for subject in (machine.system, *machine.parts.values())
    ]


def _is_measured(model, subject):
    """The host, templates, checkpoints and planned machines are not (inferred: none of them ever runs)."""
    try:
        machine = machine_of(model, subject)
    except CimError:
        return False
    if machine.system.class_name != MACHINE:
        return False
    return subject is machine.system or subject["InstanceID"] in machine.parts


def _measured(model, subject, metric):
    if metric.direction is None:
        return [subject]
    prefix = subject["InstanceID"] + "\\"
    return [
        acl
        for acl in model.store.of(V2, networking.ACLS[1], Action=METER, Direction=metric.direction)
        if acl["InstanceID"].startswith(prefix)
    ]


def _control(model, element, definition, wanted):
    identifier = f"{element['InstanceID'] or 'Microsoft:' + element['Name']}\\{definition['Id']}"
    (value,) = model.store.of(V2, "CIM_BaseMetricValue", InstanceID=identifier) or [None]
    if value and wanted == DISABLE:
        model.store.remove(value)
    elif value and wanted == RESET:
        # documented for Reset-VMResourceMetering: what was collected goes, the collecting goes on
        value.update(MetricValue="0", TimeStamp=timestamp())
    elif wanted == ENABLE and value is None:
        value = model.store.add(
            V2,
            f"{METRICS[definition['ElementName']].kind}Value",
            InstanceID=identifier,
            ElementName=definition["ElementName"],
            MetricDefinitionId=definition["Id"],
            MeasuredElementName=element["ElementName"],
            TimeStamp=timestamp(),
            MetricValue="0",
        )
        model.store.add(V2, "Msvm_MetricForME", Antecedent=element.path, Dependent=value.path)


@computes("Msvm_AggregationMetricValue")
def memory_in_use(model, value):
    machine = model.machines.get(value["InstanceID"].removeprefix("Microsoft:").partition("\\")[0])
    if machine and machine.is_active and value["ElementName"] == MEMORY:
        value["MetricValue"] = str(machine.of("Msvm_MemorySettingData")[0]["VirtualQuantity"])
