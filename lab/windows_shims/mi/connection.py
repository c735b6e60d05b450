# SPDX-License-Identifier: Apache-2.0
"""The way to the model: requests and answers over the host's wmi.sock; see lab/hyperv_model/server.py."""

import json
import os
import select
import socket
import threading

from mi import errors

_idle = []
_lock = threading.Lock()


class Connection:
    """One connection, for one request at a time."""

    def __init__(self):
        path = os.path.join(os.environ.get("WINDOWS_HOST_RUN", "/run/windows-host"), "wmi.sock")
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self.socket.connect(path)
        except OSError as problem:
            self.socket.close()
            raise errors.from_hresult(
                errors.RPC_SERVER_UNAVAILABLE, f"The RPC server is unavailable: {path}: {problem.strerror}"
            ) from None
        self._file = self.socket.makefile("rb")

    def request(self, request):
        self.socket.sendall(json.dumps(request).encode() + b"\n")
        answer = self.read()
        if answer is None:
            raise ConnectionResetError
        if "error" in answer:
            raise errors.from_hresult(answer["error"]["code"], answer["error"]["message"])
        return answer["result"]

    def read(self):
        """The next line of the other side; None when there will be no more."""
        line = self._file.readline()
        return json.loads(line) if line else None

    def close(self):
        try:
            self.socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass  # the host has closed it
        self.socket.close()


def request(computer, namespace, operation, timeout=None, **parameters):
    """Ask the model.

    :param timeout: seconds to wait for the answer; None: as long as it takes
    :raises mi.error: what the model refuses
    :raises mi.timeouterror: no answer in time
    """
    connection = _idle_connection() or Connection()
    message = {"operation": operation, "computer": computer, "namespace": namespace, **parameters}
    connection.socket.settimeout(timeout)
    try:
        result = connection.request(message)
    except TimeoutError:
        connection.close()
        raise errors.timed_out() from None
    except (ConnectionResetError, BrokenPipeError):
        connection.close()
        raise errors.from_hresult(
            errors.RPC_CALL_FAILED, f"The remote procedure call failed: {operation} in {namespace}"
        ) from None
    except errors.error:
        _keep(connection)
        raise
    _keep(connection)
    return result


def _idle_connection():
    """A connection that is open and not in use. One that became readable belongs to a host that is gone."""
    while True:
        with _lock:
            if not _idle:
                return None
            connection = _idle.pop()
        if not select.select([connection.socket], [], [], 0)[0]:
            return connection
        connection.close()


def _keep(connection):
    with _lock:
        _idle.append(connection)
