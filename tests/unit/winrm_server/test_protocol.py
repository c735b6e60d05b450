# SPDX-License-Identifier: Apache-2.0
"""Envelopes in and out, without a server."""

import unittest
from xml.etree import ElementTree

from lab.winrm_server import faults, protocol
from lab.winrm_server.faults import Fault


def envelope(**changes):
    """An envelope whose headers are as asked for; None leaves one out."""
    headers = {
        "Action": "<a:Action>urn:act</a:Action>",
        "MessageID": "<a:MessageID>uuid:1</a:MessageID>",
        "ResourceURI": "<w:ResourceURI>urn:resource</w:ResourceURI>",
        "OperationTimeout": "<w:OperationTimeout>PT20S</w:OperationTimeout>",
        **changes,
    }
    declarations = " ".join(f'xmlns:{prefix}="{uri}"' for prefix, uri in protocol.PREFIXES.items())
    return (
        f"<s:Envelope {declarations}><s:Header>{''.join(filter(None, headers.values()))}</s:Header>"
        "<s:Body><rsp:Signal CommandId='C'/></s:Body></s:Envelope>"
    ).encode()


class TestRead(unittest.TestCase):
    def assert_refused(self, kind, text, message):
        with self.assertRaisesRegex(Fault, text) as caught:
            protocol.read(message)
        self.assertEqual(kind, caught.exception.kind)

    def test_request(self):
        request = protocol.read(
            envelope(
                selectors="<w:SelectorSet><w:Selector Name='ShellId'>S</w:Selector></w:SelectorSet>",
                options="<w:OptionSet><w:Option Name='X'>TRUE</w:Option></w:OptionSet>",
                size="<w:MaxEnvelopeSize s:mustUnderstand='true'>153600</w:MaxEnvelopeSize>",
            )
        )
        self.assertEqual(
            ("urn:act", "urn:resource", "uuid:1"), (request.action, request.resource_uri, request.message_id)
        )
        self.assertEqual(({"ShellId": "S"}, {"X": "TRUE"}), (request.selectors, request.options))
        self.assertEqual((20, 153600), (request.operation_timeout, request.max_envelope_size))
        self.assertEqual("C", request.child(f"{{{protocol.SHELL}}}Signal").get("CommandId"))

    def test_another_body(self):
        request = protocol.read(envelope())
        self.assertRaisesRegex(Fault, "holds .*Signal; expected Send", request.child, "Send")

    def test_durations(self):
        for duration, seconds in {"PT1.5S": 1.5, "PT2M": 120, "P1DT1H": 90000, " PT0S ": 0}.items():
            request = protocol.read(
                envelope(OperationTimeout=f"<w:OperationTimeout>{duration}</w:OperationTimeout>")
            )
            self.assertEqual(seconds, request.operation_timeout, duration)
        self.assertEqual(60, protocol.read(envelope(OperationTimeout=None)).operation_timeout)
        for duration in ("20", "P", "PT", "P1Y", "PT-1S"):
            self.assert_refused(
                faults.INVALID_HEADER,
                f"OperationTimeout is '{duration}'",
                envelope(OperationTimeout=f"<w:OperationTimeout>{duration}</w:OperationTimeout>"),
            )

    def test_envelope_sizes(self):
        for size, kind in (("8191", faults.ENVELOPE_TOO_SMALL), ("-1", faults.INVALID_HEADER)):
            header = f"<w:MaxEnvelopeSize>{size}</w:MaxEnvelopeSize>"
            self.assert_refused(kind, f"MaxEnvelopeSize is '?{size}", envelope(extra=header))
        header = "<w:MaxEnvelopeSize>9999999</w:MaxEnvelopeSize>"
        self.assertEqual(512_000, protocol.read(envelope(extra=header)).max_envelope_size)

    def test_missing_headers(self):
        for header in ("Action", "MessageID", "ResourceURI"):
            self.assert_refused(faults.HEADER_REQUIRED, header, envelope(**{header: None}))

    def test_mandatory_header_that_is_not_known(self):
        header = "<w:FragmentTransfer s:mustUnderstand='true'/>"
        self.assert_refused(faults.MUST_UNDERSTAND, "FragmentTransfer", envelope(extra=header))
        protocol.read(envelope(extra="<w:FragmentTransfer/>"))

    def test_no_envelope(self):
        self.assert_refused(faults.SCHEMA_VALIDATION, "not XML", b"hello")
        declared = b"<!DOCTYPE s:Envelope>" + envelope()
        self.assert_refused(faults.SCHEMA_VALIDATION, "document type declaration", declared)
        self.assert_refused(faults.SCHEMA_VALIDATION, "html is not a SOAP 1.2 envelope", b"<html/>")

    def test_selector_with_xml(self):
        selector = "<w:Selector Name='Of'><w:X/></w:Selector>"
        self.assert_refused(faults.INVALID_HEADER, "Selector Of holds XML", envelope(extra=selector))


class TestReply(unittest.TestCase):
    def test_reply_relates_to_its_request(self):
        reply = ElementTree.fromstring(
            protocol.reply(protocol.read(envelope()), protocol.text("x:Got", "<&>"))
        )
        self.assertEqual("urn:actResponse", reply.findtext(f".//{{{protocol.ADDRESSING}}}Action"))
        self.assertEqual("uuid:1", reply.findtext(f".//{{{protocol.ADDRESSING}}}RelatesTo"))
        self.assertEqual("<&>", reply.findtext(f".//{{{protocol.TRANSFER}}}Got"))

    def test_fault(self):
        reply = ElementTree.fromstring(protocol.fault_reply(Fault(faults.TIMED_OUT, "later <"), "HOST"))
        fault = reply.find(f".//{{{protocol.WSMAN_FAULT}}}WSManFault")
        self.assertEqual({"Code": "2150858793", "Machine": "HOST"}, fault.attrib)
        self.assertEqual("later <", reply.findtext(f".//{{{protocol.SOAP}}}Text"))
        self.assertIsNone(reply.find(f".//{{{protocol.ADDRESSING}}}RelatesTo"))
