# SPDX-License-Identifier: Apache-2.0
"""A virtual machine as the families of classes see it: its instances, its state, and what of it runs."""

import contextlib
import re
import typing

from lab.hyperv_model import errors
from lab.hyperv_model.cim import timestamp
from lab.hyperv_model.errors import CimError
from lab.hyperv_model.jobs import V2, JobFailure
from lab.hyperv_model.states import OFF, SAVED

SERVICE = "Msvm_VirtualSystemManagementService"
GENERATIONS = {"Microsoft:Hyper-V:SubType:1": 1, "Microsoft:Hyper-V:SubType:2": 2}
# OperationalStatus[1] while a machine is being exported or migrated; what can be interrupted stands beside OK
# (documented).
EXPORTING, MIGRATING = 32773, 32774
# Documented values: OK.
HEALTHY = {"HealthState": 5, "OperationalStatus": [2], "StatusDescriptions": ["Operating normally"]}

_OWNER = re.compile(r"Microsoft:([0-9A-F-]{36})", re.I)


class Kept(typing.NamedTuple):
    """What a checkpoint holds that none of its instances says.

    :ivar on_time: seconds that the machine had run for; None: it was off
    :ivar key_protector: as VirtualMachine has it
    """

    on_time: float | None
    key_protector: list | None


class VirtualMachine:
    """A machine's instances, and what of it runs.

    :ivar system: its Msvm_ComputerSystem
    :ivar settings: its Msvm_VirtualSystemSettingData
    :ivar parts: its resources' setting data, by InstanceID
    :ivar switch_ports: its ports of virtual switches; see switch_ports.update
    :ivar key_protector: bytes that protect its virtual TPM's state, or None
    :ivar under_way: EXPORTING or MIGRATING while it is, or None
    :ivar kept: Kept of each of its checkpoints, by their InstanceIDs
    :ivar run: what runs while it is on (power.Run), or None
    """

    def __init__(self, model, system, settings):
        self._model = model
        self.system = system
        self.settings = settings
        self.parts = {}
        self.switch_ports = []
        self.key_protector = None
        self.under_way = None
        self.kept = {}
        self.run = None

    @property
    def guid(self):
        return self.system["Name"]

    @property
    def name(self):
        return self.settings["ElementName"]

    @property
    def generation(self):
        return GENERATIONS[self.settings["VirtualSystemSubType"]]

    @property
    def state(self):
        return self.system["EnabledState"]

    @state.setter
    def state(self, state):
        self.system.update(EnabledState=state, TimeOfLastStateChange=timestamp())
        self.recover()

    @property
    def operational_status(self):
        """OperationalStatus with what is under way."""
        return [*self.system["OperationalStatus"], *filter(None, [self.under_way])]

    @contextlib.contextmanager
    def during(self, status):
        """Show what is under way meanwhile."""
        self.under_way = status
        try:
            yield
        finally:
            self.under_way = None

    def recover(self):
        """Be healthy; see disk_space."""
        self.system.update(**HEALTHY)

    @property
    def is_active(self):
        """Whether a worker process holds its disks and memory: neither off nor saved."""
        return self.state not in (OFF, SAVED)

    def of(self, class_name, sub_type=None):
        """Its resources of a class, and of a ResourceSubType if given, in the order they were added."""
        return [
            part
            for part in self.parts.values()
            if sub_type in (None, part.values["ResourceSubType"]) and part.definition.is_a(class_name)
        ]

    def add(self, part):
        self._model.store.insert(part)
        self.parts[part["InstanceID"]] = part
        self._model.store.add(
            V2,
            "Msvm_VirtualSystemSettingDataComponent",
            GroupComponent=self.settings.path,
            PartComponent=part.path,
        )
        return part

    def discard(self, part):
        del self.parts[part["InstanceID"]]
        self._model.store.remove(part)

    def check_there(self):
        """:raises JobFailure: it was deleted since the job that is about it began"""
        if self._model.machines.get(self.guid) is not self:
            raise JobFailure(f"The virtual machine '{self.name}' was deleted. ('0x80070490')")

    def unplug(self):
        """End what runs, as a power cut does."""
        if self.run:
            self.run.unplug_ports()
            self.run = None


def machine_of(model, instance):
    """The machine that a system, its settings or one of its resources belongs to.

    :raises CimError: it belongs to none, as the host itself and templates do
    """
    owner = _OWNER.match(instance.values.get("InstanceID") or "")
    name = owner[1] if owner else instance.values.get("Name") or ""
    machine = model.machines.get(name.upper())
    if machine is None:
        raise CimError(errors.INVALID_PARAMETER, f"{instance.path} belongs to no virtual machine")
    return machine
