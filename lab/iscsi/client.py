# SPDX-License-Identifier: Apache-2.0
"""An initiator's session with one target at a portal."""

import secrets
import socket

from lab import iscsi
from lab.iscsi import Pdu, ProtocolError

TIMEOUT = 5  # seconds


class Refused(Exception):
    """A login that the target refused; ``status`` is its status class and detail."""

    def __init__(self, status):
        super().__init__(f"login status {status:#06x}")
        self.status = status


class Connection:
    """
    :param portal: (address, port)
    :param initiator: name of the initiator
    :param target: name of the target
    :param chap: (user, secret), or None
    :raises Refused: if the target refuses
    :raises OSError: if nothing answers
    :raises ProtocolError: if what answers is no portal
    """

    def __init__(self, portal, initiator, target, chap):
        self._sequence = 0
        self._socket = socket.create_connection(portal, TIMEOUT)
        self._file = self._socket.makefile("rb")
        self._isid = b"\x80" + secrets.token_bytes(5)
        try:
            self._log_in(initiator, target, chap)
        except BaseException:
            self.close()
            raise

    def close(self):
        self._file.close()
        self._socket.close()

    def log_out(self):
        try:
            self._exchange(Pdu(iscsi.LOGOUT, iscsi.FINAL), iscsi.LOGOUT_RESPONSE)
        finally:
            self.close()

    def luns(self):
        """Return (size in bytes, NAA identifier) by LUN."""
        length, listed = 4096, {}
        data = self._command(0, bytes([iscsi.REPORT_LUNS]) + bytes(5) + length.to_bytes(4) + bytes(6), length)
        for position in range(8, 8 + int.from_bytes(data[:4]), 8):
            lun = data[position + 1]
            capacity = self._command(
                lun, bytes([iscsi.SERVICE_ACTION_IN, 0x10]) + bytes(11) + b"\x20\0\0", 32
            )
            size = (int.from_bytes(capacity[:8]) + 1) * int.from_bytes(capacity[8:12])
            page = self._command(lun, bytes([iscsi.INQUIRY, 1, 0x83, 0, 255]) + bytes(11), 255)
            listed[lun] = size, page[8 : 8 + page[7]].hex()
        return listed

    def _log_in(self, initiator, target, chap):
        words = {"InitiatorName": initiator, "TargetName": target, "SessionType": "Normal"}
        answer = self._login_step(words | {"AuthMethod": "CHAP,None" if chap else "None"})
        if answer.get("AuthMethod") == "CHAP":
            answer = self._login_step({"CHAP_A": iscsi.CHAP_MD5}, last=False)
            user, secret = chap
            challenge = bytes.fromhex(answer["CHAP_C"][2:])
            response = iscsi.chap_response(int(answer["CHAP_I"]), secret, challenge)
            self._login_step({"CHAP_N": user, "CHAP_R": response})

    def _login_step(self, words, last=True):
        flags = iscsi.SECURITY << 2 | (iscsi.FINAL | iscsi.FULL_FEATURE if last else 0)
        request = Pdu(iscsi.LOGIN, flags, data=iscsi.text(words))
        request.header[8:14] = self._isid
        answer = self._exchange(request, iscsi.LOGIN_RESPONSE, immediate=True)
        if status := answer.number(36, 2):
            raise Refused(status)
        return iscsi.pairs(answer.data)

    def _command(self, lun, block, length):
        request = Pdu(iscsi.SCSI_COMMAND, iscsi.FINAL | 0x40)
        request.header[8:16], request.header[32:48] = iscsi.lun_field(lun), block
        return self._exchange(request.put(20, length), iscsi.DATA_IN).data

    def _exchange(self, request, expected, immediate=False):
        request.put(16, self._sequence).put(24, self._sequence)
        self._sequence += not immediate
        if immediate:
            request.opcode |= 0x40
        self._socket.sendall(request.encode())
        answer = iscsi.read(self._file)
        if answer is None:
            raise ConnectionResetError("the portal ended the session")
        if answer.opcode != expected:
            raise ProtocolError(f"opcode {answer.opcode:#x}, expected {expected:#x}")
        return answer
