# SPDX-License-Identifier: Apache-2.0
"""WMI over WS-Management: Enumerate, Pull, Release (WS-Enumeration as DSP0226 profiles it), Get, methods.

The resource URI names namespace and class; an asterisk for the class goes with a WQL filter.
"""

import re
import threading
import uuid
from collections.abc import Callable
from xml.etree import ElementTree

from lab.hyperv_model import errors, wql
from lab.hyperv_model.cim import Method
from lab.hyperv_model.errors import CimError
from lab.winrm_server import cim_xml, faults
from lab.winrm_server.cim_xml import WMI
from lab.winrm_server.faults import Fault
from lab.winrm_server.host import Host, Instance
from lab.winrm_server.protocol import ENUMERATION, TRANSFER, WSMAN, Request, element, text, wsman_fault

WQL = "http://schemas.microsoft.com/wbem/wsman/1/WQL"

# What an envelope needs around its items.
_ENVELOPE_OVERHEAD = 4096

# Which fault Windows makes of which WMI error: recorded for "provider not capable", inferred for the others.
_KINDS = {
    errors.NOT_FOUND: faults.RESOURCE_NOT_FOUND,
    errors.INVALID_CLASS: faults.RESOURCE_NOT_FOUND,
    errors.INVALID_NAMESPACE: faults.RESOURCE_NOT_FOUND,
    errors.INVALID_OBJECT_PATH: faults.INVALID_SELECTORS,
    errors.INVALID_QUERY: faults.CANNOT_PROCESS_FILTER,
    errors.INVALID_METHOD: faults.ACTION_NOT_SUPPORTED,
}


# Classes with one instance, which needs no selectors (documented: the qualifier Singleton of
# Win32_OperatingSystem).
_SINGLETONS = {"win32_operatingsystem"}


# What each instance is returned as (documented: DSP0226, 8.7).
_WRITERS: dict[str | None, Callable[[Instance], str]] = {
    "EnumerateObject": cim_xml.instance,
    "EnumerateEPR": lambda item: cim_xml.endpoint_reference(item.path),
    "EnumerateObjectAndEPR": lambda item: element(
        "w:Item", cim_xml.instance(item) + cim_xml.endpoint_reference(item.path)
    ),
}


class Wmi:
    """The WMI classes of one host. answer() is safe to call from many threads."""

    def __init__(self, host: Host):
        self._host = host
        self._lock = threading.Lock()
        # Enumeration context → (user, items that are still to be pulled).
        self._open: dict[str, tuple[str, list[str]]] = {}
        self._operations = {
            ENUMERATION + "/Enumerate": self._enumerate,
            ENUMERATION + "/Pull": self._pull,
            ENUMERATION + "/Release": self._release,
            TRANSFER + "/Get": self._get,
        }

    def answer(self, request: Request, user: str) -> str:
        """Serve a request whose resource URI starts with cim_xml.WMI; Fault when that cannot be done."""
        operation = self._operations.get(request.action)
        try:
            if operation:
                return operation(request, user)
            return self._invoke(request)
        except CimError as error:
            raise self._fault(error, request) from error

    def _enumerate(self, request: Request, user: str) -> str:
        namespace, class_name = _split(request.resource_uri)
        if request.selectors:
            raise Fault(faults.INVALID_SELECTORS, "An Enumerate takes no selectors.")
        body = request.child(f"{{{ENUMERATION}}}Enumerate")
        options = _options(body, "Filter", "OptimizeEnumeration", "MaxElements", "EnumerationMode")
        mode = options.get("EnumerationMode")
        write = _WRITERS.get(mode.text if mode is not None else "EnumerateObject")
        if write is None:
            raise Fault(faults.ENUMERATION_MODE_UNSUPPORTED, f"The mode {mode.text!r} is not served.")
        query = _query(options.get("Filter"), class_name)
        fields = wql.parse(query).fields
        found = self._host.wmi(namespace).query(query)
        items = [cim_xml.fragment(item, fields) if fields else write(item) for item in found]
        context = f"uuid:{str(uuid.uuid4()).upper()}"
        if "OptimizeEnumeration" not in options:
            with self._lock:
                self._open[context] = user, items
            return element("n:EnumerateResponse", text("n:EnumerationContext", context))
        batch = _batch(items, _max_elements(options.get("MaxElements")), request)
        return self._answer("Enumerate", "w", context, user, batch, items)

    def _pull(self, request: Request, user: str) -> str:
        body = request.child(f"{{{ENUMERATION}}}Pull")
        context, items = self._close(body, user)
        batch = _batch(items, _max_elements(body.find(f"{{{ENUMERATION}}}MaxElements")), request)
        return self._answer("Pull", "n", context, user, batch, items)

    def _answer(
        self, verb: str, prefix: str, context: str, user: str, batch: list[str], rest: list[str]
    ) -> str:
        """Write a batch; an optimised enumeration's are in WS-Management's namespace (DSP0226 8.2.3)."""
        parts = [text("n:EnumerationContext", context)]
        if rest:
            with self._lock:
                self._open[context] = user, rest
        elif verb == "Pull":
            parts = []
        parts.append(element(f"{prefix}:Items", "".join(batch)))
        if not rest:
            parts.append(element(f"{prefix}:EndOfSequence"))
        return element(f"n:{verb}Response", "".join(parts))

    def _release(self, request: Request, user: str) -> str:
        self._close(request.child(f"{{{ENUMERATION}}}Release"), user)
        return ""

    def _close(self, body: ElementTree.Element, user: str) -> tuple[str, list[str]]:
        context = (body.findtext(f"{{{ENUMERATION}}}EnumerationContext") or "").strip()
        with self._lock:
            owner, items = self._open.get(context, (None, []))
            if owner != user:
                raise Fault(
                    faults.INVALID_ENUMERATION_CONTEXT, f"The enumeration context {context!r} is not open."
                )
            del self._open[context]
        return context, items

    def _get(self, request: Request, user: str) -> str:
        namespace, class_name = _split(request.resource_uri)
        if not request.selectors and class_name.lower() in _SINGLETONS:
            (only,) = self._host.wmi(namespace).query(f"SELECT * FROM {class_name}")
            return cim_xml.instance(only)
        return cim_xml.instance(self._host.wmi(namespace).get(class_name, request.selectors))

    def _invoke(self, request: Request) -> str:
        namespace_name, class_name = _split(request.resource_uri)
        base, _, name = request.action.rpartition("/")
        if base != request.resource_uri:
            raise Fault(
                faults.ACTION_NOT_SUPPORTED, f"{request.resource_uri} has no action {request.action}."
            )
        namespace = self._host.wmi(namespace_name)
        method = namespace.definition(class_name).method(name)
        arguments = _arguments(request, method)
        target = namespace.get(class_name, request.selectors).path if request.selectors else class_name
        outputs = namespace.invoke(target, method.name, arguments)
        return cim_xml.typed(f"{method.name}_OUTPUT", request.resource_uri, outputs.items())

    def _fault(self, error: CimError, request: Request) -> Fault:
        """Say a WMI error as Windows' WMI plug-in does: a provider's fault within the service's."""
        kind = _KINDS.get(error.code, faults.WMI_PROVIDER_NOT_CAPABLE)._replace(reason=str(error))
        inner = wsman_fault(Fault(kind), self._host.name)
        uri = cim_xml.class_uri(_split(request.resource_uri)[0], "__ExtendedStatus")
        status = cim_xml.typed(
            "__ExtendedStatus",
            uri,
            [
                ("Description", "string", error.message),
                ("Operation", "string", request.action.rpartition("/")[2]),
                ("ProviderName", "string", "WinMgmt"),
                ("StatusCode", "uint32", error.code),
            ],
        )
        provider = (
            '<f:ProviderFault provider="WMI Provider" path="%systemroot%\\system32\\WsmWmiPl.dll">'
            f"{inner}<f:ExtendedError>{status}</f:ExtendedError></f:ProviderFault>"
        )
        return Fault(kind, detail=wsman_fault(Fault(kind), self._host.name, provider))


def _split(resource_uri: str) -> tuple[str, str]:
    """Return namespace and class (or '*') of a WMI resource URI."""
    namespace, _, class_name = resource_uri[len(WMI) :].rpartition("/")
    if not namespace or not re.fullmatch(r"\w+|\*", class_name):
        raise Fault(
            faults.RESOURCE_NOT_FOUND,
            f"{resource_uri} is no WMI resource; expected {WMI}NAMESPACE/CLASS, or * for the class.",
        )
    return namespace, class_name


def _options(body: ElementTree.Element, *known: str) -> dict[str, ElementTree.Element]:
    options = {child.tag.removeprefix(f"{{{WSMAN}}}"): child for child in body}
    for name in options:
        if name not in known:
            raise Fault(faults.SCHEMA_VALIDATION, f"{body.tag} holds {name}; served are {', '.join(known)}.")
    return options


def _query(selection: ElementTree.Element | None, class_name: str) -> str:
    """Return the WQL that a filter holds, or that an enumeration of a class means."""
    if selection is None:
        if class_name == "*":
            raise Fault(faults.CANNOT_PROCESS_FILTER, "A resource URI that ends in * needs a WQL filter.")
        return f"SELECT * FROM {class_name}"
    dialect = selection.get("Dialect")
    if dialect != WQL:
        raise Fault(
            faults.FILTER_DIALECT_UNAVAILABLE, f"The dialect {dialect} is not served; expected {WQL}."
        )
    if class_name != "*":
        raise Fault(faults.WQL_NEEDS_STAR)
    return selection.text or ""


def _max_elements(maximum: ElementTree.Element | None) -> int:
    if maximum is None:
        return 1
    value = (maximum.text or "").strip()
    if not value.isdigit() or not int(value):
        raise Fault(faults.SCHEMA_VALIDATION, f"MaxElements is {maximum.text!r}; expected a positive number.")
    return int(value)


def _batch(items: list[str], maximum: int, request: Request) -> list[str]:
    """Remove and return the next items: at most `maximum`, and no more than the client's envelope holds."""
    batch, room = [], request.max_envelope_size - _ENVELOPE_OVERHEAD
    while items and len(batch) < maximum:
        size = len(items[0].encode())
        if size > room:
            if batch:
                break
            raise Fault(
                faults.ENVELOPE_TOO_LARGE,
                f"An item has {size} bytes; MaxEnvelopeSize allows {request.max_envelope_size}.",
            )
        room -= size
        batch.append(items.pop(0))
    return batch


def _arguments(request: Request, method: Method) -> dict[str, str | list[str] | None]:
    """Return a method's input parameters as text; the model checks names and types."""
    types = {parameter.name.lower(): parameter.type for parameter in method.inputs()}
    arguments: dict[str, str | list[str] | None] = {}
    for child in request.child(f"{{{request.resource_uri}}}{method.name}_INPUT"):
        name = child.tag.removeprefix(f"{{{request.resource_uri}}}")
        if types.get(name.lower()) == "reference":
            value = cim_xml.object_path(child)
        elif len(child):
            raise Fault(
                faults.NOT_IMPLEMENTED, f"The parameter {name} holds XML; text and references are served."
            )
        else:
            value = None if child.get(f"{{{cim_xml.XSI}}}nil") in ("true", "1") else child.text or ""
        if types.get(name.lower(), "").endswith("[]"):
            arguments.setdefault(name, []).append(value)
        elif name in arguments:
            raise Fault(faults.SCHEMA_VALIDATION, f"The parameter {name} of {method.name} comes twice.")
        else:
            arguments[name] = value
    return arguments
