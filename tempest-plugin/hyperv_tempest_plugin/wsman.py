# SPDX-License-Identifier: Apache-2.0
"""WMI over WS-Management: queries and method calls on a Windows host, by pywinrm's transport and envelopes.

DSP0226 (enumeration), DSP0227 (resource URIs, selectors, methods) and Microsoft's WMI resource URIs.
"""

from xml.etree import ElementTree

import xmltodict
from winrm.protocol import Protocol

WMI = "http://schemas.microsoft.com/wbem/wsman/1/wmi/"
WQL = "http://schemas.microsoft.com/wbem/wsman/1/WQL"
SOAP = "http://www.w3.org/2003/05/soap-envelope"
ENUMERATION = "http://schemas.xmlsoap.org/ws/2004/09/enumeration"
WSMAN = "http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd"
XSI = "http://www.w3.org/2001/XMLSchema-instance"

# How many instances an answer may hold; the host's own limit is MaxBatchItems, 32000.
_BATCH = "1000"


class Item:
    """An instance, or a method's output, as text: WS-Management does not say what is an array."""

    def __init__(self, element: ElementTree.Element):
        self.class_name = element.tag.rpartition("}")[2]
        self._values: dict[str, list[str]] = {}
        for child in element:
            values = self._values.setdefault(child.tag.rpartition("}")[2], [])
            if child.get(f"{{{XSI}}}nil") != "true":
                values.append("".join(child.itertext()))

    def all(self, name: str) -> list[str]:
        """Return a property's values, [] for NULL; KeyError when there is no such property."""
        if name not in self._values:
            raise KeyError(f"{self.class_name} has no property {name}")
        return self._values[name]

    def __getitem__(self, name: str) -> str | None:
        """Return the value of a property that is no array, None for NULL."""
        values = self.all(name)
        if len(values) > 1:
            raise ValueError(f"{self.class_name}.{name} is an array: {values}")
        return values[0] if values else None


class Namespace:
    """A WMI namespace of a host, such as 'root/virtualization/v2'. Errors are pywinrm's and requests' own."""

    def __init__(self, protocol: Protocol, name: str):
        self._protocol = protocol
        self._uri = WMI + name

    def query(self, wql: str) -> list[Item]:
        """Return the instances that a WQL query selects."""
        uri = f"{self._uri}/*"
        query = {"@Dialect": WQL, "#text": wql}
        options = {"w:OptimizeEnumeration": None, "w:MaxElements": _BATCH, "w:Filter": query}
        answer = self.send(f"{ENUMERATION}/Enumerate", uri, {"n:Enumerate": options})
        found = _items(answer, WSMAN)
        while not _is_last(answer):
            context = answer.findtext(f"{{{ENUMERATION}}}EnumerationContext")
            pull = {"n:EnumerationContext": context, "n:MaxElements": _BATCH}
            answer = self.send(f"{ENUMERATION}/Pull", uri, {"n:Pull": pull})
            found += _items(answer, ENUMERATION)
        return found

    def call(self, class_name: str, selectors: dict[str, str], method: str, **inputs: str) -> Item:
        """Call a method of the instance that has these keys; return ReturnValue and the outputs."""
        uri = f"{self._uri}/{class_name}"
        arguments = {f"m:{name}": value for name, value in inputs.items()}
        body = {f"m:{method}_INPUT": {"@xmlns:m": uri, **arguments}}
        return Item(self.send(f"{uri}/{method}", uri, body, selectors))

    def send(
        self, action: str, uri: str, body: dict, selectors: dict[str, str] | None = None
    ) -> ElementTree.Element:
        """Send a request; return the one element of the answer's body."""
        envelope = self._protocol.build_wsman_header(action, uri)
        if selectors:
            envelope["env:Header"]["w:SelectorSet"] = {
                "w:Selector": [{"@Name": name, "#text": value} for name, value in selectors.items()]
            }
        envelope["env:Body"] = body
        answer = self._protocol.send_message(xmltodict.unparse({"env:Envelope": envelope}))
        return ElementTree.fromstring(answer).find(f"{{{SOAP}}}Body")[0]


def _items(answer: ElementTree.Element, namespace: str) -> list[Item]:
    return [Item(element) for element in answer.iterfind(f"{{{namespace}}}Items/*")]


def _is_last(answer: ElementTree.Element) -> bool:
    return any(answer.find(f"{{{namespace}}}EndOfSequence") is not None for namespace in (WSMAN, ENUMERATION))
