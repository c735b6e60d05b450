# SPDX-License-Identifier: Apache-2.0
"""Serves a model to WMI clients in other processes, over a Unix socket; and to DLLs that call its services.

Both sides write lines of JSON. A request is ``{"operation": NAME, "computer": …, "namespace": …, …}``, or a
DLL's ``{"operation": "call", "function": "library.Function", "arguments": …, …}``; the answer is ``{"result":
…}`` or ``{"error": {"code": HRESULT or the function's own, "message": …}}``. After ``subscribe`` the
connection carries ``{"event": …}`` until one side closes it. An instance travels as ``[class name, [value,
…]]``, its values in the order of the class's properties, which ``class`` tells; clients keep class
definitions, which never change.
"""

import contextlib
import json
import os
import pathlib
import socket
import socketserver
import threading

from lab.hyperv_model import errors
from lab.hyperv_model.cim import Instance
from lab.hyperv_model.errors import CimError


def serve(model, socket_path: pathlib.Path, handler: type | None = None) -> "Server":
    """Start serving, in threads of this process.

    :param model: the Model
    :param socket_path: where clients connect; an abandoned socket there is replaced
    :param handler: of socketserver, for each connection; by default one for WMI clients
    :returns: the running server; ``close()`` ends it and every connection
    """
    return Server(model, socket_path, handler or _Connection)


class Server(socketserver.ThreadingUnixStreamServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 64

    def __init__(self, model, socket_path, handler):
        with contextlib.suppress(FileNotFoundError):
            socket_path.unlink()
        self.model = model
        self.connections = set()
        # Through the folder's descriptor, because a socket's name may have 107 bytes only.
        folder = os.open(socket_path.parent, os.O_PATH | os.O_DIRECTORY)
        try:
            super().__init__(f"/proc/self/fd/{folder}/{socket_path.name}", handler)
        finally:
            os.close(folder)
        self._socket_path = socket_path
        self._thread = threading.Thread(
            target=self.serve_forever, args=(0.1,), name=socket_path.name, daemon=True
        )
        self._thread.start()

    def close(self):
        self.shutdown()
        self.server_close()
        self._thread.join()
        for connection in list(self.connections):
            with contextlib.suppress(OSError):  # its client may have closed it at the same time
                connection.shutdown(socket.SHUT_RDWR)
        self._socket_path.unlink(missing_ok=True)


class _Connection(socketserver.StreamRequestHandler):
    wbufsize = -1

    def handle(self):
        self.server.connections.add(self.connection)
        subscription = None
        self._writing = threading.Lock()
        try:
            for line in self.rfile:
                try:
                    request = json.loads(line)
                    model, result = self.server.model, None
                    _check_computer(model, request["computer"])
                    if request["operation"] == "call":
                        result = model.call(request["function"], request["arguments"])
                    elif request["operation"] == "subscribe":
                        namespace = model.namespace(request["namespace"])
                        subscription = namespace.subscribe(request["query"], self._deliver)
                    else:
                        namespace = model.namespace(request["namespace"])
                        result = _OPERATIONS[request["operation"]](namespace, request)
                    answer = {"result": result}
                except CimError as error:
                    answer = {"error": {"code": error.code, "message": error.message}}
                self._write(answer)
        except (BrokenPipeError, ConnectionResetError):
            pass  # the client is gone; nobody is left to tell
        finally:
            if subscription:
                subscription.cancel()
            self.server.connections.discard(self.connection)

    def finish(self):
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            super().finish()

    def _write(self, answer):
        with self._writing:
            self.wfile.write(json.dumps(answer).encode() + b"\n")
            self.wfile.flush()

    def _deliver(self, class_name, event):
        encoded = {name: _encoded(instance) for name, instance in event.items()}
        with contextlib.suppress(BrokenPipeError, ConnectionResetError, ValueError):
            # ValueError: the file is closed, as the client went away between two polls.
            self._write({"event": {"class": class_name, "properties": encoded}})


def _check_computer(model, computer):
    names = model.neighbours.names if model.neighbours else (model.name,)
    if computer.lower() not in (".", "localhost", "127.0.0.1", *(name.lower() for name in names)):
        raise CimError(errors.RPC_SERVER_UNAVAILABLE, f"The RPC server is unavailable: {computer}")


def _class(namespace, request):
    definition = namespace.definition(request["class"])
    return {
        "name": definition.name,
        "namespace": definition.namespace,
        "server": definition.server,
        "derivation": definition.derivation,
        "properties": [[item.name, item.type, item.default] for item in definition.properties.values()],
        "keys": [item.name for item in definition.keys],
        "methods": {
            method.name: [[parameter.name, parameter.type] for parameter in method.inputs()]
            for method in definition.methods.values()
        },
    }


def _query(namespace, request):
    return [_encoded(instance) for instance in namespace.query(request["query"])]


def _get(namespace, request):
    return _encoded(namespace.get(request["class"], request["keys"]))


def _associators(namespace, request):
    found = namespace.associators(
        request["path"],
        request["association_class"],
        request["result_class"],
        request["role"],
        request["result_role"],
    )
    return [_encoded(instance) for instance in found]


def _invoke(namespace, request):
    outputs = namespace.invoke(request["target"], request["method"], request["arguments"])
    return [[name, cim_type, _encoded(value)] for name, cim_type, value in outputs.items()]


def _create(namespace, request):
    raise CimError(errors.PROVIDER_NOT_CAPABLE, f"{request['class']}: the provider cannot create an instance")


def _modify(namespace, request):
    namespace.put(request["path"], request["values"])


def _delete(namespace, request):
    namespace.delete(request["path"])


_OPERATIONS = {
    "class": _class,
    "query": _query,
    "get": _get,
    "associators": _associators,
    "invoke": _invoke,
    "create": _create,
    "modify": _modify,
    "delete": _delete,
}


def _encoded(value):
    if isinstance(value, Instance):
        return [value.class_name, [_encoded(item) for _name, _type, item in value.items()]]
    if isinstance(value, list):
        return [_encoded(item) for item in value]
    return value
