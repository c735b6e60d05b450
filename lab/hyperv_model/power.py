# SPDX-License-Identifier: Apache-2.0
"""Starting, stopping, pausing and saving virtual machines; the guest's shutdown service."""

import time

from lab import guesses
from lab.hyperv_model import (
    devices,
    errors,
    networking,
    passthrough,
    resources,
    security,
    storage,
    switch_ports,
)
from lab.hyperv_model.cim import timestamp
from lab.hyperv_model.errors import CimError
from lab.hyperv_model.jobs import FAILED, INVALID_PARAMETER, INVALID_STATE, V2, JobFailure
from lab.hyperv_model.machine import machine_of
from lab.hyperv_model.providers import computes, provides
from lab.hyperv_model.serial_port import SerialPort
from lab.hyperv_model.states import (
    ENABLE,
    OFF,
    PAUSED,
    REQUESTS,
    RUNNING,
    SAVED,
    SHUTTING_DOWN,
    TITLES,
    TRANSITIONS,
)

REQUEST_STATE_CHANGE = "Msvm_ComputerSystem.RequestStateChange"
NOT_REQUESTED = 12  # RequestedState while nothing is under way (documented: Not Applicable)


class Run:
    """What runs of a machine from power on to power off: its clock, its guest, its serial ports.

    :param on_time: seconds that it ran for already, on another host
    """

    def __init__(self, model, machine, on_time=0.0):
        self._model = model
        self._machine = machine
        self._on_time = on_time
        self._since = time.monotonic()
        self._ports = []
        self.plug_ports(booted=on_time > 0 and self.guest_answers)

    @property
    def on_time(self):
        """Seconds it ran for, without those it was paused (documented for OnTimeInMilliseconds)."""
        return self._on_time + (time.monotonic() - self._since if self._since else 0)

    @property
    def guest_answers(self):
        """Whether a guest would answer by now: there is a disk, and its boot takes a while."""
        has_disk = bool(storage.disk_paths(self._machine))
        return has_disk and self.on_time >= self._model.facts.guest.boot_seconds

    def reset(self):
        """Clock and guest begin anew; who is connected to a serial port stays so."""
        if any(port.is_read for port in self._ports):
            self._model.guesses.meet(guesses.RESET_KEEPS_PIPES)
        self._on_time, self._since = 0.0, time.monotonic()
        for port in self._ports:
            port.write_from(self._guest_lines())
            port.resume()

    def interrupt(self):
        """The guest crashes and boots again; the machine runs on."""
        self._model.guesses.meet(guesses.INTERRUPT_REBOOTS)
        for port in self._ports:
            port.write_from(self._guest_lines())

    def pause(self):
        self._on_time, self._since = self.on_time, None
        for port in self._ports:
            port.pause()

    def resume(self):
        self._since = time.monotonic()
        for port in self._ports:
            port.resume()

    def save(self):
        """A saved machine has no worker process, so nothing is at its pipes' other ends (inferred)."""
        self.pause()
        self.unplug_ports()

    def restore(self):
        self._since = time.monotonic()
        self.plug_ports(booted=True)

    def plug_ports(self, booted=False):
        """Give the serial ports their other ends, and the first one the guest's console.

        :param booted: the guest goes on, it does not begin with a boot
        """
        self.unplug_ports()
        if self._model.run_folder is None:
            return
        for number, port in enumerate(self._machine.of("Msvm_SerialPortSettingData")):
            for pipe in filter(None, port["Connection"] or ()):
                lines = self._guest_lines(booted) if number == 0 else iter(())
                self._ports.append(SerialPort(self._model.run_folder / "pipes", pipe, lines, self._lost))

    def _lost(self):
        self._model.guesses.meet(guesses.PIPE_WITHOUT_READER)

    def unplug_ports(self):
        for port in self._ports:
            port.close()
        self._ports = []

    def _guest_lines(self, booted=False):
        return self._model.facts.guest.console(self._machine.name, storage.disk_paths(self._machine), booted)


def install(model):
    """Nothing is there before the first machine."""


@provides(REQUEST_STATE_CHANGE)
def request_state_change(model, system, RequestedState, TimeoutPeriod):
    if RequestedState not in REQUESTS:
        return {"ReturnValue": INVALID_PARAMETER}
    machine = machine_of(model, system)
    before = machine.state
    transition = TRANSITIONS.get((before, RequestedState))
    if transition is None:
        return {"ReturnValue": INVALID_STATE}
    if transition.guess:
        model.guesses.meet(transition.guess)
    machine.state = transition.through
    machine.system["RequestedState"] = RequestedState

    def settle(state):
        # A machine that was forced off meanwhile stays off.
        if machine.state == transition.through:
            machine.state = state
            switch_ports.update(model, machine)
        machine.system["RequestedState"] = NOT_REQUESTED

    def work():
        if machine.state != transition.through:
            raise JobFailure(
                f"'{machine.name}' failed to change state: it is {TITLES[machine.state]}, "
                f"expected {TITLES[transition.through]}.",
                INVALID_STATE,
            )
        try:
            _effects(model, machine, before, RequestedState, transition.to)
        except Exception:  # whatever it is: no machine stays between two states
            settle(before)
            raise
        settle(transition.to)

    return model.jobs.run(
        REQUEST_STATE_CHANGE, [machine.system], work, cancel=lambda: settle(before), job_type=transition.job
    )


def _effects(model, machine, before, request, after):
    if after == SAVED and machine.of(devices.CLASS):
        # documented: no machine with an assigned device is saved
        raise JobFailure(f"'{machine.name}' failed to save: a device of the host is assigned to it.", FAILED)
    if after == OFF:
        power_off(model, machine)
    elif after == SAVED:
        machine.run.save()
        set_guest_service(model, machine, present=False)
        machine.settings["IsSaved"] = True
    elif after == PAUSED:
        machine.run.pause()
    elif before == OFF:
        admit(model, machine)
        machine.run = Run(model, machine)
        set_guest_service(model, machine, present=True)
    elif before == SAVED:
        admit(model, machine)
        machine.settings["IsSaved"] = False
        machine.run.restore()
        set_guest_service(model, machine, present=True)
    elif request == ENABLE:
        machine.run.resume()
    else:
        machine.run.reset()


def power_off(model, machine):
    machine.unplug()
    machine.settings["IsSaved"] = False
    set_guest_service(model, machine, present=False)


def admit(model, machine):
    """:raises JobFailure: the host cannot run the machine"""
    prefix = f"'{machine.name}' failed to start."
    memory = machine.of("Msvm_MemorySettingData")[0]["VirtualQuantity"]
    free = model.facts.free_memory_mb(model, without=machine)
    if memory > free:
        raise JobFailure(
            f"{prefix} Not enough memory in the system to start the virtual machine {machine.name} with "
            f"ram size {memory} megabytes: {free} are free. ('0x8007000E')",
            FAILED,
        )
    processors = machine.of("Msvm_ProcessorSettingData")[0]["VirtualQuantity"]
    if processors > model.facts.logical_processors:
        raise JobFailure(
            f"{prefix} It has {processors} virtual processors, the host {model.facts.logical_processors} "
            "logical ones.",
            FAILED,
        )
    storage.open_disks(model, machine, prefix)
    passthrough.check_start(model, machine, prefix)
    security.check_start(model, machine, prefix)
    resources.check_pipes(model, machine, prefix)
    networking.address_adapters(model, machine, prefix)


def set_guest_service(model, machine, present):
    """The shutdown component is there while the machine runs (inferred: os-win takes its absence for 'is
    off').
    """
    found = model.store.of(V2, "Msvm_ShutdownComponent", SystemName=machine.guid)
    for component in found:
        model.store.remove(component)
    if present:
        model.store.add(
            V2,
            "Msvm_ShutdownComponent",
            SystemCreationClassName="Msvm_ComputerSystem",
            SystemName=machine.guid,
            CreationClassName="Msvm_ShutdownComponent",
            DeviceID=f"Microsoft:{machine.guid}\\Shutdown",
            ElementName="Shutdown",
            EnabledState=2,
            TimeOfLastStateChange=timestamp(),
        )


@provides("Msvm_ShutdownComponent.InitiateShutdown")
def initiate_shutdown(model, component, Force, Reason):
    """A guest that does not answer makes the call itself fail (inferred from os-win's comment on booting
    guests).
    """
    machine = model.machines[component["SystemName"]]
    if machine.state != RUNNING:
        return {"ReturnValue": INVALID_STATE}
    if not machine.run.guest_answers:
        raise CimError(
            errors.DEVICE_NOT_READY, f"The device is not ready: the guest of {machine.name} does not answer"
        )
    machine.state = SHUTTING_DOWN

    def off():
        if machine.state == SHUTTING_DOWN:
            power_off(model, machine)
            machine.state = OFF
            switch_ports.update(model, machine)

    model.jobs.after(model.facts.guest.shutdown_seconds, off)
    return {}


@provides("Msvm_ComputerSystem.InjectNonMaskableInterrupt")
def inject_non_maskable_interrupt(model, system):
    """A machine that does not run is in the wrong state (inferred: no processor takes the interrupt)."""
    machine = machine_of(model, system)
    if machine.state != RUNNING:
        return {"ReturnValue": INVALID_STATE}
    method = "Msvm_ComputerSystem.InjectNonMaskableInterrupt"
    return model.jobs.run(method, [machine.system], machine.run.interrupt)


@computes("Msvm_ComputerSystem")
def on_time(model, system):
    """The host itself has none of it (documented for OnTimeInMilliseconds)."""
    machine = model.machines.get(system["Name"])
    if machine:
        system["OnTimeInMilliseconds"] = int(machine.run.on_time * 1000) if machine.run else 0
        system["OperationalStatus"] = machine.operational_status
        system["NumberOfNumaNodes"] = resources.numa_nodes(machine)
        system["ProcessID"] = 4000 + list(model.machines).index(machine.guid) if machine.is_active else None
