# SPDX-License-Identifier: Apache-2.0
"""A portal: iSCSI targets at one address. Refuses what has no target, no right to it, or the wrong secret."""

import dataclasses
import hmac
import logging
import secrets
import socketserver
import threading

from lab import iscsi
from lab.iscsi import Pdu, ProtocolError

LOG = logging.getLogger(__name__)


@dataclasses.dataclass
class Export:
    """One target with one logical unit.

    :ivar size: in bytes
    :ivar identifier: its NAA identifier, 32 hexadecimal digits
    :ivar chap: (user, secret) that a login needs
    :ivar initiators: names of the initiators that may log in
    """

    size: int
    identifier: str
    chap: tuple
    initiators: set = dataclasses.field(default_factory=set)
    lun: int = 1


class Portal(socketserver.ThreadingTCPServer):
    """
    :ivar exports: Export by the target's name; whoever changes it takes effect at once, also for sessions
    """

    allow_reuse_address = True
    daemon_threads = True

    def __init__(self, address, port):
        self.exports = {}
        super().__init__((address, port), _Connection)
        threading.Thread(target=self.serve_forever, daemon=True).start()


class _Connection(socketserver.StreamRequestHandler):
    def setup(self):
        super().setup()
        self._sent = 0
        self._name = self._initiator = None

    def handle(self):
        try:
            if self._log_in():
                self._serve()
        except ProtocolError as error:
            LOG.error("the session of %s with %s ends: %s", self._initiator, self._name, error)
        except ConnectionError:
            return

    def _answer(self, request, opcode, flags, data=b""):
        answer = Pdu(opcode, flags, data=data)
        answer.header[16:20] = request.header[16:20]
        # One command at a time: the next one that is expected is the next one.
        expected = request.number(24) + (opcode != iscsi.LOGIN_RESPONSE)
        answer.put(24, self._sent).put(28, expected % 2**32).put(32, (expected + 8) % 2**32)
        self._sent += 1
        return answer

    def _send(self, pdu):
        self.wfile.write(pdu.encode())

    def _refuse(self, request, status):
        answer = self._answer(request, iscsi.LOGIN_RESPONSE, 0)
        self._send(answer.put(36, status, 2))
        return False

    def _log_in(self):
        said, challenge, admitted = {}, None, False
        while (request := iscsi.read(self.rfile)) is not None:
            if request.opcode != iscsi.LOGIN:
                raise ProtocolError(f"opcode {request.opcode:#x} before the login")
            said |= iscsi.pairs(request.data)
            self._name, self._initiator = said.get("TargetName"), said.get("InitiatorName")
            export = self.server.exports.get(self._name)
            if export is None:
                return self._refuse(request, iscsi.NOT_FOUND)
            if self._initiator not in export.initiators:
                return self._refuse(request, iscsi.AUTHORIZATION_FAILURE)
            stage, following = request.flags >> 2 & 3, request.flags & 3
            answers, done = {}, bool(request.flags & iscsi.FINAL)
            if not admitted and "CHAP_R" in said and challenge:
                user, secret = export.chap
                expected = iscsi.chap_response(challenge[0], secret, challenge[1])
                given = said["CHAP_R"].lower().encode()
                if said.get("CHAP_N") != user or not hmac.compare_digest(given, expected.encode()):
                    return self._refuse(request, iscsi.AUTHENTICATION_FAILURE)
                admitted = True
            elif not admitted and said.get("CHAP_A") and challenge is None:
                if iscsi.CHAP_MD5 not in said["CHAP_A"].split(","):
                    return self._refuse(request, iscsi.AUTHENTICATION_FAILURE)
                challenge = secrets.randbelow(256), secrets.token_bytes(16)
                answers |= {
                    "CHAP_A": iscsi.CHAP_MD5,
                    "CHAP_I": challenge[0],
                    "CHAP_C": f"0x{challenge[1].hex()}",
                }
                done = False
            elif not admitted:
                if stage != iscsi.SECURITY or "CHAP" not in said.get("AuthMethod", "").split(","):
                    return self._refuse(request, iscsi.AUTHENTICATION_FAILURE)
                answers["AuthMethod"], done = "CHAP", False
            answers |= dict.fromkeys(
                iscsi.pairs(request.data).keys() & {"HeaderDigest", "DataDigest"}, "None"
            )
            flags = stage << 2 | (iscsi.FINAL | following if done else 0)
            answer = self._answer(request, iscsi.LOGIN_RESPONSE, flags, iscsi.text(answers))
            answer.header[8:14] = request.header[8:14]
            if done and following == iscsi.FULL_FEATURE:
                answer.put(14, 1, 2)
            self._send(answer)
            if done and following == iscsi.FULL_FEATURE:
                return True
        return False

    def _serve(self):
        while (request := iscsi.read(self.rfile)) is not None:
            if request.opcode == iscsi.LOGOUT:
                self._send(self._answer(request, iscsi.LOGOUT_RESPONSE, iscsi.FINAL))
                return
            if request.opcode != iscsi.SCSI_COMMAND:
                raise ProtocolError(f"opcode {request.opcode:#x}: expected a SCSI command or a logout")
            export = self.server.exports.get(self._name)
            if export is None or self._initiator not in export.initiators:
                # What is no longer exported to this initiator is gone for its session, too.
                return
            if request.header[32] == iscsi.TEST_UNIT_READY:
                self._send(self._answer(request, iscsi.SCSI_RESPONSE, iscsi.FINAL))
                continue
            data = self._result(export, bytes(request.header[32:48]))[: request.number(20)]
            # Data with the command's status, which is GOOD.
            self._send(self._answer(request, iscsi.DATA_IN, iscsi.FINAL | 0x01, data).put(20, 0xFFFFFFFF))

    def _result(self, export, block):
        if block[0] == iscsi.REPORT_LUNS:
            return (8).to_bytes(4) + bytes(4) + iscsi.lun_field(export.lun)
        if block[0] == iscsi.SERVICE_ACTION_IN and block[1] & 0x1F == 0x10:  # READ CAPACITY(16)
            return (export.size // iscsi.BLOCK - 1).to_bytes(8) + iscsi.BLOCK.to_bytes(4) + bytes(20)
        if block[0] == iscsi.INQUIRY and block[1] & 1 and block[2] == 0x83:  # device identification
            identifier = bytes.fromhex(export.identifier)
            descriptor = bytes([1, 3, 0, len(identifier)]) + identifier
            return bytes([0, 0x83]) + len(descriptor).to_bytes(2) + descriptor
        raise ProtocolError(f"SCSI command {block.hex()} is not served")
