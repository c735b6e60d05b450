# SPDX-License-Identifier: Apache-2.0
"""CIM instances as Windows' WMI plug-in writes them in WS-Management (DSP0227, DSP0230).

Properties stand in alphabetical order in the XML namespace of their class; NULL is xsi:nil, an array one
element per value, a reference an endpoint reference.
"""

import re
from collections.abc import Iterable
from typing import Any
from xml.etree import ElementTree
from xml.sax.saxutils import escape

from lab.hyperv_model.cim import parse_path, write_path
from lab.winrm_server import faults
from lab.winrm_server.faults import Fault
from lab.winrm_server.host import Instance
from lab.winrm_server.protocol import ANONYMOUS, WSMAN, element, text

WMI = "http://schemas.microsoft.com/wbem/wsman/1/wmi/"
XSI = "http://www.w3.org/2001/XMLSchema-instance"
CIM = "http://schemas.dmtf.org/wbem/wscim/1/common"

_PATH = re.compile(
    r'(?:\\\\(?P<host>[^\\]+)\\)?(?:(?P<namespace>[^:"]+):)?(?P<class>\w+)(?P<keys>\.(?s:.+)|=@)?'
)
_KEY = re.compile(r'(\w+)=(?:"((?:[^"\\]|\\.)*)"|([^,"]+))(?:,|$)', re.DOTALL)
_MOMENT = re.compile(r"(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)\.(\d{6})([+-])(\d{3})")
_INTERVAL = re.compile(r"(\d{8})(\d\d)(\d\d)(\d\d)\.(\d{6}):000")


def class_uri(namespace: str, class_name: str) -> str:
    """Return the resource URI of a class; `namespace` in either slash."""
    return WMI + namespace.strip("\\/").replace("\\", "/") + "/" + class_name


def instance(item: Instance) -> str:
    """Write an instance as Get and Enumerate return it."""
    uri = class_uri(item.namespace, item.class_name)
    return typed(item.class_name, uri, item.items(), f' xsi:type="p:{item.class_name}_Type"')


def typed(name: str, uri: str, properties: Iterable[tuple[str, str, Any]], attributes: str = "") -> str:
    """Write an element of a class's XML namespace that holds (property, CIM type, value)s."""
    content = "".join(
        _property(f"p:{prop}", cim_type, value, "cim:") for prop, cim_type, value in _sorted(properties)
    )
    declarations = f'xmlns:p="{escape(uri)}" xmlns:xsi="{XSI}" xmlns:cim="{CIM}"'
    return f"<p:{name} {declarations}{attributes}>{content}</p:{name}>"


def fragment(item: Instance, fields: Iterable[str]) -> str:
    """Write what a query for these properties selects: an XmlFragment, without namespaces.

    Recorded by others: it is what zenoss' txwinrm reads from real hosts.
    """
    wanted = {field.lower() for field in fields}
    chosen = [entry for entry in _sorted(item.items()) if entry[0].lower() in wanted]
    content = "".join(_property(prop, cim_type, value, "") for prop, cim_type, value in chosen)
    return f'<w:XmlFragment xmlns:xsi="{XSI}">{content}</w:XmlFragment>'


def _sorted(properties: Iterable[tuple[str, str, Any]]) -> list[tuple[str, str, Any]]:
    return sorted(properties, key=lambda entry: entry[0].lower())


def _property(name: str, cim_type: str, value: Any, cim: str) -> str:
    if value is None or value == []:
        return f'<{name} xsi:nil="true"/>'
    if cim_type.endswith("[]"):
        return "".join(_property(name, cim_type[:-2], entry, cim) for entry in value)
    if cim_type == "datetime":
        return element(name, _datetime(value, cim))
    if cim_type == "reference":
        return element(name, _endpoint(value))
    if cim_type == "object":
        raise Fault(
            faults.NOT_IMPLEMENTED, f"{name.removeprefix('p:')} embeds an instance; that is not served yet."
        )
    if cim_type == "boolean":
        return element(name, "true" if value else "false")
    return text(name, str(value))


def _datetime(value: str, cim: str) -> str:
    if match := _MOMENT.fullmatch(value):
        year, month, day, hour, minute, second, fraction, sign, offset = match.groups()
        zone = "Z" if not int(offset) else f"{sign}{int(offset) // 60:02}:{int(offset) % 60:02}"
        moment = f"{year}-{month}-{day}T{hour}:{minute}:{second}{_fraction(fraction)}{zone}"
        return element(f"{cim}Datetime", moment)
    if match := _INTERVAL.fullmatch(value):
        days, hours, minutes, seconds, fraction = match.groups()
        interval = f"P{int(days)}DT{int(hours)}H{int(minutes)}M{int(seconds)}{_fraction(fraction)}S"
        return element(f"{cim}Interval", interval)
    raise ValueError(f"{value!r} is no CIM datetime")


def _fraction(microseconds: str) -> str:
    digits = microseconds.rstrip("0")
    return f".{digits}" if digits else ""


def endpoint_reference(path: str) -> str:
    """Write a reference to the instance of an object path."""
    return element("a:EndpointReference", _endpoint(path))


def _endpoint(path: str) -> str:
    _, namespace, class_name, keys = parse_path(path)
    selectors = "".join(text("w:Selector", value, Name=name) for name, value in keys.items())
    parameters = text("w:ResourceURI", class_uri(namespace or "", class_name)) + element(
        "w:SelectorSet", selectors
    )
    return text("a:Address", ANONYMOUS) + element("a:ReferenceParameters", parameters)


def object_path(endpoint: ElementTree.Element) -> str | None:
    """Return the object path for an endpoint reference, such as an input parameter holds; None for xsi:nil.

    :raises Fault: if it refers to no WMI instance (DSP0227, 7.5)
    """
    if endpoint.get(f"{{{XSI}}}nil") in ("true", "1"):
        return None
    uri = (endpoint.findtext(f".//{{{WSMAN}}}ResourceURI") or "").strip()
    namespace, _, class_name = uri.removeprefix(WMI).rpartition("/")
    selectors = {entry.get("Name"): entry.text or "" for entry in endpoint.iter(f"{{{WSMAN}}}Selector")}
    if not uri.startswith(WMI) or not namespace or not selectors:
        name = endpoint.tag.rpartition("}")[2]
        raise Fault(
            faults.SCHEMA_VALIDATION, f"The parameter {name} holds no reference to an instance of WMI."
        )
    return write_path(namespace, class_name, selectors)
