# SPDX-License-Identifier: Apache-2.0
"""A host as a node of its failover cluster: it tells the others of its groups, takes those of a node that is
lost, and moves its own to another node.

Of a lost node's groups any node takes what it can run; Windows chooses by preferred owners and free memory
(documented), which the lab has no need of.
"""

import contextlib
import threading
import time

from lab.hyperv_model import errors, live_migration, power, states, transfer
from lab.hyperv_model.cluster_database import ClusterDatabase
from lab.hyperv_model.errors import CimError
from lab.hyperv_model.jobs import COMPLETED, JobFailure, request_state_change

HEARTBEAT = 0.1
ONLINE, OFFLINE, FAILED, PENDING = 0, 1, 2, 4  # CLUSTER_GROUP_STATE (documented)
IO_PENDING = 997
NOT_OWNER, NODE_DOWN, INVALID_STATE, MOVING = 5016, 5050, 5023, 5908
TERMINATE = 4  # RequestStateChange of a job
STABLE = {states.RUNNING, states.PAUSED, states.SAVED, states.OFF}


class Node(threading.Thread):
    """
    :param show: called with the database's content after each change, under the model's lock
    """

    def __init__(self, model, show):
        super().__init__(name="cluster-node", daemon=True)
        self._model = model
        self._show = show
        self._stopped = threading.Event()
        self._moves = {}
        path = model.neighbours and model.neighbours.clusters / f"{model.facts.cluster}.json"
        self._database = ClusterDatabase(path)
        with self.change() as data:
            data["nodes"].setdefault(model.name, str(len(data["nodes"]) + 1))
            for group in data["groups"].values():
                if group["values"]["OwnerNode"] == model.name:
                    self._lose(group)

    def stop(self):
        self._stopped.set()
        if self.ident:
            self.join()

    @contextlib.contextmanager
    def change(self):
        """See ClusterDatabase.change; the states of this node's groups are those of this moment."""
        with self._database.change() as data:
            for name, group in data["groups"].items():
                if group["placed"] and not group["moving"]:
                    if group["values"]["OwnerNode"] == self._model.name:
                        group["values"]["State"] = state_of(self.machine(name))
            yield data
            self._show(data)

    def run(self):
        while not self._stopped.wait(HEARTBEAT):
            with self._model.lock, self.change() as data:
                others = data["nodes"].keys() - {self._model.name}
            down = {name for name in others if not self._model.neighbours.answers(name)}
            with self._model.lock, self.change() as data:
                for name, group in data["groups"].items():
                    self._look_after(name, group, set(data["nodes"]), down)

    def _look_after(self, name, group, nodes, down):
        owner = group["values"]["OwnerNode"]
        if group["placed"] and owner in down:
            self._lose(group)
            if self._fails_too_often(group):
                group["refused"] = list(nodes)
        if group["placed"]:
            if owner == self._model.name and not group["moving"]:
                self._tell(name, group)
        elif nodes - down <= set(group["refused"]):
            group["values"]["State"] = FAILED
        elif owner in down | {self._model.name} and self._model.name not in group["refused"]:
            try:
                self._place(group["machine"])
            except JobFailure:
                group["refused"].append(self._model.name)
            else:
                own(group, self._model.name)

    def _lose(self, group):
        group.update(placed=False, moving=False, refused=[])

    def _fails_too_often(self, group):
        """More than FailoverThreshold times in FailoverPeriod hours (documented): it is to be left failed."""
        now = time.time()
        since = now - group["values"]["FailoverPeriod"] * 3600
        group["failovers"] = [when for when in group["failovers"] if when > since] + [now]
        return len(group["failovers"]) > group["values"]["FailoverThreshold"]

    def _tell(self, name, group):
        machine = self.machine(name)
        if machine is None or machine.state in STABLE:
            group["machine"] = machine and transfer.told(self._model, machine)

    def _place(self, told):
        """The machine starts here as after a power cut, from the files that all nodes reach."""
        if told is None:
            raise JobFailure("its node was lost before it told of the machine")
        model, told = self._model, {**told, "on_time": None}
        transfer.check(model, told)
        transfer.check_disks(model, told, {})
        machine = transfer.build(model, told, transfer.REALIZED, {})
        try:
            if told["state"] == states.SAVED:
                transfer.resume(model, machine, told)
            elif told["state"] != states.OFF:
                power.admit(model, machine)
                power.request_state_change(model, machine.system, states.ENABLE, None)
        except JobFailure:
            transfer.remove(model, machine)
            raise

    def machine(self, name):
        """The virtual machine of a group, if this host has it."""
        machines = self._model.machines.values()
        return next(
            (
                found
                for found in machines
                if found.system.class_name == transfer.REALIZED and found.name.lower() == name.lower()
            ),
            None,
        )

    def move(self, name, destination):
        """Begin a live migration of a group to another node.

        :raises CimError: IO_PENDING once it has begun (documented for MoveClusterGroupEx), or what hinders it
        """
        model, machine = self._model, self.machine(name)
        with self.change() as data:
            group = data["groups"][name]
            if group["values"]["OwnerNode"] != model.name:
                raise CimError(NOT_OWNER, f"{name} is owned by {group['values']['OwnerNode']}")
            if group["moving"]:
                raise CimError(MOVING, f"{name} moves already")
            if not model.neighbours or not model.neighbours.answers(destination):
                raise CimError(NODE_DOWN, f"{destination} is down")
            if machine is None or not machine.is_active:
                raise CimError(
                    errors.METHOD_NOT_IMPLEMENTED, "moving a machine that does not run is not simulated"
                )
            migration = live_migration.MigrationInCluster(model, machine.system, destination)
            group["moving"] = True

        def work(progress):
            owner = model.name
            try:
                migration.move(progress)
                owner = destination
            finally:
                with model.lock, self.change() as data:
                    if name in data["groups"]:
                        own(data["groups"][name], owner)

        method = f"{live_migration.SERVICE}.MigrateVirtualSystemToHost"
        self._moves[name] = model.jobs.run_apart(method, [machine.system], work)["Job"]
        raise CimError(IO_PENDING, f"{name} moves to {destination}")

    def cancel(self, name):
        """:raises CimError: IO_PENDING, as it takes a moment; or there is nothing to cancel"""
        job = self._moves.get(name) and self._model.store.at(self._moves[name])
        if not job or request_state_change(self._model, job, TERMINATE, None).get("ReturnValue", COMPLETED):
            raise CimError(INVALID_STATE, f"{name} does not move")
        raise CimError(IO_PENDING, f"{name} stays")


def own(group, node):
    """Have a node own a group, whose machine it has."""
    group.update(placed=True, moving=False, refused=[], changes=group["changes"] + 1)
    for values in (group["values"], *group["resources"]):
        values["OwnerNode"] = node


def state_of(machine):
    """The state of a group, whose machine its owner has or, if None, has lost."""
    if machine is None or not machine.is_active:
        return OFFLINE
    return ONLINE if machine.state in (states.RUNNING, states.PAUSED) else PENDING
