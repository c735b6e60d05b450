# SPDX-License-Identifier: Apache-2.0
"""Live migration of a machine to another host, as the source sees it.

A machine is on exactly one host at any time. The source goes on running it until the destination says that it
runs there; a destination that does not hear the end forgets what it has got (see migration_listener).
The return codes are those of the other services; what stands in ErrorDescription is documented where it has a
code of winerror.h, and worded here.
"""

import pathlib

from lab import guesses
from lab.hyperv_model import checkpoints, devices, embedded, errors, storage, transfer
from lab.hyperv_model.errors import CimError
from lab.hyperv_model.jobs import FAILED, INVALID_STATE, V2, JobFailure
from lab.hyperv_model.machine import MIGRATING, machine_of
from lab.hyperv_model.migration import SERVICE, is_enabled
from lab.hyperv_model.migration_listener import Channel
from lab.hyperv_model.providers import provides
from lab.hyperv_model.states import OFF, PAUSED, PAUSING, RUNNING, SAVED

SETTINGS = "Msvm_VirtualSystemMigrationSettingData"
VIRTUAL_SYSTEM, STAGED, VIRTUAL_SYSTEM_AND_STORAGE = 32768, 32770, 32771  # MigrationType, documented
STATES = (RUNNING, PAUSED, SAVED, OFF)  # documented for Move-VM but for paused


def install(model):
    """What the service is like comes with `migration`."""


@provides(f"{SERVICE}.CheckVirtualSystemIsMigratable")
def check_virtual_system_is_migratable(
    model, service, ComputerSystem, DestinationHost, MigrationSettingData, NewSystemSettingData,
    NewResourceSettingData,
):  # fmt: skip
    settings = embedded.read(MigrationSettingData, model.store, V2, SETTINGS)
    wanted = Migration(
        model, ComputerSystem, DestinationHost, settings, NewSystemSettingData, NewResourceSettingData
    )

    def work(progress):
        with wanted.channel() as channel:
            channel.ask("check", **wanted.told())
            progress.pass_time()

    method = f"{SERVICE}.CheckVirtualSystemIsMigratable"
    return model.jobs.run_apart(method, [wanted.machine.system], work)


@provides(f"{SERVICE}.MigrateVirtualSystemToHost")
def migrate_virtual_system_to_host(
    model, service, ComputerSystem, DestinationHost, MigrationSettingData, NewSystemSettingData,
    NewResourceSettingData,
):  # fmt: skip
    settings = embedded.read(MigrationSettingData, model.store, V2, SETTINGS)
    wanted = Migration(
        model, ComputerSystem, DestinationHost, settings, NewSystemSettingData, NewResourceSettingData
    )
    if wanted.machine.state not in STATES:
        return {"ReturnValue": INVALID_STATE}
    if wanted.machine.state == PAUSED:
        model.guesses.meet(guesses.PAUSED_MIGRATES)
    migrate = wanted.stage if wanted.type == STAGED else wanted.move

    def work(progress):
        with wanted.machine.during(MIGRATING):
            migrate(progress)

    method = f"{SERVICE}.MigrateVirtualSystemToHost"
    return model.jobs.run_apart(method, [wanted.machine.system], work)


class Migration:
    """What a client wants, and the steps to it; ``stage`` and ``move`` run without the model's lock."""

    def __init__(self, model, system, destination, settings, system_settings=None, resource_settings=None):
        self._model = model
        self.machine = machine_of(model, system)
        if self.machine.system.class_name == transfer.PLANNED:
            raise CimError(errors.METHOD_NOT_IMPLEMENTED, "migrating a planned machine is not simulated")
        self.type = settings["MigrationType"]
        if system_settings or self.type not in (VIRTUAL_SYSTEM, STAGED, VIRTUAL_SYSTEM_AND_STORAGE):
            raise CimError(
                errors.METHOD_NOT_IMPLEMENTED,
                f"migration of type {self.type}, or with NewSystemSettingData, is not simulated",
            )
        if checkpoints.of_machine(model, self.machine):
            raise CimError(
                errors.METHOD_NOT_IMPLEMENTED, "migrating a machine with checkpoints is not simulated"
            )
        self._destination = destination or ""
        self._addresses = settings["DestinationIPAddressList"] or []
        self._planned = settings["DestinationPlannedVirtualSystemId"]
        self._keep_files = bool(settings["RetainVhdCopiesOnSource"])
        self._moves = self._read_moves(resource_settings or ())

    def _read_moves(self, texts):
        """Dict of InstanceID → (path here, path there)."""
        moves = {}
        for text in texts:
            disk = embedded.read(text, self._model.store, V2, storage.SASD)
            part = self.machine.parts.get(disk["InstanceID"])
            if part is None:
                raise CimError(errors.INVALID_PARAMETER, f"{disk['InstanceID']} is no disk of this machine")
            moves[disk["InstanceID"]] = (part["HostResource"][0], disk["HostResource"][0])
        return moves

    def channel(self):
        if self.machine.of(devices.CLASS):
            raise self._failure("A device of the host is assigned to it.")  # documented for DDA
        if not self._model.neighbours or not is_enabled(self._model):
            raise self._failure(f"Live migration is not enabled on '{self._model.name}'. ('0x80070032')")
        return Channel(self._model.neighbours, self._destination)

    def told(self):
        with self._model.lock:
            return {
                "addresses": self._addresses,
                "planned": self._planned,
                "staged": self.type == STAGED,
                "machine": transfer.told(self._model, self.machine),
                "resources": {identifier: [new] for identifier, (_, new) in self._moves.items()},
                "parents": [
                    parent
                    for old, _ in self._moves.values()
                    for parent in storage.parents(self._model, old, f"'{self.machine.name}':")
                ],
            }

    def stage(self, progress):
        with self.channel() as channel:
            channel.ask("begin", **self.told())
            progress.pass_time(channel.check)
            progress.pass_point_of_no_return()
            channel.ask("stage")

    def move(self, progress):
        with self.channel() as channel:
            files = channel.ask("begin", **self.told())["files"]
            for old, new in self._moves.values():
                self._copy(self._model.local_path(old), pathlib.Path(files[new]), progress, channel)
            progress.pass_time(channel.check)
            told = self._freeze(progress)
            try:
                channel.ask("commit", **told)
            except BaseException:
                with self._model.lock:
                    self.machine.state = told["machine"]["state"]
                raise
            with self._model.lock:
                transfer.remove(self._model, self.machine)
        if not self._keep_files:
            for old, _ in self._moves.values():
                self._model.local_path(old).unlink()

    def _copy(self, source, target, progress, channel):
        def check():
            progress.check()
            channel.check()

        try:
            storage.copy_file(source, target, check)
        except OSError as error:
            raise self._failure(f"'{target.name}': {storage.reason(error)}") from None

    def _freeze(self, progress):
        """Hold the machine for its last moments here: the blackout, in which nothing can be asked of it."""
        with self._model.lock:
            progress.pass_point_of_no_return()
            if self._model.machines.get(self.machine.guid) is not self.machine:
                raise self._failure("It was deleted meanwhile.")
            if self.machine.state not in STATES:
                raise self._failure("It changes its state.", INVALID_STATE)
            told = self.told()
            self.machine.state = PAUSING
            return told

    def _failure(self, reason, code=FAILED):
        return JobFailure(
            f"Virtual machine migration operation for '{self.machine.name}' failed at migration source "
            f"'{self._model.name}'. {reason}",
            code,
        )


class MigrationInCluster(Migration):
    """The cluster moves a machine between its nodes, over networks of its own: whether Hyper-V takes part in
    live migration does not matter (documented: Enable-VMMigration is for hosts outside of clusters).
    """

    def __init__(self, model, system, destination):
        settings = model.store.build(V2, SETTINGS, MigrationType=VIRTUAL_SYSTEM)
        super().__init__(model, system, destination, settings)

    def channel(self):
        return Channel(self._model.neighbours, self._destination)

    def told(self):
        return {**super().told(), "addresses": None}
