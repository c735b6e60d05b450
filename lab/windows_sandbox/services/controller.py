# SPDX-License-Identifier: Apache-2.0
"""Starts, watches and stops services, as Windows' service control manager does.

Evidence: start and stop by documentation (Service Programs; StartServiceW; Service State Transitions), events
by their documented texts, the order of events on failure inferred.
"""

import collections
import itertools
import json
import logging
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lab.windows_sandbox import environment as environments
from lab.windows_sandbox import errors
from lab.windows_sandbox.environment import Environment
from lab.windows_sandbox.errors import Win32Error
from lab.windows_sandbox.event_log import EventLog
from lab.windows_sandbox.installation import BUILT_IN_SERVICES, CONTROL
from lab.windows_sandbox.processes import Child, Processes
from lab.windows_sandbox.registry import Registry
from lab.windows_sandbox.services import recovery
from lab.windows_sandbox.services.accounts import ServiceAccounts
from lab.windows_sandbox.services.configuration import Configuration, InstalledServices
from lab.windows_sandbox.services.connection import Connection, Listener, descends_from, refuse

LOG = logging.getLogger(__name__)

# Milliseconds that a program has to connect, unless the registry's ServicesPipeTimeout says otherwise
# (documented).
PIPE_TIMEOUT = 30_000
# Seconds a pending service has until it must report progress; a longer wait hint of its own counts.
# Start-Service and Stop-Service themselves would wait on.
PENDING_PATIENCE = 30
# Seconds in which what a program said before its end gets here.
LAST_WORDS = 0.3

# What a service may report, by the state it is in (documented: Service State Transitions; nothing here
# pauses).
TRANSITIONS = {
    "start_pending": {"start_pending", "running", "stop_pending", "stopped"},
    "running": {"running", "stop_pending", "stopped"},
    "stop_pending": {"stop_pending", "stopped"},
    "stopped": {"stopped"},
}


@dataclass
class Running:
    """What the manager knows of a service since the host booted."""

    state: str = "stopped"
    child: Child | None = None
    connection: Connection | None = None
    controls: tuple[str, ...] = ()
    checkpoint: int = 0
    wait_hint: int = 0
    exit_code: int = 0
    service_exit_code: int = 0
    reported: float = 0.0
    failures: list[float] = field(default_factory=list)

    @property
    def process_id(self) -> int:
        """The id of the process that it runs in; 0: none."""
        return self.child.pid if self.child is not None and self.child.exit_code is None else 0


class ServiceController:
    """
    :param socket_path: where service programs connect
    :param log_folder: where the output of service programs goes, which on Windows nobody sees
    """

    def __init__(
        self,
        registry: Registry,
        processes: Processes,
        event_log: EventLog,
        accounts: ServiceAccounts,
        computer_name: str,
        socket_path: Path,
        log_folder: Path,
    ):
        self.installed = InstalledServices(registry)
        self.events = recovery.ServiceEvents(event_log)
        self.accounts = accounts
        self._registry, self._processes, self._computer_name = registry, processes, computer_name
        self._log_folder = log_folder
        self._changed = threading.Condition(threading.RLock())
        self._running: dict[str, Running] = {}
        self._closing = False
        # Services get the variables that the machine had when it booted (documented: KB 887693), user's
        # changes or not.
        self._boot_environment = environments.machine_variables(registry)
        self._listener = Listener(socket_path, self._serve)

    def query(self, name: str) -> Running:
        """Return the present state of an installed service."""
        configuration = self.installed.read(name)
        with self._changed:
            default = (
                Running("running", controls=("stop",))
                if configuration.name in BUILT_IN_SERVICES
                else Running(exit_code=errors.SERVICE_NEVER_STARTED)
            )
            return self._running.setdefault(configuration.name, default)

    def all(self) -> list[tuple[Configuration, Running]]:
        """Return what is installed, with its present state, in the order of the names."""
        with self._changed:
            return [
                (self.installed.read(name), self.query(name))
                for name in sorted(self.installed.names(), key=str.lower)
            ]

    def create(self, configuration: Configuration) -> None:
        self.installed.create(configuration)
        self.events.installed(configuration)

    def delete(self, name: str) -> None:
        """Remove a stopped service."""
        with self._changed:
            if self.query(name).state != "stopped":
                raise RuntimeError(
                    f"cannot delete service {name}: it is {self.query(name).state}, expected stopped"
                )
            self._running.pop(self.installed.read(name).name)
            self.installed.delete(name)
            self.accounts.forget(name)

    def start(self, name: str) -> None:
        """Start a service and the ones it depends on, and return when it runs.

        :raises Win32Error: as begin_start() does; 1053 if it hangs, 1066 or its own error if it stops at once
        """
        self._await_running(*self.begin_start(name))

    def begin_start(self, name: str) -> tuple[Configuration, Running]:
        """Start a service, when those that it depends on run, and return when its program has connected, as
        StartServiceW does (documented).

        :raises Win32Error: 1053 if it does not connect, 1056 if it runs, 1058 if it is disabled, 1068 if a
            dependency does not start, 1069 if its account cannot log on, 1075 if there is none of its name
        """
        configuration = self.installed.read(name)
        service = self.query(name)
        with self._changed:
            if service.state != "stopped":
                raise Win32Error(errors.SERVICE_ALREADY_RUNNING, configuration.name, f"it is {service.state}")
            if configuration.start_mode == "disabled":
                raise Win32Error(errors.SERVICE_DISABLED, configuration.name)
            service.state, service.exit_code, service.service_exit_code = "start_pending", 0, 0
            service.connection, service.checkpoint, service.wait_hint = None, 0, 0
        try:
            self._start_dependencies(configuration)
            self._log_on(configuration)
            self._spawn(configuration, service)
            self._await_connection(configuration, service)
        except Win32Error as error:
            with self._changed:
                service.state, service.exit_code = "stopped", error.code
                self._changed.notify_all()
            self.events.start_failed(configuration, error)
            raise
        return configuration, service

    def _start_dependencies(self, configuration: Configuration) -> None:
        for dependency in configuration.dependencies:
            if not self.installed.find(dependency):
                raise Win32Error(
                    errors.SERVICE_DEPENDENCY_DELETED, configuration.name, f"it depends on {dependency}"
                )
            if self.query(dependency).state == "stopped":
                try:
                    self.start(dependency)
                except Win32Error as error:
                    raise Win32Error(
                        errors.SERVICE_DEPENDENCY_FAIL, configuration.name, str(error)
                    ) from error

    def _log_on(self, configuration: Configuration) -> None:
        try:
            self.accounts.log_on(configuration)
        except Win32Error as error:
            self.events.logon_failed(configuration, error)
            raise Win32Error(errors.SERVICE_LOGON_FAILED, configuration.name, error.text) from error

    def _spawn(self, configuration: Configuration, service: Running) -> None:
        variables = self._environment(configuration)
        command_line = environments.expand(configuration.path, variables)
        with open(self._log_folder / f"service-{configuration.name}.log", "ab") as output:
            user = self.accounts.user_of(configuration.account)
            child = self._processes.start(
                command_line, r"C:\Windows\System32", variables, user, output=output
            )
        with self._changed:
            service.child = child
        threading.Thread(target=self._watch, args=(configuration.name, service, child), daemon=True).start()

    def _environment(self, configuration: Configuration) -> Mapping[str, str]:
        variables = environments.environment_of(
            self._registry,
            self.accounts.user_of(configuration.account),
            self._computer_name,
            machine=self._boot_environment,
        )
        tree = self.installed.as_tree(configuration.name)
        # Of its own key (documented: the value Environment of a service).
        variables.add(dict(entry.split("=", 1) for entry in tree.get("Environment", [])))
        return Environment(
            {**variables, "WINDOWS_SERVICE": configuration.name, "WINDOWS_SERVICE_KEY": json.dumps(tree)}
        )

    def _await_connection(self, configuration: Configuration, service: Running) -> None:
        timeout = self._registry.data(CONTROL, "ServicesPipeTimeout", PIPE_TIMEOUT)
        with self._changed:
            self._changed.wait_for(
                lambda: service.connection or service.child.exit_code is not None, timeout / 1000
            )
            self._changed.wait_for(lambda: service.connection, LAST_WORDS)
            if service.connection:
                return
        found = (
            f"its program ended with {service.child.exit_code} before it connected"
            if service.child.exit_code is not None
            else f"its program did not connect within {timeout} ms"
        )
        service.child.terminate()
        service.child.wait()
        self.events.connect_timeout(configuration, timeout)
        raise Win32Error(errors.SERVICE_REQUEST_TIMEOUT, configuration.name, found)

    def _await_running(self, configuration: Configuration, service: Running) -> None:
        if not self._await_progress(service, "start_pending"):
            self.events.hung_on_starting(configuration)
            raise Win32Error(
                errors.SERVICE_REQUEST_TIMEOUT, configuration.name, "it is start_pending without progress"
            )
        with self._changed:
            if service.state == "running":
                return
            code = service.exit_code or errors.PROCESS_ABORTED
        raise Win32Error(
            code if code in errors.MESSAGES else errors.SERVICE_SPECIFIC_ERROR,
            configuration.name,
            f"it stopped while starting, exit code {service.service_exit_code or code}",
        )

    def _await_progress(self, service: Running, pending: str) -> bool:
        """Wait while the service is in a pending state; return False if it reports nothing for too long."""
        with self._changed:
            while service.state == pending:
                silent = time.monotonic() - service.reported
                if silent >= max(service.wait_hint / 1000, PENDING_PATIENCE):
                    return False
                self._changed.wait(max(service.wait_hint / 1000, PENDING_PATIENCE) - silent)
        return True

    def stop(self, name: str, *, force: bool = False) -> None:
        """Stop a service, and with `force` those that depend on it first; return when it has stopped.

        :raises Win32Error: as begin_stop() does; 1053 if it hangs
        """
        configuration, service, child = self.begin_stop(name, force=force)
        if not self._await_progress(service, "stop_pending"):
            raise Win32Error(
                errors.SERVICE_REQUEST_TIMEOUT, configuration.name, "it is stop_pending without progress"
            )
        # It has stopped by its own word; what it starts next should find the program gone too.
        child.wait(PENDING_PATIENCE)

    def begin_stop(self, name: str, *, force: bool = False) -> tuple[Configuration, Running, Child]:
        """Tell a service to stop, when those that depend on it have with `force`, and return when it has
        answered, as ControlService does (documented).

        :raises Win32Error: 1051 if others depend on it, 1052 or 1061 if it takes no stop now, 1053 if it does
            not answer, 1062 if it does not run
        """
        configuration = self.installed.read(name)
        service = self.query(name)
        dependents = [
            other
            for other in self.installed.dependents(configuration.name)
            if self.query(other).state != "stopped"
        ]
        if dependents and not force:
            raise Win32Error(errors.DEPENDENT_SERVICES_RUNNING, configuration.name, ", ".join(dependents))
        for dependent in dependents:
            self.stop(dependent, force=True)
        if configuration.name in BUILT_IN_SERVICES:
            raise Win32Error(
                errors.INVALID_SERVICE_CONTROL, configuration.name, "it is a part of the simulated host"
            )
        with self._changed:
            if service.state == "stopped":
                raise Win32Error(errors.SERVICE_NOT_ACTIVE, configuration.name)
            if service.state != "running" or service.connection is None:
                raise Win32Error(
                    errors.SERVICE_CANNOT_ACCEPT_CTRL, configuration.name, f"it is {service.state}"
                )
            if "stop" not in service.controls:
                raise Win32Error(errors.INVALID_SERVICE_CONTROL, configuration.name, "it takes no stop")
            connection, child = service.connection, service.child
        connection.send({"control": "stop"})
        with self._changed:
            self._changed.wait_for(lambda: service.state != "running", PENDING_PATIENCE)
            if service.state == "running":
                raise Win32Error(
                    errors.SERVICE_REQUEST_TIMEOUT, configuration.name, "it does not answer to stop"
                )
        return configuration, service, child

    def start_automatic(self) -> None:
        """Start what starts with the host; failures are in the event log."""
        for name in self.installed.names():
            if (
                self.installed.read(name).start_mode in ("auto", "delayed")
                and self.query(name).state == "stopped"
            ):
                self._start_logged(name)

    def stop_all(self) -> None:
        """Stop what runs, as a shutdown does; what does not stop is ended with its process."""
        for name in self.installed.names():
            if name not in BUILT_IN_SERVICES and self.query(name).state == "running":
                try:
                    self.stop(name, force=True)
                except Win32Error as error:
                    LOG.warning("service does not stop: %s", error)

    def _start_logged(self, name: str) -> None:
        try:
            self.start(name)
        except Win32Error as error:
            LOG.warning("service does not start: %s", error)

    def run_failure_command(self, configuration: Configuration) -> None:
        """Run the program that is configured for the service's failure, as SYSTEM."""
        variables = environments.environment_of(self._registry, environments.SYSTEM, self._computer_name)
        try:
            command_line = configuration.failure_command or ""
            self._processes.start(command_line, r"C:\Windows\System32", variables, environments.SYSTEM)
        except Win32Error as error:
            LOG.warning("the recovery program of service %s does not run: %s", configuration.name, error)

    def close(self) -> None:
        """Take no more connections and restart nothing; the processes are ended by whoever owns them."""
        with self._changed:
            self._closing = True
        self._listener.close()

    def _serve(self, connection: Connection) -> None:
        messages = connection.messages()
        match, first = self._program_of(connection), {}
        if match is None:
            # It may have connected, said all it had to say, and ended before anyone looked.
            first = next(messages, {})
            match = self._ended_program(connection, first.get("service", ""))
        if match is None:
            refuse(connection)
            # Heard out, so that it reads the refusal instead of failing to write.
            collections.deque(messages, maxlen=0)
            return
        with self._changed:
            match[1].connection, match[1].reported = connection, time.monotonic()
            self._changed.notify_all()
        for message in itertools.chain([first] if first else [], messages):
            if "event" in message:
                self.events.from_service(match[0], message["event"])
            else:
                self._report(*match, message)

    def _program_of(self, connection: Connection) -> tuple[str, Running] | None:
        """Return the starting service whose program has connected."""
        with self._changed:
            for name, service in self._running.items():
                waits = service.child and service.connection is None
                if waits and descends_from(connection.pid, service.child.pid):
                    return name, service
        return None

    def _ended_program(self, connection: Connection, name: str) -> tuple[str, Running] | None:
        """Return the starting service that a program named, if the program has ended."""
        with self._changed:
            service = self._running.get(self.installed.find(name) or "")
            waits = (
                service and service.state == "start_pending" and service.child and service.connection is None
            )
            if waits and descends_from(connection.pid, service.child.pid) is None:
                return name, service
        return None

    def _report(self, name: str, service: Running, message: dict[str, Any]) -> None:
        state = message["state"]
        if message["service"].lower() != name.lower():
            raise ValueError(f"the program of {name} reports as {message['service']}")
        with self._changed:
            if state not in TRANSITIONS.get(service.state, ()):
                raise ValueError(
                    f"service {name} cannot become {state}: it is {service.state}, expected one of"
                    f" {', '.join(sorted(TRANSITIONS[service.state]))}"
                )
            entered, service.state, service.reported = service.state != state, state, time.monotonic()
            service.controls = tuple(message.get("controls", ["stop"] if state == "running" else []))
            service.checkpoint, service.wait_hint = message.get("checkpoint", 0), message.get("wait_hint", 0)
            if state == "stopped":
                service.exit_code = message.get("exit_code", 0)
                service.service_exit_code = message.get("service_exit_code", 0)
            self._changed.notify_all()
        if entered and state in ("running", "stopped"):
            self.events.entered(self.installed.read(name), state)

    def _watch(self, name: str, service: Running, child: Child) -> None:
        """Wait for a program's end, and do what its failure asks for."""
        code = child.wait()
        with self._changed:
            self._changed.notify_all()
            self._changed.wait_for(lambda: service.connection, LAST_WORDS)
        if service.connection:
            service.connection.ended.wait(5)
        with self._changed:
            # A program that never connected, or has a successor, is not the service.
            if self._closing or service.connection is None or service.child is not child:
                return
            crashed = service.state != "stopped"
            service.state = "stopped"
            if crashed:
                service.exit_code = errors.PROCESS_ABORTED
            self._changed.notify_all()
            if not self.installed.find(name):
                return
            configuration = self.installed.read(name)
            if not crashed and service.exit_code == 0:
                return
            service.failures.append(time.monotonic())
            delay = recovery.act(self, configuration, service, crashed, code)
        if delay is not None:
            time.sleep(delay)
            with self._changed:
                wanted = not self._closing and service.state == "stopped" and self.installed.find(name)
            if wanted:
                self._start_logged(name)
