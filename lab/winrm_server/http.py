# SPDX-License-Identifier: Apache-2.0
"""HTTPS and authentication for a WS-Management service; the only module here that opens sockets."""

import base64
import binascii
import logging
import socket
import socketserver
import ssl
import sys
import threading
from http.server import BaseHTTPRequestHandler

from lab.winrm_server import faults, protocol
from lab.winrm_server.faults import Fault
from lab.winrm_server.host import Host
from lab.winrm_server.service import Service

LOG = logging.getLogger(__name__)

PATH = "/wsman"
CERTIFICATE_PROFILE = "http://schemas.dmtf.org/wbem/wsman/1/wsman/secprofile/https/mutual"

# Seconds that a connection may stay silent, handshake included: http.sys drops idle ones after two minutes.
IDLE_SECONDS = 120


class Server:
    """The WinRM listener of one host. start() and stop() may alternate, as reboots do."""

    def __init__(self, host: Host, address: str, port: int, tls_context: ssl.SSLContext):
        self.address, self.port = address, port
        self._host, self._tls_context = host, tls_context
        self._listener: _Listener | None = None

    def start(self) -> None:
        """Listen, and return once connections are accepted; OSError names the address when that cannot be.
        Port 0 takes a free one and sets `port`."""
        if self._listener:
            raise RuntimeError(f"cannot start the WinRM server of {self._host.name}: it runs already")
        try:
            self._listener = _Listener((self.address, self.port), self._host, self._tls_context)
        except OSError as error:
            where = f"{self.address}:{self.port}"
            raise OSError(error.errno, f"cannot listen on {where}: {error.strerror}") from error
        self.port = self._listener.server_address[1]
        threading.Thread(target=self._listener.serve_forever, args=(0.1,), name="winrm", daemon=True).start()

    def stop(self) -> None:
        """Refuse new connections, drop every open one in mid-request, and end what clients have started."""
        listener, self._listener = self._listener, None
        if listener:
            listener.shutdown()
            listener.server_close()
            listener.drop_connections()
            listener.service.close()


class _Listener(socketserver.ThreadingTCPServer):
    daemon_threads = True
    # A thread may wait in Receive for its whole OperationTimeout; stop() does not.
    block_on_close = False
    allow_reuse_address = True
    request_queue_size = 64

    def __init__(self, address: tuple[str, int], host: Host, tls_context: ssl.SSLContext):
        self.host, self.tls_context, self.service = host, tls_context, Service(host)
        self._connections: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._dropping = False
        super().__init__(address, _Connection)

    def add(self, connection: socket.socket) -> None:
        """Remember an open connection; ConnectionAbortedError when the server has stopped meanwhile."""
        with self._lock:
            if self._dropping:
                raise ConnectionAbortedError("the server has stopped")
            self._connections.add(connection)

    def discard(self, connection: socket.socket) -> None:
        with self._lock:
            self._connections.discard(connection)

    def drop_connections(self) -> None:
        with self._lock:
            self._dropping, connections = True, list(self._connections)
        for connection in connections:
            try:
                # Not SSLSocket's shutdown: it takes the TLS state from under the thread that uses it.
                socket.socket.shutdown(connection, socket.SHUT_RDWR)
            except OSError as error:
                LOG.debug("connection had ended: %s", error)

    def handle_error(self, request: socket.socket, client_address: tuple[str, int]) -> None:
        error = sys.exc_info()[1]
        # Readiness probes connect and close without a handshake; clients and stop() may close at any time.
        if isinstance(error, ssl.SSLError | ConnectionError | TimeoutError):
            LOG.debug("connection from %s: %s", client_address[0], error)
        else:
            LOG.exception("connection from %s", client_address[0])


class _Connection(BaseHTTPRequestHandler):
    server: _Listener
    protocol_version = "HTTP/1.1"
    server_version, sys_version = "Microsoft-HTTPAPI/2.0", ""
    disable_nagle_algorithm = True
    # Headers and body leave in one TLS record.
    wbufsize = -1
    timeout = IDLE_SECONDS

    def setup(self) -> None:
        self.request.settimeout(IDLE_SECONDS)
        self.request = self.server.tls_context.wrap_socket(
            self.request, server_side=True, do_handshake_on_connect=False
        )
        self.server.add(self.request)
        try:
            self.request.do_handshake()
        except BaseException:
            self.server.discard(self.request)
            self.request.close()
            raise
        super().setup()

    def finish(self) -> None:
        try:
            super().finish()
        finally:
            self.server.discard(self.request)
            self.request.close()

    def do_GET(self) -> None:
        self._reply(405, headers={"Allow": "POST"})

    def do_POST(self) -> None:
        length = self.headers.get("Content-Length", "")
        if not length.isdigit():
            self.close_connection = True
            return self._reply(411)
        size = int(length)
        if size > protocol.MAX_ENVELOPE_SIZE:
            self._discard(size)
            message = None
        else:
            message = self.rfile.read(size)
            if len(message) < size:
                raise ConnectionResetError("the client closed in the middle of a request")
        if self.path.partition("?")[0] != PATH:
            return self._reply(404)
        user = self._authenticate()
        if user is None:
            return self._reply(401, headers={"WWW-Authenticate": 'Basic realm="WSMAN"'})
        if message is None:
            fault = Fault(
                faults.ENVELOPE_TOO_LARGE,
                f"The request has {size} bytes; "
                f"at most {protocol.MAX_ENVELOPE_SIZE} are accepted (MaxEnvelopeSizekb).",
            )
            return self._reply(500, protocol.fault_reply(fault, self.server.host.name))
        self._reply(*self.server.service.answer(message, user))

    def _discard(self, size: int) -> None:
        while size > 0 and (data := self.rfile.read(min(size, 65536))):
            size -= len(data)

    def _authenticate(self) -> str | None:
        """Return the user of this request, or None when it proves no one."""
        credentials = self.headers.get("Authorization", "")
        if credentials == CERTIFICATE_PROFILE:
            certificate = self.request.getpeercert(binary_form=True)
            return self.server.host.user_of_certificate(certificate) if certificate else None
        scheme, _, token = credentials.partition(" ")
        if scheme.lower() != "basic":
            return None
        try:
            user, _, password = base64.b64decode(token, validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            return None
        return user if self.server.host.password_is_valid(user, password) else None

    def _reply(self, status: int, body: bytes = b"", headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        if body:
            self.send_header("Content-Type", "application/soap+xml;charset=UTF-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        LOG.debug("%s %s", self.client_address[0], format % args)
