# SPDX-License-Identifier: Apache-2.0
"""The events that services leave, and what a service's failure leads to.

Texts of events as documented for the provider Service Control Manager; which failure counts as which action
by the documentation of SERVICE_FAILURE_ACTIONS.
"""

import logging
import time
from typing import TYPE_CHECKING, Any

from lab.windows_sandbox import errors
from lab.windows_sandbox.errors import Win32Error
from lab.windows_sandbox.event_log import EventLog
from lab.windows_sandbox.services.configuration import Configuration

if TYPE_CHECKING:
    from lab.windows_sandbox.services.controller import Running, ServiceController

LOG = logging.getLogger(__name__)

_PROVIDER = "Service Control Manager"
_WORDING = {
    "restart": "Restart the service",
    "run_command": "Run the configured recovery program",
    "reboot": "Reboot the machine",
}


class ServiceEvents:
    """Writes what Windows would write."""

    def __init__(self, event_log: EventLog):
        self._log = event_log

    def _write(self, number: int, level: str, message: str) -> None:
        self._log.write("System", _PROVIDER, number, level, message)

    def installed(self, service: Configuration) -> None:
        self._write(
            7045,
            "Information",
            f"A service was installed in the system. Service Name: {service.display_name}"
            f" Service File Name: {service.path} Service Account: {service.account}",
        )

    def entered(self, service: Configuration, state: str) -> None:
        self._write(7036, "Information", f"The {service.display_name} service entered the {state} state.")

    def start_failed(self, service: Configuration, error: Win32Error) -> None:
        number = 7001 if error.code == errors.SERVICE_DEPENDENCY_FAIL else 7000
        self._write(
            number,
            "Error",
            f"The {service.display_name} service failed to start due to the following error: {error}",
        )

    def logon_failed(self, service: Configuration, error: Win32Error) -> None:
        self._write(
            7041 if error.code == errors.LOGON_TYPE_NOT_GRANTED else 7038,
            "Error",
            f"The {service.display_name} service was unable to log on as {service.account} with the currently"
            f" configured password due to the following error: {error.text}.",
        )

    def connect_timeout(self, service: Configuration, milliseconds: int) -> None:
        self._write(
            7009,
            "Error",
            f"A timeout was reached ({milliseconds} milliseconds) while waiting for the"
            f" {service.display_name} service to connect.",
        )

    def hung_on_starting(self, service: Configuration) -> None:
        self._write(7022, "Error", f"The {service.display_name} service hung on starting.")

    def from_service(self, name: str, event: dict[str, Any]) -> None:
        """Write an event of the service's own; it names itself as the provider."""
        self._log.write("Application", name, event["id"], event["type"].capitalize(), event["message"])

    def stopped_with_error(self, service: Configuration, code: int, service_code: int) -> None:
        if code == errors.SERVICE_SPECIFIC_ERROR:
            self._write(
                7024,
                "Error",
                f"The {service.display_name} service terminated with the following service-specific"
                f" error: {service_code}",
            )
        else:
            self._write(
                7023,
                "Error",
                f"The {service.display_name} service terminated with the following error:"
                f" {errors.MESSAGES.get(code, code)}",
            )

    def crashed(self, service: Configuration, times: int, action: str, milliseconds: int) -> None:
        unexpectedly = (
            f"The {service.display_name} service terminated unexpectedly.  It has done this {times} time(s)."
        )
        if action == "none":
            self._write(7034, "Error", unexpectedly)
        else:
            self._write(
                7031,
                "Error",
                f"{unexpectedly}  The following corrective action will be taken in {milliseconds}"
                f" milliseconds: {_WORDING[action]}.",
            )


def next_action(configuration: Configuration, failures: list[float], now: float) -> tuple[str, int]:
    """Return the action for the newest of `failures` (seconds, ascending) and its delay in milliseconds.

    The count starts anew after a reset period without failure; the last action stands for all further
    failures.
    """
    if not configuration.failure_actions:
        return "none", 0
    count, newer = 0, now
    for moment in reversed(failures):
        if configuration.failure_reset_period and newer - moment > configuration.failure_reset_period:
            break
        count, newer = count + 1, moment
    return configuration.failure_actions[min(count, len(configuration.failure_actions)) - 1]


def act(
    controller: "ServiceController",
    configuration: Configuration,
    service: "Running",
    crashed: bool,
    program_code: int,
) -> float | None:
    """Log a failure and do what is configured for it; return the seconds until a restart, or None."""
    LOG.warning(
        "service %s failed: %s",
        configuration.name,
        f"its program ended with {program_code}" if crashed else f"it stopped with {service.exit_code}",
    )
    action, milliseconds = next_action(configuration, service.failures, time.monotonic())
    if crashed:
        controller.events.crashed(configuration, len(service.failures), action, milliseconds)
    else:
        controller.events.stopped_with_error(configuration, service.exit_code, service.service_exit_code)
        if not configuration.failure_actions_on_non_crash:
            return None
    if action == "restart":
        return milliseconds / 1000
    if action == "run_command":
        controller.run_failure_command(configuration)
    return None
