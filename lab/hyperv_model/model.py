# SPDX-License-Identifier: Apache-2.0
"""The simulated host: one repository, many clients.

Clients reach it through :meth:`Model.namespace` (in the host's own process: WS-Management) or through the
socket of :mod:`lab.hyperv_model.server` (WMI clients in other processes). Everything it holds lives in this
process, and is gone with it.
"""

import contextlib
import ntpath
import pathlib
import shutil
import threading
import time
from collections.abc import Callable
from types import MappingProxyType

from lab.guesses import Guesses
from lab.hyperv_model import (
    attached_disks,  # noqa: F401 - registers what it serves
    checkpoints,
    cluster,
    devices,
    disk_space,
    disks,
    dns,
    embedded,
    errors,
    events,
    exports,
    fibre_channel,
    host,
    image_management,
    iscsi,
    live_migration,
    metrics,
    migration,
    migration_listener,
    network_virtualization,
    networking,
    open_files,
    power,
    providers,
    resources,
    security,
    server,
    smb,
    summary,
    virtual_system,
    wql,
)
from lab.hyperv_model.cim import ClassDefinition, Instance, Property, checked, parse_path
from lab.hyperv_model.errors import CimError
from lab.hyperv_model.host import HostFacts
from lab.hyperv_model.jobs import Jobs
from lab.hyperv_model.machine import VirtualMachine
from lab.hyperv_model.neighbours import Neighbours
from lab.hyperv_model.storage_network import StorageNetwork
from lab.hyperv_model.store import Store

FAMILIES = (
    host,
    disks,
    iscsi,
    fibre_channel,
    smb,
    networking,
    resources,
    virtual_system,
    checkpoints,
    open_files,
    power,
    summary,
    image_management,
    metrics,
    exports,
    migration,
    live_migration,
    security,
    devices,
    network_virtualization,
    dns,
    cluster,
    disk_space,
)

# References that take a machine as well as its settings (inferred: os-win passes both).
TAKE_EITHER = {"AddResourceSettings.AffectedConfiguration", "ExportSystemDefinition.ComputerSystem"}


class Model:
    """A Hyper-V host.

    :param name: its computer name
    :param local_path: function from a path on a drive, of this host or another (``\\\\HOST\\C$``), to the
        local path that it is kept at, whether there is a file or not; OSError for one that cannot be had
    :param run_folder: folder for the named pipes of serial ports (``pipes/``); None: ports have no other end
    :param facts: what the host has; see HostFacts
    :param job_seconds: how long a job takes
    :param storage_network: what it reaches over iSCSI; by default one of its own, without targets
    :param neighbours: the hosts that it reaches; None: it is alone
    :ivar faults: list of jobs.Fault rules
    :ivar machines: machine.VirtualMachine by GUID; replaced, never changed, so that reading it takes no lock
    :ivar known_parents: the parents of virtual disks that were read, see storage
    :ivar guesses: guesses.Guesses, those that a client came to
    :ivar host: the host around it, for what serves DLLs of Windows; None: there is only Hyper-V
    :ivar check_space: function that raises OSError (ENOSPC) while nothing can be written by rule
    :ivar cluster: failover.Node, this host in its failover cluster; None: it is in none
    :ivar on_shutdown: function that a client's shutdown of the host calls, with whether the host shall start
        again; None: that is refused
    """

    def __init__(
        self,
        name: str,
        local_path: Callable[[str], pathlib.Path],
        run_folder: pathlib.Path | None = None,
        facts: HostFacts | None = None,
        job_seconds: float = 0.05,
        storage_network: StorageNetwork | None = None,
        neighbours: Neighbours | None = None,
    ):
        self.name = name
        self._local_path = local_path
        self.run_folder = run_folder
        self.facts = facts or HostFacts()
        self.neighbours = neighbours
        self.booted = time.time()
        self.lock = threading.RLock()
        self.store = Store(name)
        self.jobs = Jobs(self.store, self.lock, job_seconds)
        self.faults = self.jobs.faults
        self.guesses = Guesses()
        self.known_parents = {}
        self.check_space = lambda: None
        self.on_shutdown = None
        self.host = None
        self.cluster = None
        self.storage_network = storage_network or StorageNetwork()
        self.mappings = smb.Mappings(self)
        self.machines = MappingProxyType({})
        self._subscriptions = []
        with self.lock:
            for family in FAMILIES:
                family.install(self)
        self._servers = []
        if neighbours:
            self._servers = [
                server.serve(self, neighbours.wmi),
                server.serve(self, neighbours.own_listener, migration_listener.Receiver),
            ]
        if self.cluster:
            self.cluster.start()

    def close(self):
        """End every thread and every open pipe."""
        if self.cluster:
            self.cluster.stop()
        for serving in self._servers:
            serving.close()
        for subscription in self._subscriptions:
            subscription.cancel()
        with self.lock:
            for machine in self.machines.values():
                machine.unplug()
        self.jobs.close()

    def namespace(self, name: str) -> "Namespace":
        """A view on one namespace, such as ``root/virtualization/v2``.

        :raises CimError: there is none of this name
        """
        return Namespace(self, self.store.namespace(name))

    def take(self, machine: VirtualMachine):
        """Have a virtual machine from now on."""
        self.machines = MappingProxyType({**self.machines, machine.guid: machine})

    def forget(self, machine: VirtualMachine):
        """Have a virtual machine no longer."""
        left = {guid: other for guid, other in self.machines.items() if other is not machine}
        self.machines = MappingProxyType(left)

    def local_path(self, path: str) -> pathlib.Path:
        """The local path that a Windows path is kept at, on a drive or below a mapped share; or OSError."""
        drive = ntpath.splitdrive(path)[0]
        of_share = drive.startswith("\\\\") and drive[2:3] not in "?." and not drive.endswith("$")
        return self.mappings.local_path(path) if of_share else self._local_path(path)

    def free_space(self, folder: str) -> int:
        """Bytes that are free below a Windows path; none while nothing can be written by rule."""
        try:
            self.check_space()
        except OSError:
            return 0
        return shutil.disk_usage(self.local_path(folder)).free

    def log(self, number: int, level: str, message: str):
        """Write an event of the Virtual Machine Management Service to the log of the host around, if any."""
        if self.host:
            log, provider = "Microsoft-Windows-Hyper-V-VMMS-Admin", "Microsoft-Windows-Hyper-V-VMMS"
            self.host.event_log.write(log, provider, number, level, message)

    def call(self, function: str, arguments: dict):
        """Call a function of a DLL that speaks to one of the host's services, such as
        ``iscsidsc.LoginIScsiTargetW``.

        :raises CimError: what the service refuses, with the function's own code
        """
        serve = providers.service_for(function)
        fault = self.jobs.fault(function)
        if fault:
            time.sleep(fault.seconds or 0)
            if fault.message is not None:
                raise CimError(fault.code, fault.message)
        with self.lock:
            return serve(self, **arguments)

    def subscribe(self, namespace, query, deliver):
        subscription = events.Subscription(self, namespace, wql.parse(query), deliver)
        self._subscriptions = [other for other in self._subscriptions if other.is_running] + [subscription]
        return subscription


class Namespace:
    """What a WMI client can do in a namespace. Everything handed out is a copy."""

    def __init__(self, model, name):
        self.name = name
        self._model = model
        self._store = model.store

    def definition(self, class_name: str) -> ClassDefinition:
        return self._store.definition(self.name, class_name)

    def query(self, text: str) -> list[Instance]:
        """Run a data query; of a SELECT with fields, the others are null, but not the keys."""
        association = wql.parse_association(text)
        if association:
            return self._associated(association)
        query = wql.parse(text)
        with self._model.lock:
            definition = self.definition(query.class_name)
            # A name that the class has not is refused even if there is no instance.
            blank = Instance(definition, {})
            for field in query.fields:
                wql.value_of(blank, field)
            selected = {
                definition.property(field).name for field in query.fields if not field.startswith("__")
            }
            query.matches(blank)
            found = (
                providers.computed(self._model, instance)
                for instance in self._store.of(self.name, query.class_name)
            )
            if selected:
                selected.update(item.name for item in definition.keys)
            return [
                instance.narrowed(selected) if selected else instance.copy()
                for instance in found
                if query.matches(instance)
            ]

    def _associated(self, association):
        wanted = association.wanted
        result_class, role = wanted.get("resultclass", ""), wanted.get("role", "")
        if association.kind == "associators":
            return self.associators(
                association.path,
                wanted.get("assocclass", ""),
                result_class,
                role,
                wanted.get("resultrole", ""),
            )
        with self._model.lock:
            instance = self._store.at(association.path, self.name)
            return [each.copy() for each in self._store.references(instance, result_class, role)]

    def get(self, class_name: str, keys: dict) -> Instance:
        with self._model.lock:
            return self._seen(self._store.find(self.name, class_name, keys))

    def at(self, path: str) -> Instance:
        with self._model.lock:
            return self._seen(self._store.at(path, self.name))

    def associators(
        self, path: str, association_class="", result_class="", role="", result_role=""
    ) -> list[Instance]:
        with self._model.lock:
            instance = self._store.at(path, self.name)
            found = self._store.associators(instance, association_class, result_class, role, result_role)
            return [self._seen(other) for other in found]

    def invoke(self, target: str, method: str, arguments: dict) -> Instance:
        """Call a method.

        :param target: object path of an instance, or the name of a class for a static method
        :param arguments: input parameters by name; references as object paths, embedded instances as XML
        :returns: an instance with ReturnValue and the output parameters as properties
        :raises CimError: unknown method or parameter, wrong type, or what the method itself refuses
        """
        _, _, class_name, keys = parse_path(target)
        definition = self.definition(class_name)
        declared = definition.method(method)
        with contextlib.ExitStack() as locked:
            locked.enter_context(self._model.lock)
            if not keys and not declared.static:
                raise CimError(errors.INVALID_OBJECT_PATH, f"{class_name}.{method} needs an instance")
            instance = self._store.at(target, self.name) if keys else None
            inputs = self._inputs(definition, declared, arguments)
            function = providers.function_for(definition, declared)
            if definition.dynamic:
                # It is not of the repository, and may wait for a program that asks for what is.
                locked.close()
            outputs = function(self._model, instance, **inputs)
        return _outputs(definition, declared, outputs)

    def put(self, path: str, values: dict) -> None:
        """Change an instance; the values are those of all its properties.

        :raises CimError: the class's provider does not do that, or not this
        """
        with self._model.lock:
            instance = self._store.at(path, self.name)
            wanted = Instance(instance.definition, values)
            change = providers.operation_for(instance.definition, "PutInstance")
            change(self._model, instance, values=wanted.values)

    def delete(self, path: str) -> None:
        """Delete an instance; raises CimError as put() does."""
        with self._model.lock:
            instance = self._store.at(path, self.name)
            providers.operation_for(instance.definition, "DeleteInstance")(self._model, instance)

    def subscribe(self, query: str, deliver: Callable) -> events.Subscription:
        """Run an event query; see events.Subscription."""
        return self._model.subscribe(self.name, query, deliver)

    def _seen(self, instance):
        return providers.computed(self._model, instance).copy()

    def _inputs(self, definition, method, arguments):
        declared = {parameter.name.lower(): parameter for parameter in method.inputs()}
        unknown = [name for name in arguments if name.lower() not in declared]
        if unknown:
            raise CimError(
                errors.INVALID_METHOD_PARAMETERS,
                f"{definition.name}.{method.name} has no input parameter {', '.join(unknown)}",
            )
        given = {name.lower(): value for name, value in arguments.items()}
        inputs = {}
        for folded, parameter in declared.items():
            value = given.get(folded)
            if value is None and parameter.required:
                raise CimError(
                    errors.INVALID_METHOD_PARAMETERS,
                    f"{definition.name}.{method.name} needs its parameter {parameter.name}",
                )
            if value is not None and parameter.type == "object":
                value = embedded.read(value, self._store, self.name, None)
            value = checked(parameter.type, value, f"{definition.name}.{method.name} {parameter.name}")
            if value is not None and parameter.type.startswith("reference"):
                what = f"{method.name}.{parameter.name}"
                wanted = None if what in TAKE_EITHER else parameter.refers_to
                single = parameter.type == "reference"
                value = (
                    self._referred(value, wanted, what)
                    if single
                    else [self._referred(path, wanted, what) for path in value]
                )
            inputs[parameter.name] = value
        return inputs

    def _referred(self, path, class_name, what):
        """The instance that an input parameter refers to; one of another class than the parameter is declared
        of is an invalid parameter (inferred: the parameters' documented classes).
        """
        instance = self._store.at(path, self.name)
        if class_name and not instance.definition.is_a(class_name):
            raise CimError(errors.INVALID_PARAMETER, f"{what} is {path}, expected a {class_name}")
        return instance


def _outputs(definition, method, outputs):
    declared = [Property("ReturnValue", method.return_type)]
    declared += [Property(parameter.name, parameter.type) for parameter in method.outputs()]
    parameters = ClassDefinition("__PARAMETERS", definition.namespace, definition.server, None, declared)
    return Instance(parameters, {"ReturnValue": 0, **outputs})
