# SPDX-License-Identifier: Apache-2.0
"""How the migration services of two hosts speak to each other.

Hyper-V's own protocol is not documented; this one is lines of JSON over the listener's socket. A connection
is one migration: ``{"step": "check"}`` asks whether it could be; ``begin`` makes the machine a planned one
here and tells where its files go; then ``stage`` leaves it at that, or ``commit`` has it run here. The answer
is ``{}`` with what was asked, or ``{"refused": message, "code": ErrorCode}``. A connection that ends before
``stage`` or ``commit`` leaves nothing here.
"""

import contextlib
import json
import select
import socketserver

from lab import guesses
from lab.hyperv_model import storage, transfer
from lab.hyperv_model.errors import CimError
from lab.hyperv_model.jobs import FAILED, JobFailure
from lab.hyperv_model.migration import listener_addresses

REFUSED = "No connection could be made because the target machine actively refused it. ('0x8007274D')"
UNKNOWN_HOST = "No such host is known. ('0x80072AF9')"
LOST = "An existing connection was forcibly closed by the remote host. ('0x80072746')"


class Channel:
    """The source's end of a connection.

    :raises JobFailure: the destination cannot be reached
    """

    def __init__(self, neighbours, computer):
        self._computer = computer
        try:
            self._socket = neighbours.listener(computer)
        except OSError as error:
            reason = UNKNOWN_HOST if isinstance(error, FileNotFoundError) else REFUSED
            raise JobFailure(
                "The Virtual Machine Management Service failed to establish a connection for a Virtual "
                f"machine migration with host '{computer}': {reason}"
            ) from None
        self._file = self._socket.makefile("rb")

    def ask(self, step, **parameters):
        """:raises JobFailure: what the destination refuses, or it is gone"""
        try:
            self._socket.sendall(json.dumps({"step": step, **parameters}).encode() + b"\n")
            line = self._file.readline()
        except OSError:
            line = b""
        if not line.endswith(b"\n"):
            raise self._lost()
        answer = json.loads(line)
        if "refused" in answer:
            raise JobFailure(answer["refused"], answer["code"])
        return answer

    def check(self):
        """:raises JobFailure: the destination is gone"""
        if select.select([self._socket], [], [], 0)[0]:
            raise self._lost()

    def _lost(self):
        return JobFailure(
            f"The connection for a Virtual machine migration with host '{self._computer}' is lost: {LOST}"
        )

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self._file.close()
        self._socket.close()


class Receiver(socketserver.StreamRequestHandler):
    """The destination's end."""

    def handle(self):
        self.server.connections.add(self.connection)
        self._model = self.server.model
        # What goes if the machine does not come; what it replaces when it comes.
        self._made, self._former, self._files = None, None, {}
        steps = {"check": self._check, "begin": self._begin, "stage": self._stage, "commit": self._commit}
        try:
            for line in self.rfile:
                request = json.loads(line)
                try:
                    with self._model.lock:
                        answer = steps[request.pop("step")](**request)
                except (JobFailure, CimError) as refusal:
                    answer = {"refused": self._refusal(refusal), "code": FAILED}
                self.wfile.write(json.dumps(answer).encode() + b"\n")
        except (BrokenPipeError, ConnectionResetError):
            pass  # the source is gone; what it was told does not matter any more
        finally:
            self.server.connections.discard(self.connection)
            with self._model.lock:
                self._drop()

    def finish(self):
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            super().finish()

    def _refusal(self, refusal):
        return (
            f"Virtual machine migration operation failed at migration destination '{self._model.name}'. "
            f"{refusal.message}"
        )

    def _check(self, addresses, planned, staged, machine, resources, parents):
        if addresses is not None:  # a cluster's own moves have none
            self._check_addresses(addresses)
        self._former = self._planned(planned, machine) if planned else None
        transfer.check(self._model, machine, self._former)
        if not staged:
            transfer.check_disks(self._model, machine, resources, self._former)
        for parent in parents:
            transfer.check_file(self._model, parent)
        for (path,) in resources.values():
            if self._local(path).exists():
                raise JobFailure(f"The file '{path}' exists. ('0x80070050')")
        return {}

    def _check_addresses(self, addresses):
        listened = listener_addresses(self._model)
        if not listened:
            raise JobFailure(f"Live migration is not enabled, or has no network: {REFUSED}")
        if not set(addresses) & set(listened):
            raise JobFailure(
                f"DestinationIPAddressList is {', '.join(addresses) or 'empty'}, it listens at "
                f"{', '.join(listened)}: {REFUSED}"
            )

    def _begin(self, **told):
        self._check(**told)
        self._resources = dict(told["resources"])
        if self._former:
            self._resources |= {
                part["InstanceID"]: part["HostResource"]
                for part in self._former.of(storage.RASD)
                if part["HostResource"]
            }
        else:
            self._former = self._made = transfer.build(
                self._model, told["machine"], transfer.PLANNED, self._resources
            )
        self._files = {path: self._local(path) for (path,) in told["resources"].values()}
        for path, file in self._files.items():
            self._check_space(path)
            if not file.parent.is_dir():
                self._model.guesses.meet(guesses.MIGRATION_MAKES_FOLDERS)
            file.parent.mkdir(parents=True, exist_ok=True)
        return {"files": {path: str(file) for path, file in self._files.items()}}

    def _stage(self):
        self._made = None
        return {}

    def _commit(self, machine, **_as_it_began):
        """The machine is built anew, as it may have changed since."""
        transfer.remove(self._model, self._former)
        self._made = transfer.build(self._model, machine, transfer.REALIZED, self._resources)
        transfer.resume(self._model, self._made, machine)
        self._made, self._files = None, {}
        return {}

    def _planned(self, guid, machine):
        found = self._model.machines.get(guid.upper())
        if found is None or found.system.class_name != transfer.PLANNED or found.guid != machine["guid"]:
            raise JobFailure(f"There is no planned virtual machine {guid}. ('0x80070490')")
        return found

    def _local(self, path):
        try:
            return self._model.local_path(path)
        except OSError as error:
            raise JobFailure(f"'{path}' cannot be written: {error}") from None

    def _check_space(self, path):
        try:
            self._model.check_space()
        except OSError as error:
            raise JobFailure(f"'{path}': {storage.reason(error)}") from None

    def _drop(self):
        if self._made:
            transfer.remove(self._model, self._made)
        for file in self._files.values():
            file.unlink(missing_ok=True)
