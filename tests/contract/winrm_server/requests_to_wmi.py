# SPDX-License-Identifier: Apache-2.0
"""What goes into methods of WMI over WS-Management: embedded instances, references."""

from xml.etree import ElementTree

ANONYMOUS = "http://schemas.xmlsoap.org/ws/2004/08/addressing/role/anonymous"


def embedded(class_name, **properties):
    """Write an embedded instance (DSP0201) of text and arrays of text."""
    root = ElementTree.Element("INSTANCE", CLASSNAME=class_name)
    for name, value in properties.items():
        kind = "PROPERTY.ARRAY" if isinstance(value, list) else "PROPERTY"
        element = ElementTree.SubElement(root, kind, NAME=name, TYPE="string")
        if isinstance(value, list):
            element = ElementTree.SubElement(element, "VALUE.ARRAY")
        for item in value if isinstance(value, list) else [value]:
            ElementTree.SubElement(element, "VALUE").text = item
    return ElementTree.tostring(root, encoding="unicode")


def reference(uri, selectors):
    """Return the endpoint reference of an instance, for xmltodict, in the prefixes of pywinrm's envelopes."""
    chosen = [{"@Name": name, "#text": value} for name, value in selectors.items()]
    return {
        "a:Address": ANONYMOUS,
        "a:ReferenceParameters": {"w:ResourceURI": uri, "w:SelectorSet": {"w:Selector": chosen}},
    }
