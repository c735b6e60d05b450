# SPDX-License-Identifier: Apache-2.0
"""What a service says of itself before and after one has logged on: with requests, and with pywinrm."""

import re

import requests

from tests.contract.winrm_server.test_wmi import WmiCase

ENVELOPE = '<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope"><s:Header/><s:Body>{}</s:Body></s:Envelope>'
IDENTIFY = ENVELOPE.format(
    '<i:Identify xmlns:i="http://schemas.dmtf.org/wbem/wsman/identity/1/wsmanidentity.xsd"/>'
)
UNAUTHENTICATED = {"WSMANIDENTIFY": "unauthenticated", "Content-Type": "application/soap+xml;charset=UTF-8"}


class IdentifyTest(WmiCase):
    def ask(self, body=IDENTIFY, headers=UNAUTHENTICATED):
        return requests.post(
            self.protocol.transport.endpoint, body, headers=headers, verify=False, timeout=10
        )

    def test_without_a_logon_the_version_is_kept_back(self):
        answer = self.ask()
        self.assertEqual(200, answer.status_code)
        self.assertEqual(["Microsoft Corporation"], re.findall(r"ProductVendor>([^<]+)<", answer.text))
        self.assertEqual(
            ["OS: 0.0.0 SP: 0.0 Stack: 3.0"], re.findall(r"ProductVersion>([^<]+)<", answer.text)
        )

    def test_with_a_logon(self):
        answer = self.protocol.send_message(IDENTIFY).decode()
        self.assertEqual(
            ["OS: 10.0.20348 SP: 0.0 Stack: 3.0"], re.findall(r"ProductVersion>([^<]+)<", answer)
        )
        self.assertIn(">http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd<", answer)

    def test_nothing_else_is_told_without_a_logon(self):
        for body in (
            "",
            "<x/>",
            "no XML",
            ENVELOPE.format("<a/>"),
            IDENTIFY.replace("identity/1", "identity/2"),
        ):
            self.assertEqual(401, self.ask(body).status_code, body)
        self.assertEqual(401, self.ask(headers={}).status_code)
        self.assertEqual(401, self.ask(headers={"WSMANIDENTIFY": "authenticated"}).status_code)
