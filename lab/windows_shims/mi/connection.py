# SPDX-License-Identifier: Apache-2.0
"""The way to the model: requests and answers over a host's socket; see lab/hyperv_model/server.py.

This host's is wmi.sock; those of the hosts that it reaches are where lab/hyperv_model/neighbours.py says.
"""

import json
import os
import select
import socket
import threading

from mi import errors

LOCAL = (".", "localhost", "127.0.0.1")
_idle = {}
_lock = threading.Lock()


class Connection:
    """One connection to a computer's WMI, for one request at a time.

    :raises mi.error: the computer cannot be reached
    """

    def __init__(self, computer):
        path = os.path.join(os.environ.get("WINDOWS_HOST_RUN", "/run/windows-host"), "wmi.sock")
        other = os.path.join(os.environ.get("WINDOWS_NETWORK", "/network"), f"{computer.upper()}.sock")
        if computer.lower() not in LOCAL and os.path.lexists(other):
            path = other
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self.socket.connect(path)
        except OSError as problem:
            self.socket.close()
            raise errors.from_hresult(
                errors.RPC_SERVER_UNAVAILABLE,
                f"The RPC server is unavailable: {computer}: {problem.strerror}",
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
    connection = _idle_connection(computer) or Connection(computer)
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
        _keep(computer, connection)
        raise
    _keep(computer, connection)
    return result


def _idle_connection(computer):
    """A connection that is open and not in use. One that became readable belongs to a host that is gone."""
    while True:
        with _lock:
            if not _idle.get(computer.lower()):
                return None
            connection = _idle[computer.lower()].pop()
        if not select.select([connection.socket], [], [], 0)[0]:
            return connection
        connection.close()


def _keep(computer, connection):
    with _lock:
        _idle.setdefault(computer.lower(), []).append(connection)
