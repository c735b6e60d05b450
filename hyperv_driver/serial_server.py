# SPDX-License-Identifier: Apache-2.0
"""Where nova's serial proxy connects to for one instance's serial port: a TCP port of this host."""

import contextlib
import socket
import threading

import nova.conf
from nova.console import serial

CONF = nova.conf.CONF

# Seconds that a client may leave the guest's words unread; then it is cut off, lest the log wait for it.
PATIENCE = 5


class SerialServer(threading.Thread):
    """Takes one client at a time, from start() to stop().

    :param type_: called with the bytes that the client types
    :ivar address: (host, port)
    :raises nova.exception.SocketPortRangeExhaustedException: [serial_console] port_range has no free one
    """

    def __init__(self, type_):
        host = CONF.serial_console.proxyclient_address
        self.address = host, serial.acquire_port(host)
        super().__init__(name=f"serial console on {host}:{self.address[1]}", daemon=True)
        self._type = type_
        self._listener = socket.create_server(self.address)
        self._client = None
        self._stopped = False

    def show(self, data):
        """Send a client, if there is one, what the guest wrote."""
        client = self._client
        if client:
            try:
                client.sendall(data)
            except OSError:
                _close(client)

    def stop(self):
        self._stopped = True
        # Both wake the thread: the former on Unix, the latter on Windows.
        _close(self._listener)
        if self._client:
            _close(self._client)
        serial.release_port(*self.address)

    def run(self):
        while not self._stopped:
            with contextlib.suppress(OSError):
                client, _address = self._listener.accept()
                with client:
                    client.settimeout(PATIENCE)
                    self._client = client
                    self._serve(client)
            self._client = None

    def _serve(self, client):
        while not self._stopped:
            try:
                data = client.recv(4096)
            except TimeoutError:
                continue  # nobody types
            if not data:
                return
            self._type(data)


def _close(ending):
    with contextlib.suppress(OSError):
        ending.shutdown(socket.SHUT_RDWR)
    ending.close()
