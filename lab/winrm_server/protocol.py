# SPDX-License-Identifier: Apache-2.0
"""WS-Management envelopes: bytes into requests, answers and faults into bytes. No sockets, no state.

Documented: DSP0226 (WS-Management), WS-Addressing 2004/08, and Microsoft's MS-WSMV for what Windows does of
it.
"""

import re
import uuid
from dataclasses import dataclass
from xml.etree import ElementTree
from xml.sax.saxutils import escape, quoteattr

from lab.winrm_server import faults
from lab.winrm_server.faults import Fault

SOAP = "http://www.w3.org/2003/05/soap-envelope"
ADDRESSING = "http://schemas.xmlsoap.org/ws/2004/08/addressing"
TRANSFER = "http://schemas.xmlsoap.org/ws/2004/09/transfer"
ENUMERATION = "http://schemas.xmlsoap.org/ws/2004/09/enumeration"
WSMAN = "http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd"
MICROSOFT = "http://schemas.microsoft.com/wbem/wsman/1/wsman.xsd"
SHELL = "http://schemas.microsoft.com/wbem/wsman/1/windows/shell"
WSMAN_FAULT = "http://schemas.microsoft.com/wbem/wsman/1/wsmanfault"
FAULT_ACTION = "http://schemas.dmtf.org/wbem/wsman/1/wsman/fault"
ANONYMOUS = ADDRESSING + "/role/anonymous"

# The prefixes that Windows uses; bodies are written with them.
PREFIXES = {"s": SOAP, "a": ADDRESSING, "x": TRANSFER, "n": ENUMERATION, "w": WSMAN, "rsp": SHELL}
_DECLARATIONS = " ".join(f'xmlns:{prefix}="{uri}"' for prefix, uri in PREFIXES.items())

# winrm/config: MaxTimeoutms and MaxEnvelopeSizekb as Windows Server ships them (MS-WSMV 2.2.4.10).
DEFAULT_OPERATION_TIMEOUT = 60.0
MAX_ENVELOPE_SIZE = 500 * 1024
# What a client has to take at least (documented: DSP0226, 6.2).
MIN_ENVELOPE_SIZE = 8192

_UNDERSTOOD = {
    f"{{{uri}}}{name}"
    for uri, names in {
        ADDRESSING: ("To", "ReplyTo", "Action", "MessageID"),
        WSMAN: ("ResourceURI", "MaxEnvelopeSize", "OperationTimeout", "SelectorSet", "OptionSet", "Locale"),
        MICROSOFT: ("DataLocale", "SessionId", "OperationID", "SequenceId"),
    }.items()
    for name in names
}
_DURATION = re.compile(r"P(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+(?:\.\d+)?)S)?)?")


@dataclass(frozen=True)
class Request:
    """What one envelope asks for. `operation_timeout` is in seconds, `max_envelope_size` in bytes."""

    action: str
    resource_uri: str
    message_id: str
    selectors: dict[str, str]
    options: dict[str, str]
    operation_timeout: float
    max_envelope_size: int
    body: ElementTree.Element

    def child(self, tag: str) -> ElementTree.Element:
        """Return the body's element of this tag ('{namespace}name'); Fault when there is none."""
        element = self.body.find(tag)
        if element is None:
            found = ", ".join(child.tag for child in self.body) or "nothing"
            raise Fault(faults.SCHEMA_VALIDATION, f"The body of {self.action} holds {found}; expected {tag}.")
        return element


def read(message: bytes) -> Request:
    """Parse an envelope; Fault when it is not one, or lacks what every request needs."""
    if b"<!DOCTYPE" in message[:1024]:
        # SOAP messages have none (documented: SOAP 1.2, 5).
        raise Fault(faults.SCHEMA_VALIDATION, "The request holds a document type declaration.")
    try:
        envelope = ElementTree.fromstring(message)
    except ElementTree.ParseError as error:
        raise Fault(faults.SCHEMA_VALIDATION, f"The request is not XML: {error}.") from error
    header, body = envelope.find(f"{{{SOAP}}}Header"), envelope.find(f"{{{SOAP}}}Body")
    if header is None or body is None:
        raise Fault(
            faults.SCHEMA_VALIDATION, f"{envelope.tag} is not a SOAP 1.2 envelope with a header and a body."
        )
    for entry in header:
        if entry.get(f"{{{SOAP}}}mustUnderstand") in ("1", "true") and entry.tag not in _UNDERSTOOD:
            raise Fault(faults.MUST_UNDERSTAND, f"The mandatory header {entry.tag} is not understood.")
    return Request(
        action=_required(header, ADDRESSING, "Action"),
        resource_uri=_required(header, WSMAN, "ResourceURI"),
        message_id=_required(header, ADDRESSING, "MessageID"),
        selectors=_named(header, "Selector"),
        options=_named(header, "Option"),
        operation_timeout=seconds(
            "OperationTimeout", header.findtext(f"{{{WSMAN}}}OperationTimeout"), DEFAULT_OPERATION_TIMEOUT
        ),
        max_envelope_size=_envelope_size(header),
        body=body,
    )


def _required(header: ElementTree.Element, uri: str, name: str) -> str:
    value = (header.findtext(f"{{{uri}}}{name}") or "").strip()
    if not value:
        raise Fault(faults.HEADER_REQUIRED, f"The header {name} is missing.")
    return value


def _envelope_size(header: ElementTree.Element) -> int:
    size = header.findtext(f"{{{WSMAN}}}MaxEnvelopeSize")
    if size is None:
        return MAX_ENVELOPE_SIZE
    if not size.strip().isdigit():
        raise Fault(faults.INVALID_HEADER, f"MaxEnvelopeSize is {size!r}; expected a number of octets.")
    if int(size) < MIN_ENVELOPE_SIZE:
        raise Fault(
            faults.ENVELOPE_TOO_SMALL,
            f"MaxEnvelopeSize is {size.strip()}; expected {MIN_ENVELOPE_SIZE} octets at least.",
        )
    return min(int(size), MAX_ENVELOPE_SIZE)


def _named(header: ElementTree.Element, tag: str) -> dict[str, str]:
    values = {}
    for entry in header.iter(f"{{{WSMAN}}}{tag}"):
        if len(entry):
            raise Fault(faults.INVALID_HEADER, f"The {tag} {entry.get('Name')} holds XML; expected text.")
        values[entry.get("Name", "")] = entry.text or ""
    return values


def seconds(name: str, duration: str | None, default: float) -> float:
    """Return an xs:duration's seconds (without years and months, whose length differs)."""
    if duration is None:
        return default
    match = _DURATION.fullmatch(duration.strip())
    if not match or not any(match.groups()):
        raise Fault(faults.INVALID_HEADER, f"{name} is {duration!r}; expected a duration such as PT20S.")
    days, hours, minutes, seconds = (float(part or 0) for part in match.groups())
    return ((days * 24 + hours) * 60 + minutes) * 60 + seconds


def element(name: str, content: str = "", **attributes: str) -> str:
    """Write an element whose content is XML already; `name` carries one of PREFIXES."""
    start = name + "".join(f" {key}={quoteattr(value)}" for key, value in attributes.items())
    return f"<{start}>{content}</{name}>" if content else f"<{start}/>"


def text(name: str, value: str, **attributes: str) -> str:
    """Write an element whose content is text."""
    return element(name, escape(value), **attributes)


def reply(request: Request, body: str) -> bytes:
    """Write the answer to a request, given its body as XML."""
    return _envelope(request.action + "Response", body, request.message_id)


def fault_reply(fault: Fault, machine: str, message_id: str = "") -> bytes:
    """Write a fault; `message_id` is the request's, as far as it could be read."""
    kind = fault.kind
    subcode = element("s:Subcode", text("s:Value", kind.subcode)) if kind.subcode else ""
    body = element(
        "s:Fault",
        "".join(
            [
                element("s:Code", text("s:Value", kind.blame) + subcode),
                element("s:Reason", f'<s:Text xml:lang="en-US">{escape(fault.message)}</s:Text>'),
                element("s:Detail", fault.detail or wsman_fault(fault, machine)),
            ]
        ),
    )
    return _envelope(FAULT_ACTION, body, message_id)


def wsman_fault(fault: Fault, machine: str, message: str = "") -> str:
    """Write Windows' own description of a fault; `message` is XML that replaces the fault's text."""
    return (
        f'<f:WSManFault xmlns:f="{WSMAN_FAULT}" Code="{fault.kind.code}" Machine={quoteattr(machine)}>'
        f"<f:Message>{message or escape(fault.message)}</f:Message></f:WSManFault>"
    )


def _envelope(action: str, body: str, relates_to: str) -> bytes:
    header = "".join(
        [
            text("a:Action", action),
            text("a:MessageID", f"uuid:{str(uuid.uuid4()).upper()}"),
            text("a:To", ANONYMOUS),
            text("a:RelatesTo", relates_to) if relates_to else "",
        ]
    )
    return (
        f'<s:Envelope xml:lang="en-US" {_DECLARATIONS}>'
        f"<s:Header>{header}</s:Header><s:Body>{body}</s:Body></s:Envelope>"
    ).encode()
