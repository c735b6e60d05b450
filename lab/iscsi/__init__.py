# SPDX-License-Identifier: Apache-2.0
"""iSCSI (RFC 7143) for sessions that only look at their disks: login, CHAP, which logical units there are.

No data of a disk is carried: no guest boots in the lab. What else arrives ends the connection.
"""

import dataclasses
import hashlib
import struct

HEADER = 48
SCSI_COMMAND, LOGIN, LOGOUT = 0x01, 0x03, 0x06
SCSI_RESPONSE, LOGIN_RESPONSE, DATA_IN, LOGOUT_RESPONSE = 0x21, 0x23, 0x25, 0x26
FINAL = 0x80
SECURITY, OPERATIONAL, FULL_FEATURE = 0, 1, 3  # stages of a login
AUTHENTICATION_FAILURE, AUTHORIZATION_FAILURE, NOT_FOUND = 0x0201, 0x0202, 0x0203
TEST_UNIT_READY, INQUIRY, SERVICE_ACTION_IN, REPORT_LUNS = 0x00, 0x12, 0x9E, 0xA0
BLOCK = 512  # bytes
CHAP_MD5 = "5"
LARGEST = 1 << 20  # bytes of data in one PDU


class ProtocolError(Exception):
    """What the other side sent is none of what is spoken here."""


@dataclasses.dataclass
class Pdu:
    """A protocol data unit.

    :ivar flags: the second byte
    :ivar header: its 48 bytes; the first two and the lengths are written when it is encoded
    """

    opcode: int
    flags: int = 0
    header: bytearray = dataclasses.field(default_factory=lambda: bytearray(HEADER))
    data: bytes = b""

    def number(self, offset, size=4):
        return int.from_bytes(self.header[offset : offset + size])

    def put(self, offset, value, size=4):
        self.header[offset : offset + size] = value.to_bytes(size)
        return self

    def encode(self):
        header = bytearray(self.header)
        header[0], header[1] = self.opcode, self.flags
        header[4:8] = len(self.data).to_bytes(4)
        return bytes(header) + self.data + bytes(-len(self.data) % 4)


def read(file):
    """Return the next PDU of a binary file; None at its end.

    :raises ProtocolError: if it ends within one, or one is too long
    """
    header = file.read(HEADER)
    if not header:
        return None
    if len(header) < HEADER:
        raise ProtocolError(f"a header of {len(header)} bytes, expected {HEADER}")
    length = int.from_bytes(header[5:8])
    if header[4] or length > LARGEST:
        raise ProtocolError(f"a PDU with {header[4]} words of extra header and {length} bytes of data")
    data = file.read(length + -length % 4)[:length]
    if len(data) < length:
        raise ProtocolError(f"{len(data)} bytes of data, expected {length}")
    return Pdu(header[0] & 0x3F, header[1], bytearray(header), data)


def text(pairs):
    return b"".join(f"{key}={value}\0".encode() for key, value in pairs.items())


def pairs(data):
    try:
        return dict(item.split("=", 1) for item in data.decode().split("\0") if item)
    except ValueError:
        raise ProtocolError(f"not key=value: {data!r}") from None


def chap_response(identifier, secret, challenge):
    """RFC 1994: MD5 of the three, hexadecimal."""
    digest = hashlib.md5(bytes([identifier]) + secret.encode() + challenge, usedforsecurity=False)
    return f"0x{digest.hexdigest()}"


def lun_field(lun):
    """A LUN below 256 as SAM-5 has it: peripheral device addressing."""
    return struct.pack(">BB6x", 0, lun)
