# SPDX-License-Identifier: Apache-2.0
"""Embedded instances as text: the XML in which settings travel to and from the methods.

It is CIM-XML (documented: DSP0201). What MI's serializer and WMI's GetText write is read; what is written,
both can read.
"""

from xml.etree import ElementTree

from lab.hyperv_model import errors
from lab.hyperv_model.cim import Instance
from lab.hyperv_model.errors import CimError


def read(text, store, namespace, expected):
    """Read an embedded instance.

    :param expected: name of a class that it must be of, or derive from; None: any
    :returns: an Instance, not in the repository; properties that the text leaves out are null
    :raises CimError: not such an instance, or a property its class has not
    """
    try:
        root = ElementTree.fromstring(text)
    except (ElementTree.ParseError, TypeError) as error:
        raise CimError(errors.INVALID_PARAMETER, f"not an embedded instance of {expected}: {error}") from None
    class_name = root.get("CLASSNAME")
    if root.tag != "INSTANCE" or not class_name:
        raise CimError(errors.INVALID_PARAMETER, f"not an embedded instance of {expected}: <{root.tag}>")
    definition = store.definition(namespace, class_name)
    if expected and not definition.is_a(expected):
        raise CimError(errors.INVALID_PARAMETER, f"got an embedded {class_name}, expected a {expected}")
    values = {}
    for element in root:
        if element.tag == "PROPERTY":
            value = element.find("VALUE")
            values[element.get("NAME")] = None if value is None else value.text or ""
        elif element.tag == "PROPERTY.ARRAY":
            array = element.find("VALUE.ARRAY")
            values[element.get("NAME")] = None if array is None else [item.text or "" for item in array]
        elif element.tag != "QUALIFIER":
            raise CimError(
                errors.INVALID_PARAMETER, f"an embedded {class_name} has an element <{element.tag}>"
            )
    return Instance(definition, values)


def write(instance):
    """The text of an instance; null properties carry no VALUE."""
    root = ElementTree.Element("INSTANCE", CLASSNAME=instance.class_name)
    for name, cim_type, value in instance.items():
        if cim_type.endswith("[]"):
            element = ElementTree.SubElement(root, "PROPERTY.ARRAY", NAME=name, TYPE=cim_type[:-2])
            if value is not None:
                array = ElementTree.SubElement(element, "VALUE.ARRAY")
                for item in value:
                    ElementTree.SubElement(array, "VALUE").text = _text(item)
        else:
            element = ElementTree.SubElement(root, "PROPERTY", NAME=name, TYPE=cim_type)
            if value is not None:
                ElementTree.SubElement(element, "VALUE").text = _text(value)
    return ElementTree.tostring(root, encoding="unicode")


def _text(value):
    return str(value).lower() if isinstance(value, bool) else str(value)
