# SPDX-License-Identifier: Apache-2.0
"""The HTTPS and HTTP listeners of a WS-Management service; the only module here that opens sockets."""

import logging
import socket
import socketserver
import ssl
import sys
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler

from lab.winrm_server import authentication, encryption, faults, identify, protocol
from lab.winrm_server.faults import Fault
from lab.winrm_server.host import Host
from lab.winrm_server.service import Service
from lab.winrm_server.tls import ServerContext

LOG = logging.getLogger(__name__)

PATH = "/wsman"
ENVELOPE_TYPE = "application/soap+xml;charset=UTF-8"
# What sealing adds to an envelope: two parts' headers and a signature.
_SEALING_OVERHEAD = 1024

# Seconds that a connection may stay silent, handshake included: http.sys drops idle ones after two minutes.
IDLE_SECONDS = 120


class Server:
    """The WinRM listeners of one host: HTTPS, and HTTP where a port is given. start() and stop() may
    alternate, as reboots do."""

    def __init__(
        self,
        host: Host,
        address: str,
        port: int,
        tls_context: ServerContext,
        http_port: int | None = None,
        disturb: Callable[[str], None] = lambda action: None,
    ):
        self.address, self.port, self.http_port = address, port, http_port
        self._host, self._tls_context, self._disturb = host, tls_context, disturb
        self._listeners: list[_Listener] = []
        self._service: Service | None = None

    def start(self) -> None:
        """Listen, and return once connections are accepted; OSError names the address when that cannot be.
        Port 0 takes a free one and sets `port` or `http_port`."""
        if self._service:
            raise RuntimeError(f"cannot start the WinRM server of {self._host.name}: it runs already")
        self._service = Service(self._host, self._disturb)
        try:
            self.port = self._listen(self.port, self._tls_context)
            if self.http_port is not None:
                self.http_port = self._listen(self.http_port, None)
        except OSError:
            self.stop()
            raise

    def _listen(self, port: int, tls_context: ServerContext | None) -> int:
        try:
            listener = _Listener((self.address, port), self._host, self._service, tls_context)
        except OSError as error:
            where = f"{self.address}:{port}"
            raise OSError(error.errno, f"cannot listen on {where}: {error.strerror}") from error
        self._listeners.append(listener)
        threading.Thread(target=listener.serve_forever, args=(0.1,), name="winrm", daemon=True).start()
        return listener.server_address[1]

    def stop(self) -> None:
        """Refuse new connections, drop every open one in mid-request, and end what clients have started."""
        listeners, self._listeners = self._listeners, []
        for listener in listeners:
            listener.shutdown()
            listener.server_close()
            listener.drop_connections()
        service, self._service = self._service, None
        if service:
            service.close()


class _Listener(socketserver.ThreadingTCPServer):
    daemon_threads = True
    # A thread may wait in Receive for its whole OperationTimeout; stop() does not.
    block_on_close = False
    allow_reuse_address = True
    request_queue_size = 64

    def __init__(
        self, address: tuple[str, int], host: Host, service: Service, tls_context: ServerContext | None
    ):
        self.host, self.tls_context, self.service = host, tls_context, service
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
        context = self.server.tls_context
        if context:
            self.request = context.wrap_socket(self.request, server_side=True, do_handshake_on_connect=False)
        self.server.add(self.request)
        try:
            if context:
                self.request.do_handshake()
        except BaseException:
            self.server.discard(self.request)
            self.request.close()
            raise
        certificate = self.request.getpeercert(binary_form=True) if context else None
        self._authentication = authentication.Connection(
            self.server.host, certificate, context.end_point if context else None
        )
        super().setup()

    def finish(self) -> None:
        try:
            super().finish()
        finally:
            self.server.discard(self.request)
            self.request.close()

    def do_GET(self) -> None:
        self._reply(405)

    def do_POST(self) -> None:
        length = self.headers.get("Content-Length", "")
        if not length.isdigit():
            self.close_connection = True
            return self._reply(411)
        size = int(length)
        if size > protocol.MAX_ENVELOPE_SIZE + _SEALING_OVERHEAD:
            self._discard(size)
            message = None
        else:
            message = self.rfile.read(size)
            if len(message) < size:
                raise ConnectionResetError("the client closed in the middle of a request")
        if self.path.partition("?")[0] != PATH:
            return self._reply(404)
        if (
            self.headers.get(identify.HEADER) == identify.UNAUTHENTICATED
            and message
            and identify.asks(message)
        ):
            return self._reply(200, identify.response(identify.NO_VERSION))
        user = self._authentication.user(self.headers.get("Authorization", ""))
        if user is None:
            return self._reply(401)
        self._serve(user, message, size)

    def _serve(self, user: str, message: bytes | None, size: int) -> None:
        """Answer an authenticated request; `message` is None if it was too large to be read."""
        sealing, sealed = self._authentication.sealing, False
        if message and encryption.is_sealed(self.headers.get("Content-Type", "")):
            try:
                message, sealed = encryption.unseal(sealing, message) if sealing else None, True
            except encryption.NotSealed as error:
                LOG.info("a sealed message of %s is refused: %s", user, error)
                message = None
            if message is None:
                self.close_connection = True
                return self._reply(400)
            size = len(message)
        if not size:
            # The client has only wanted to log on: what it seals goes into the next request.
            return self._reply(200, user=user)
        if not sealed and not self.server.tls_context:
            # AllowUnencrypted is false. An empty 500 is what pywinrm's users report of it (inferred).
            return self._reply(500, user=user)
        if size > protocol.MAX_ENVELOPE_SIZE:
            fault = Fault(
                faults.ENVELOPE_TOO_LARGE,
                f"The request has {size} bytes; "
                f"at most {protocol.MAX_ENVELOPE_SIZE} are accepted (MaxEnvelopeSizekb).",
            )
            status, envelope = 500, protocol.fault_reply(fault, self.server.host.name)
        else:
            status, envelope = self.server.service.answer(message, user)
        if sealed:
            return self._reply(status, encryption.seal(sealing, envelope), encryption.CONTENT_TYPE, user=user)
        self._reply(status, envelope, user=user)

    def _discard(self, size: int) -> None:
        while size > 0 and (data := self.rfile.read(min(size, 65536))):
            size -= len(data)

    def _reply(
        self, status: int, body: bytes = b"", content_type: str = ENVELOPE_TYPE, *, user: str | None = None
    ) -> None:
        self.send_response(status)
        if status == 401 or user:
            for challenge in self._authentication.challenges(user):
                self.send_header("WWW-Authenticate", challenge)
        if status == 405:
            self.send_header("Allow", "POST")
        if body:
            self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        LOG.debug("%s %s", self.client_address[0], format % args)
