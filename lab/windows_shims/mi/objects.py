# SPDX-License-Identifier: Apache-2.0
"""mi.Class and mi.Instance (inferred from PyMI's source)."""

import re
import threading

from mi import connection, constants, errors, mi_error, values

_KEY = re.compile(r'\s*(\w+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^,"]+))\s*(?:,|$)', re.S)
_PATH = re.compile(r"\\\\(?P<computer>[^\\]+)\\(?P<namespace>[^:]+):(?P<class_name>\w+)\.(?P<keys>.*)", re.S)
_classes = {}
_lock = threading.Lock()


class Definition:
    """A class as the model tells it; shared by everything of that class."""

    def __init__(self, told):
        self.name = told["name"]
        self.namespace = told["namespace"]
        self.server = told["server"]
        self.names = [name for name, _, _ in told["properties"]]
        self.types = [values.type_of(cim_type) for _, cim_type, _ in told["properties"]]
        self.defaults = [default for _, _, default in told["properties"]]
        self.index = {name.lower(): position for position, name in enumerate(self.names)}
        self.keys = told["keys"]
        self.methods = {name.lower(): parameters for name, parameters in told["methods"].items()}


class Parameters:
    """The definition of a method's input or output parameters."""

    name, namespace, server, keys = "__parameters", "", "", ()

    def __init__(self, names, types):
        self.names = names
        self.types = types
        self.index = {name.lower(): position for position, name in enumerate(names)}


def definition(computer, namespace, class_name):
    """The definition of a class, asked for once per process.

    :raises mi.error: there is no such class
    """
    key = computer.lower(), namespace.replace("\\", "/").lower(), class_name.lower()
    with _lock:
        found = _classes.get(key)
    if found is None:
        found = Definition(connection.request(computer, namespace, "class", **{"class": class_name}))
        with _lock:
            _classes[key] = found
    return found


class Class:
    def __init__(self, told):
        self._definition = told

    def __getitem__(self, name):
        return values.to_python(
            self._definition.defaults[_position(self._definition, name)],
            self._definition.types[_position(self._definition, name)],
        )

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return self[name]

    def __len__(self):
        return len(self._definition.names)

    def get_class_name(self):
        return self._definition.name

    def get_namespace(self):
        return self._definition.namespace

    def get_server_name(self):
        return self._definition.server

    def clone(self):
        return Class(self._definition)


class Instance:
    """Values by name or index. Changes stay here until a method takes them to the host.

    :ivar is_stored: it came from the host, so it has a server and a path
    """

    __slots__ = ("_definition", "_values", "is_stored")

    def __init__(self, told, elements, is_stored=True):
        self._definition = told
        self._values = elements
        self.is_stored = is_stored

    def get_element(self, item):
        """(name, type, value) of an element.

        :raises mi.error: there is none of this name or index
        """
        position = _position(self._definition, item)
        mi_type = self._definition.types[position]
        name = item if isinstance(item, str) else self._definition.names[position]
        return name, mi_type, values.to_python(self._element(position, mi_type), mi_type)

    def __getitem__(self, item):
        return self.get_element(item)[2]

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return self[name]

    def __setitem__(self, item, value):
        position = _position(self._definition, item)
        self._values[position] = values.to_mi(value, self._definition.types[position], Instance)

    def __len__(self):
        return len(self._values)

    def get_path(self):
        """The object path; empty if the instance is not the host's."""
        if not self.is_stored:
            return ""
        if not self._definition.keys:
            raise errors.failed(
                mi_error.MI_RESULT_FAILED, "Cannot get path of an instance without key elements"
            )
        keys = ",".join(f"{name}={self._key(name)}" for name in self._definition.keys)
        namespace = self._definition.namespace.replace("/", "\\")
        return f"\\\\{self._definition.server}\\{namespace}:{self._definition.name}.{keys}"

    def get_class_name(self):
        return self._definition.name

    def get_namespace(self):
        return self._definition.namespace if self.is_stored else ""

    def get_server_name(self):
        return self._definition.server if self.is_stored else ""

    def get_class(self):
        return Class(self._definition)

    def clone(self):
        return Instance(self._definition, list(self._values), self.is_stored)

    def elements(self):
        """Yields (name, MI type, value as it is kept)."""
        yield from zip(self._definition.names, self._definition.types, self._values, strict=True)

    def _key(self, name):
        position = self._definition.index[name.lower()]
        value = self._values[position]
        if self._definition.types[position] == constants.MI_STRING and value is not None:
            return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
        if isinstance(value, int) and not isinstance(value, bool):
            return str(value)
        raise errors.failed(mi_error.MI_RESULT_FAILED, "Unsupported key type in path generation")

    def _element(self, position, mi_type):
        """Embedded instances and references become Instances when they are first asked for."""
        value = self._values[position]
        if value is None or mi_type & ~constants.MI_ARRAY not in (
            constants.MI_INSTANCE,
            constants.MI_REFERENCE,
        ):
            return value
        if mi_type & constants.MI_ARRAY:
            value = tuple(self._instance(item) for item in value)
        else:
            value = self._instance(value)
        self._values[position] = value
        return value

    def _instance(self, value):
        if isinstance(value, str):
            return reference(value)
        if isinstance(value, list):
            return decoded(self._definition.server or ".", self._definition.namespace, value)
        return value


def decoded(computer, namespace, value):
    """The Instance of what the model sent: [class name, [values]]."""
    return Instance(definition(computer, namespace, value[0]), value[1])


def reference(path):
    """An Instance that has only the keys that an object path tells."""
    match = _PATH.fullmatch(path)
    if not match:
        raise errors.failed(mi_error.MI_RESULT_INVALID_PARAMETER, f"not an absolute object path: {path}")
    told = definition(match["computer"], match["namespace"].replace("\\", "/"), match["class_name"])
    instance = Instance(told, [None] * len(told.names))
    for key in _KEY.finditer(match["keys"]):
        instance[key[1]] = re.sub(r"\\(.)", r"\1", key[2]) if key[2] is not None else key[3]
    return instance


def _position(told, item):
    if isinstance(item, str):
        position = told.index.get(item.lower())
    else:
        position = item if 0 <= item < len(told.names) else None
    if position is None:
        raise errors.failed(mi_error.MI_RESULT_NO_SUCH_PROPERTY, f"{told.name} has no property {item}")
    return position
