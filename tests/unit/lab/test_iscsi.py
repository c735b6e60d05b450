# SPDX-License-Identifier: Apache-2.0
"""A portal and an initiator of lab/iscsi, against each other."""

import io
import unittest

from lab import iscsi
from lab.iscsi.client import Connection, Refused
from lab.iscsi.portal import Export, Portal

NAME, ME, CHAP = "iqn.2026-01.org.example:one", "iqn.2026-01.org.example:me", ("nova", "a secret of 16 b")
IDENTIFIER = "60014050000000000000000000000001"
GIB = 1024**3


class PortalTest(unittest.TestCase):
    def setUp(self):
        self.portal = Portal("127.0.0.1", 0)
        self.addCleanup(self.portal.server_close)
        self.addCleanup(self.portal.shutdown)
        self.export = self.portal.exports[NAME] = Export(GIB, IDENTIFIER, CHAP, {ME})

    def connect(self, initiator=ME, target=NAME, chap=CHAP):
        connection = Connection(self.portal.server_address, initiator, target, chap)
        self.addCleanup(connection.close)
        return connection

    def test_the_logical_unit_and_its_growth(self):
        connection = self.connect()
        self.assertEqual({1: (GIB, IDENTIFIER)}, connection.luns())
        self.export.size = 2 * GIB
        self.assertEqual({1: (2 * GIB, IDENTIFIER)}, connection.luns())
        connection.log_out()

    def test_refusals(self):
        for status, given in (
            (iscsi.AUTHORIZATION_FAILURE, {"initiator": "iqn.2026-01.org.example:other"}),
            (iscsi.NOT_FOUND, {"target": "iqn.2026-01.org.example:two"}),
            (iscsi.AUTHENTICATION_FAILURE, {"chap": ("nova", "another, of 16 b")}),
            (iscsi.AUTHENTICATION_FAILURE, {"chap": ("cinder", CHAP[1])}),
            (iscsi.AUTHENTICATION_FAILURE, {"chap": None}),
        ):
            with self.subTest(given), self.assertRaises(Refused) as refused:
                self.connect(**given)
            self.assertEqual(status, refused.exception.status)

    def test_who_is_no_longer_admitted_loses_the_session(self):
        connection = self.connect()
        self.export.initiators.clear()
        with self.assertRaises(ConnectionResetError):
            connection.luns()

    def test_what_is_not_served_ends_the_session_and_is_said(self):
        connection = self.connect()
        with self.assertLogs("lab.iscsi.portal") as said, self.assertRaises(ConnectionResetError):
            connection._command(1, bytes([0x28]) + bytes(15), 512)
        self.assertIn("SCSI command 28", said.output[0])


class PduTest(unittest.TestCase):
    def test_there_and_back(self):
        pdu = iscsi.Pdu(iscsi.LOGIN, iscsi.FINAL, data=b"a=b\0c").put(16, 7)
        read = iscsi.read(io.BytesIO(pdu.encode()))
        self.assertEqual(
            (iscsi.LOGIN, iscsi.FINAL, b"a=b\0c", 7), (read.opcode, read.flags, read.data, read.number(16))
        )

    def test_what_is_cut_off_or_too_long(self):
        whole = iscsi.Pdu(iscsi.LOGIN, data=b"a=b\0").encode()
        for broken in (whole[:20], whole[:-1], whole[:5] + b"\xff\xff\xff" + whole[8:]):
            with self.subTest(broken), self.assertRaises(iscsi.ProtocolError):
                iscsi.read(io.BytesIO(broken))
        self.assertIsNone(iscsi.read(io.BytesIO(b"")))
