# SPDX-License-Identifier: Apache-2.0
"""CIM's terms: types, class definitions, instances and object paths as in WMI (documented: DSP0004)."""

import dataclasses
import datetime
import re

from lab.hyperv_model import errors
from lab.hyperv_model.errors import CimError

INTEGER_RANGES = {
    f"{sign}{bits}": ((0, 2**bits - 1) if sign == "uint" else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1))
    for sign in ("uint", "sint")
    for bits in (8, 16, 32, 64)
}
REALS = ("real32", "real64")
TYPES = (*INTEGER_RANGES, *REALS, "boolean", "string", "datetime", "reference", "object")

_DATETIME = re.compile(r"\d{14}\.\d{6}[+-]\d{3}|\d{8}\d{6}\.\d{6}:000")
_PATH = re.compile(
    r"(?:[\\/]{2}(?P<server>[^\\/]+)[\\/](?P<namespace>[^:]+):)?(?P<class_name>\w+)(?P<keys>[.=].*)?$", re.S
)
_KEY = re.compile(r'\s*(\w+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^,"]+))\s*(?:,|$)', re.S)


@dataclasses.dataclass(frozen=True)
class Property:
    """:ivar refers_to: class that a reference is to, or None"""

    name: str
    type: str
    key: bool = False
    default: object = None
    refers_to: str | None = None


@dataclasses.dataclass(frozen=True)
class Parameter:
    """:ivar required: a call without it, or with null, is refused (documented: DSP0004's qualifier)
    :ivar refers_to: class that a reference is to, or None
    """

    name: str
    type: str
    directions: frozenset
    required: bool = False
    refers_to: str | None = None


@dataclasses.dataclass(frozen=True)
class Method:
    name: str
    return_type: str
    parameters: tuple
    static: bool = False

    def inputs(self):
        return [parameter for parameter in self.parameters if "in" in parameter.directions]

    def outputs(self):
        return [parameter for parameter in self.parameters if "out" in parameter.directions]


class ClassDefinition:
    """A class with everything it inherits; names are matched regardless of case, as WMI does.

    :ivar dynamic: a provider has its instances, not the repository (documented: WMI's qualifier)
    """

    def __init__(
        self,
        name,
        namespace,
        server,
        parent=None,
        properties=(),
        methods=(),
        association=False,
        dynamic=False,
    ):
        self.name = name
        self.namespace = namespace
        self.server = server
        self.parent = parent
        self.dynamic = dynamic
        self.association = association or bool(parent and parent.association)
        self.properties = dict(parent.properties) if parent else {}
        self.properties.update((item.name.lower(), item) for item in properties)
        self.methods = dict(parent.methods) if parent else {}
        self.methods.update((item.name.lower(), item) for item in methods)
        self.defaults = {
            item.name: item.default for item in self.properties.values() if item.default is not None
        }
        self.derivation = [name, *(parent.derivation if parent else ())]
        self._ancestry = {ancestor.lower() for ancestor in self.derivation}
        self.names = [item.name for item in self.properties.values()]
        # Alphabetical, as WMI writes paths.
        self.keys = sorted(
            (item for item in self.properties.values() if item.key), key=lambda item: item.name
        )
        self.references = [item for item in self.properties.values() if item.type == "reference"]

    def is_a(self, class_name):
        return class_name.lower() in self._ancestry

    def property(self, name):
        try:
            return self.properties[name.lower()]
        except KeyError:
            raise CimError(errors.INVALID_PARAMETER, f"{self.name} has no property {name}") from None

    def method(self, name):
        try:
            return self.methods[name.lower()]
        except KeyError:
            raise CimError(errors.INVALID_METHOD, f"{self.name} has no method {name}") from None


class Instance:
    """One object of a class: the values of its properties, null where there is none.

    A ``datetime`` is CIM's own text, a ``reference`` an object path, an ``object`` another Instance.
    """

    __slots__ = ("definition", "values")

    def __init__(self, definition, values):
        self.definition = definition
        self.values = dict.fromkeys(definition.names)
        for name, value in values.items():
            item = definition.property(name)
            self.values[item.name] = checked(item.type, value, f"{definition.name}.{item.name}")

    @property
    def class_name(self):
        return self.definition.name

    @property
    def namespace(self):
        return self.definition.namespace

    @property
    def path(self):
        """The absolute object path."""
        keys = ",".join(f"{item.name}={_quoted(self.values[item.name])}" for item in self.definition.keys)
        namespace = self.namespace.replace("/", "\\")
        return f"\\\\{self.definition.server}\\{namespace}:{self.class_name}.{keys}"

    @property
    def identity(self):
        """What makes the instance this one within its namespace: comparable, hashable."""
        return identity(self.class_name, {item.name: self.values[item.name] for item in self.definition.keys})

    def __getitem__(self, name):
        return self.values.get(self.definition.property(name).name)

    def __setitem__(self, name, value):
        item = self.definition.property(name)
        self.values[item.name] = checked(item.type, value, f"{self.class_name}.{item.name}")

    def update(self, **values):
        for name, value in values.items():
            self[name] = value

    def copy(self):
        twin = Instance.__new__(Instance)
        twin.definition, twin.values = self.definition, self.values.copy()
        return twin

    def narrowed(self, names):
        """A copy in which everything but these properties is null.

        It holds no values but these: a thousand with all their nulls would fill a processor's cache.
        """
        twin = Instance.__new__(Instance)
        twin.definition, twin.values = self.definition, {name: self.values[name] for name in names}
        return twin

    def items(self):
        """Yields (name, CIM type, value); the type of an array ends in ``[]``, its value is a list."""
        for item in self.definition.properties.values():
            yield item.name, item.type, self.values.get(item.name)

    def __repr__(self):
        return f"<{self.path if self.definition.keys else self.class_name}>"


def identity(class_name, keys):
    return (class_name.lower(), *sorted((name.lower(), str(value).lower()) for name, value in keys.items()))


def write_path(namespace, class_name, keys):
    """Return the object path, on whatever server it is read, of the instance that has these keys."""
    written = ",".join(f"{name}={_quoted(value)}" for name, value in keys.items())
    folders = namespace.replace("/", "\\")
    return f"\\\\.\\{folders}:{class_name}.{written}"


def parse_path(path):
    """Take an object path apart.

    :returns: (server or None, namespace or None, class name, dict of keys)
    :raises CimError: it is not an object path
    """
    match = _PATH.match(path or "")
    if not match:
        raise CimError(errors.INVALID_OBJECT_PATH, f"not an object path: {path!r}")
    keys, text = {}, (match["keys"] or "")[1:]
    position = 0
    while position < len(text) and text != "@":
        key = _KEY.match(text, position)
        if not key:
            raise CimError(errors.INVALID_OBJECT_PATH, f"cannot read the keys of the object path {path!r}")
        keys[key[1]] = re.sub(r"\\(.)", r"\1", key[2]) if key[2] is not None else key[3].strip()
        position = key.end()
    namespace = match["namespace"]
    return match["server"], namespace and namespace.replace("\\", "/"), match["class_name"], keys


def checked(cim_type, value, what):
    """The value as this type holds it: numbers and booleans are also taken from their text.

    :raises CimError: the value does not fit the type
    """
    if value is None:
        return None
    if cim_type.endswith("[]"):
        if not isinstance(value, list | tuple):
            raise CimError(errors.TYPE_MISMATCH, f"{what} is {cim_type}, got {value!r}")
        return [checked(cim_type[:-2], item, what) for item in value]
    converted = _converted(cim_type, value)
    if converted is None:
        raise CimError(errors.TYPE_MISMATCH, f"{what} is {cim_type}, got {value!r}")
    return converted


def _converted(cim_type, value):
    if cim_type == "boolean":
        if isinstance(value, str):
            return {"true": True, "false": False}.get(value.lower())
        return value if isinstance(value, bool) else None
    if cim_type in INTEGER_RANGES:
        if isinstance(value, str) and re.fullmatch(r"\s*[+-]?\d+\s*", value):
            value = int(value)
        low, high = INTEGER_RANGES[cim_type]
        return value if type(value) is int and low <= value <= high else None
    if cim_type in REALS:
        return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
    if cim_type == "datetime":
        return value if isinstance(value, str) and _DATETIME.fullmatch(value) else None
    if cim_type == "object":
        return value if isinstance(value, Instance) else None
    return value if isinstance(value, str) else None


def timestamp(moment=None):
    """A CIM timestamp in UTC; now, if no moment is given."""
    return (moment or datetime.datetime.now(datetime.UTC)).strftime("%Y%m%d%H%M%S.%f+000")


def age(moment):
    """Seconds since a CIM timestamp in UTC."""
    then = datetime.datetime.strptime(moment[:21], "%Y%m%d%H%M%S.%f").replace(tzinfo=datetime.UTC)
    return (datetime.datetime.now(datetime.UTC) - then).total_seconds()


def interval(seconds):
    """A CIM interval: days, hours, minutes, seconds and microseconds."""
    whole, micro = divmod(round(seconds * 1_000_000), 1_000_000)
    days, rest = divmod(whole, 86400)
    return f"{days:08d}{rest // 3600:02d}{rest // 60 % 60:02d}{rest % 60:02d}.{micro:06d}:000"


def _quoted(value):
    if isinstance(value, str):
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    return str(value)
