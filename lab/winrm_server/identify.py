# SPDX-License-Identifier: Apache-2.0
"""Identify: what a client may ask a WS-Management service before it knows how to talk to it (DSP0226, 11).

https://learn.microsoft.com/windows/win32/winrm/detecting-whether-a-remote-computer-supports-ws-management-protocol
"""

from xml.etree import ElementTree

from lab.winrm_server.protocol import SOAP, WSMAN, element, text

IDENTITY = "http://schemas.dmtf.org/wbem/wsman/identity/1/wsmanidentity.xsd"
# A request with this header and value need not log on (documented).
HEADER, UNAUTHENTICATED = "WSMANIDENTIFY", "unauthenticated"
# What is told to who has not logged on instead of the version (documented).
NO_VERSION = "0.0.0"


def asks(message: bytes) -> bool:
    """Say whether an envelope holds Identify."""
    try:
        body = ElementTree.fromstring(message).find(f"{{{SOAP}}}Body")
    except ElementTree.ParseError:
        return False
    return body is not None and [child.tag for child in body] == [f"{{{IDENTITY}}}Identify"]


def response(version: str) -> bytes:
    """Write the answer of a Windows of a version such as 10.0.20348."""
    identity = "".join(
        [
            text("wsmid:ProtocolVersion", WSMAN),
            text("wsmid:ProductVendor", "Microsoft Corporation"),
            text("wsmid:ProductVersion", f"OS: {version} SP: 0.0 Stack: 3.0"),
        ]
    )
    body = element("wsmid:IdentifyResponse", identity, **{"xmlns:wsmid": IDENTITY})
    envelope = element(
        "s:Envelope",
        element("s:Header") + element("s:Body", body),
        **{"xml:lang": "en-US", "xmlns:s": SOAP},
    )
    return envelope.encode()
