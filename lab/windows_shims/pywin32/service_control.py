# SPDX-License-Identifier: Apache-2.0
"""The connection to the host's service control manager; lab/windows_shims/__init__.py has the protocol."""

import json
import os
import socket

import pywintypes

FAILED_SERVICE_CONTROLLER_CONNECT = 1063

_connection = None


class ServiceControlManager:
    """The service control manager as the program of the service `name` sees it."""

    def __init__(self, name: str):
        self.name = name
        path = os.path.join(os.environ.get("WINDOWS_HOST_RUN", "/run/windows-host"), "services.sock")
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.connect(path)
        self._lines = self._socket.makefile("rb")

    def report(self, state: str, **details) -> None:
        """Report the service's state; `details` as in the protocol."""
        self._send({"state": state, **details})

    def log(self, kind: str, number: int, message: str) -> None:
        """Add an event of the service to the Application log."""
        self._send({"event": {"type": kind, "id": number, "message": message}})

    def controls(self):
        """Yield the name of each control that is sent, until the host hangs up.

        Raises pywintypes.error (1063) if the host never started this process as a service.
        """
        for line in self._lines:
            message = json.loads(line)
            if "error" in message:
                raise pywintypes.error(message["error"], "StartServiceCtrlDispatcher", message["message"])
            yield message["control"]

    def hang_up(self) -> None:
        """Let controls() end."""
        self._socket.shutdown(socket.SHUT_RDWR)

    def _send(self, message: dict) -> None:
        # One call, so that what two threads send does not mix.
        self._socket.sendall(json.dumps({"service": self.name, **message}).encode() + b"\n")


def connect() -> ServiceControlManager:
    """Connect as the service that the host started; pywintypes.error (1063) if it started none here."""
    global _connection
    if "WINDOWS_SERVICE" not in os.environ:
        raise pywintypes.error(
            FAILED_SERVICE_CONTROLLER_CONNECT,
            "StartServiceCtrlDispatcher",
            "The service process could not connect to the service controller.",
        )
    _connection = ServiceControlManager(os.environ["WINDOWS_SERVICE"])
    return _connection


def connection() -> ServiceControlManager:
    """Return the connection that connect() made."""
    if _connection is None:
        raise RuntimeError(
            "servicemanager: this process hosts no service (pythonservice.exe has not started it)"
        )
    return _connection


def registry_key(name: str) -> dict:
    """Return the registry key of the service `name` as the host handed it to this process."""
    if os.environ.get("WINDOWS_SERVICE", "").lower() != name.lower():
        raise NotImplementedError(
            f"registry of service {name}: the lab shows it to the service's own process only, and this is "
            f"{os.environ.get('WINDOWS_SERVICE', 'no service')!r}"
        )
    return json.loads(os.environ["WINDOWS_SERVICE_KEY"])


def find(key: dict, name: str):
    """Return what a registry key holds under `name`, which knows no case; None if nothing."""
    return next((value for other, value in key.items() if other.lower() == name.lower()), None)
