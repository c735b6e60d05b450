# SPDX-License-Identifier: Apache-2.0
"""Whatever bytes come in, the answer is an envelope: no crash, no hang. The inputs are the same each time."""

import base64
import json
import unittest
from xml.etree import ElementTree

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lab.windows_sandbox.ansible import payload
from lab.windows_sandbox.command_prompt import syntax
from lab.winrm_server import encryption, protocol
from lab.winrm_server.faults import Fault
from lab.winrm_server.host import CommandRefused
from lab.winrm_server.service import Service

# A slow machine is no reason to fail.
SAME = settings(
    derandomize=True, deadline=None, max_examples=150, suppress_health_check=[HealthCheck.too_slow]
)

_ENVELOPE = (
    '<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope"'
    ' xmlns:a="http://schemas.xmlsoap.org/ws/2004/08/addressing"'
    ' xmlns:w="http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd"'
    ' xmlns:n="http://schemas.xmlsoap.org/ws/2004/09/enumeration"'
    ' xmlns:rsp="http://schemas.microsoft.com/wbem/wsman/1/windows/shell"><s:Header>'
    "<a:Action>{action}</a:Action><w:ResourceURI>{resource}</w:ResourceURI><a:MessageID>uuid:1</a:MessageID>"
    "<w:OperationTimeout>PT0S</w:OperationTimeout><w:SelectorSet>"
    '<w:Selector Name="ShellId">{shell}</w:Selector>'
    "</w:SelectorSet></s:Header><s:Body>{body}</s:Body></s:Envelope>"
)
_SHELL = "http://schemas.microsoft.com/wbem/wsman/1/windows/shell"
_TRANSFER = "http://schemas.xmlsoap.org/ws/2004/09/transfer"
_ENUMERATION = "http://schemas.xmlsoap.org/ws/2004/09/enumeration"

actions = st.sampled_from(
    [f"{_SHELL}/{name}" for name in ("Command", "Send", "Receive", "Signal")]
    + [f"{_TRANSFER}/{name}" for name in ("Create", "Delete", "Get", "Put")]
    + [f"{_ENUMERATION}/{name}" for name in ("Enumerate", "Pull", "Release")]
)
resources = st.sampled_from(
    [f"{_SHELL}/cmd", "http://schemas.microsoft.com/wbem/wsman/1/wmi/root/cimv2/Win32_Service", "urn:x"]
)
bodies = st.recursive(
    st.sampled_from(["", "x", "=", "&#10;", "<!-- -->"]),
    lambda inner: st.builds(
        lambda tag, content: f"<{tag}>{content}</{tag}>",
        st.sampled_from(
            [
                "rsp:Shell",
                "rsp:CommandLine",
                "rsp:Command",
                "rsp:Send",
                "rsp:Stream",
                "rsp:Receive",
                "rsp:Signal",
            ]
            + ["rsp:DesiredStream", "rsp:Code", "n:Enumerate", "n:Pull", "w:Filter", "w:MaxElements"]
        ),
        inner,
    ),
    max_leaves=8,
)


class Nothing:
    """A host where nothing can be started or asked."""

    name = "NOTHING"

    def open_process(self, command_line, **more):
        raise CommandRefused("nothing runs here")

    def may_manage(self, user):
        return True

    def wmi(self, namespace):
        raise Fault(protocol.faults.RESOURCE_NOT_FOUND)


class TestEnvelopes(unittest.TestCase):
    def setUp(self):
        self.service = Service(Nothing())
        self.addCleanup(self.service.close)

    def answer(self, message):
        status, envelope = self.service.answer(message, "zuul")
        self.assertIn(status, (200, 500))
        return ElementTree.fromstring(envelope)

    @SAME
    @given(st.binary(max_size=300))
    def test_any_bytes(self, message):
        self.answer(message)

    @SAME
    @given(actions, resources, bodies)
    def test_any_body(self, action, resource, body):
        self.answer(_ENVELOPE.format(action=action, resource=resource, shell="x", body=body).encode())

    @SAME
    @given(actions, st.integers(0, 1200), st.binary(max_size=4))
    def test_damaged_envelopes(self, action, at, junk):
        whole = _ENVELOPE.format(
            action=action, resource=f"{_SHELL}/cmd", shell="x", body="<rsp:Shell/>"
        ).encode()
        self.answer(whole[:at] + junk + whole[at + len(junk) :])
        self.answer(whole[:at])

    def test_entities_do_not_multiply(self):
        bomb = '<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa">'
        bomb += "".join(f'<!ENTITY {chr(98 + n)} "{f"&{chr(97 + n)};" * 10}">' for n in range(9))
        self.answer((bomb + "]><x>&j;</x>").encode())


class Unwrapping:
    """Stands for a context whose every signature is right."""

    def unwrap_winrm(self, signature, message):
        return message


class TestOtherParsers(unittest.TestCase):
    @SAME
    @given(st.binary(max_size=200), st.booleans())
    def test_sealed_messages(self, junk, framed):
        body = b"--Encrypted Boundary\r\n" + junk + b"--Encrypted Boundary--\r\n" if framed else junk
        with self.assertRaises(encryption.NotSealed):
            encryption.unseal(Unwrapping(), body)

    @SAME
    @given(st.one_of(st.binary(max_size=200), st.binary(max_size=200).map(lambda data: b"x\0\0\0\0" + data)))
    def test_payloads(self, stdin):
        with self.assertRaises(payload.UnknownPayload):
            payload.decode(stdin)

    @SAME
    @given(
        st.dictionaries(
            st.sampled_from(
                ["module_entry", "module_args", "actions", "environment", "become_user", "async_jid"]
            ),
            st.one_of(
                st.none(), st.text(max_size=5), st.lists(st.text(max_size=3), max_size=2), st.integers()
            ),
        )
    )
    def test_payloads_of_the_wrong_shape(self, content):
        with self.assertRaises(payload.UnknownPayload):
            payload.decode(b"x\0\0\0\0" + json.dumps(content).encode())

    @SAME
    @given(st.text(max_size=60))
    def test_encoded_commands(self, text):
        try:
            payload.unwrap("powershell -EncodedCommand " + text)
            payload.unwrap(
                "powershell -encodedcommand " + base64.b64encode(text.encode("utf-16-le", "replace")).decode()
            )
        except payload.UnknownPayload:
            pass

    @SAME
    @given(st.text(alphabet='ab "^&|<>()%12if\n', max_size=60))
    def test_command_lines(self, line):
        try:
            syntax.parse(line)
        except (syntax.SyntaxProblem, NotImplementedError):
            pass

    def test_nesting_has_an_end(self):
        for line in ("(" * 4000, "(" * 4000 + "a" + ")" * 4000):
            self.assertRaises(syntax.SyntaxProblem, syntax.parse, line)
