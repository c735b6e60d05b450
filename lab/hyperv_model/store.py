# SPDX-License-Identifier: Apache-2.0
"""The repository: class definitions and instances, found by class, by path and by association."""

import pathlib

from lab.hyperv_model import errors, mof
from lab.hyperv_model.cim import Instance, identity, parse_path
from lab.hyperv_model.errors import CimError

SCHEMA = pathlib.Path(__file__).parent / "schema"


class Store:
    """Instances by namespace and class.

    :param server: the computer's name, which is part of every path
    """

    def __init__(self, server):
        self.server = server
        self.definitions = {}
        for file in sorted(SCHEMA.glob("*.mof")):
            mof.parse(file.read_text(), server, self.definitions)
        # WMI clients ask for __Provider to see that a connection works (PyMI's wmi.WMI does).
        for namespace in self.definitions:
            mof.parse(
                f'#pragma namespace("{namespace}") class __Provider {{ [key] string Name; }};',
                server,
                self.definitions,
            )
        self._folded = {namespace.lower(): namespace for namespace in self.definitions}
        self._instances = {}
        self._providers = {}
        self._associations = {}
        self._associated = {
            namespace: {
                end.refers_to for each in classes.values() if each.association for end in each.references
            }
            for namespace, classes in self.definitions.items()
        }
        self._families = {}
        for namespace, classes in self.definitions.items():
            for definition in classes.values():
                self._instances[namespace, definition.name.lower()] = {}
                for name in definition.derivation:
                    self._families.setdefault((namespace, name.lower()), []).append(definition.name.lower())

    def namespace(self, name):
        """The namespace as the schema spells it.

        :raises CimError: there is none of this name
        """
        folded = name.replace("\\", "/").strip("/").lower()
        if folded not in self._folded:
            raise CimError(errors.INVALID_NAMESPACE, f"no namespace {name} on {self.server}")
        return self._folded[folded]

    def hide(self, namespace):
        """Have this host not have a namespace, as without the feature that brings it."""
        del self._folded[namespace.lower()]

    def definition(self, namespace, class_name):
        try:
            return self.definitions[namespace][class_name.lower()]
        except KeyError:
            raise CimError(errors.INVALID_CLASS, f"no class {class_name} in {namespace}") from None

    def build(self, namespace, class_name, **values):
        """An instance with the defaults of its class, not yet in the repository."""
        definition = self.definition(namespace, class_name)
        defaults = {
            item.name: item.default for item in definition.properties.values() if item.default is not None
        }
        return Instance(definition, {**defaults, **values})

    def add(self, namespace, class_name, **values):
        return self.insert(self.build(namespace, class_name, **values))

    def add_service(self, namespace, class_name, name, title):
        """The one instance of a service of this host, which runs.

        :param name: its Name, a key (documented on the page of its class, but for Msvm_SecurityService's)
        """
        return self.add(
            namespace,
            class_name,
            SystemCreationClassName="Msvm_ComputerSystem",
            SystemName=self.server,
            CreationClassName=class_name,
            Name=name,
            ElementName=title,
            EnabledState=2,
            Started=True,
            HealthState=5,
        )

    def provide(self, namespace, class_name, values):
        """Have the instances of a dynamic class from a function, which returns the values of each as a dict
        whenever someone asks.
        """
        definition = self.definition(namespace, class_name)
        self._providers[namespace, definition.name.lower()] = lambda: [
            Instance(definition, each) for each in values()
        ]

    def insert(self, instance):
        where = self._instances[instance.namespace, instance.class_name.lower()]
        if instance.identity in where:
            raise CimError(errors.ALREADY_EXISTS, f"{instance.path} exists")
        where[instance.identity] = instance
        for item in instance.definition.references if instance.definition.association else ():
            key = instance.namespace, self._path_identity(instance[item.name])
            self._associations.setdefault(key, {})[instance.identity] = instance
        return instance

    def remove(self, instance):
        """Take an instance out, and every association that it is an end of."""
        for association in self.associations(instance):
            self.remove(association)
        del self._instances[instance.namespace, instance.class_name.lower()][instance.identity]
        for item in instance.definition.references if instance.definition.association else ():
            key = instance.namespace, self._path_identity(instance[item.name])
            del self._associations[key][instance.identity]
            if not self._associations[key]:
                del self._associations[key]

    def replace(self, gone, wanted):
        """Take instances out, and put others in their place."""
        for instance in gone:
            # An association may have gone with one of its ends.
            if instance.identity in self._instances[instance.namespace, instance.class_name.lower()]:
                self.remove(instance)
        for instance in wanted:
            self.insert(instance)

    def all(self, namespace):
        """Every instance of a namespace."""
        return [
            instance
            for (where, _), instances in self._instances.items()
            if where == namespace
            for instance in instances.values()
        ]

    def of(self, namespace, class_name, **wanted):
        """The instances of a class and of its subclasses whose properties have the wanted values."""
        self.definition(namespace, class_name)
        return [
            instance
            for name in self._families[namespace, class_name.lower()]
            for instance in self._present(namespace, name).values()
            if all(instance[key] == value for key, value in wanted.items())
        ]

    def find(self, namespace, class_name, keys):
        """The instance with these keys.

        :raises CimError: WBEM_E_NOT_FOUND, or WBEM_E_INVALID_OBJECT_PATH if these are not the class's keys
        """
        definition = self.definition(namespace, class_name)
        if {name.lower() for name in keys} != {item.name.lower() for item in definition.keys}:
            raise CimError(
                errors.INVALID_OBJECT_PATH,
                f"{class_name} has the keys {', '.join(item.name for item in definition.keys)}, "
                f"got {', '.join(keys) or 'none'}",
            )
        found = self._present(namespace, class_name.lower()).get(identity(class_name, keys))
        if found is None:
            keys_text = ",".join(f'{name}="{value}"' for name, value in keys.items())
            raise CimError(errors.NOT_FOUND, f"not found: {class_name}.{keys_text}")
        return found

    def _present(self, namespace, name):
        """The instances of one class by their identity: those of the repository, or of its provider."""
        if not self.definitions[namespace][name].dynamic:
            return self._instances[namespace, name]
        provider = self._providers.get((namespace, name))
        if provider is None:
            raise CimError(
                errors.PROVIDER_LOAD_FAILURE,
                f"{self.definitions[namespace][name].name}: there is no Windows around {self.server} that"
                " has any",
            )
        return {instance.identity: instance for instance in provider()}

    def at(self, path, namespace=None):
        """The instance at an object path.

        :raises CimError: the path is on another computer, or nothing is there
        """
        server, path_namespace, class_name, keys = parse_path(path)
        if server and server.lower() not in (self.server.lower(), ".", "localhost"):
            raise CimError(errors.NOT_FOUND, f"{path} is not on {self.server}")
        return self.find(self.namespace(path_namespace or namespace or ""), class_name, keys)

    def associations(self, instance):
        return list(self._associations.get((instance.namespace, instance.identity), {}).values())

    def associators(self, instance, association_class="", result_class="", role="", result_role=""):
        """The instances at the other ends of the associations of this one (ASSOCIATORS OF).

        :raises CimError: the schema lacks the associations that this class has on Windows
        """
        for name in (association_class, result_class):
            if name:
                self.definition(instance.namespace, name)
        self._check_associated(instance)
        found = {}
        for association in self.associations(instance):
            if association_class and not association.definition.is_a(association_class):
                continue
            ends = [
                (item.name, self.at(association[item.name])) for item in association.definition.references
            ]
            for name, end in ends:
                if end.identity == instance.identity:
                    continue
                mine = next(other for other, far in ends if far.identity == instance.identity)
                if (
                    (not result_class or end.definition.is_a(result_class))
                    and _fits(role, mine)
                    and _fits(result_role, name)
                ):
                    found[end.identity] = end
        return list(found.values())

    def references(self, instance, result_class="", role=""):
        """The associations of an instance (REFERENCES OF).

        :raises CimError: as associators does
        """
        if result_class:
            self.definition(instance.namespace, result_class)
        self._check_associated(instance)
        return [
            association
            for association in self.associations(instance)
            if (not result_class or association.definition.is_a(result_class))
            and any(
                _fits(role, item.name)
                for item in association.definition.references
                if self._path_identity(association[item.name]) == instance.identity
            )
        ]

    def _check_associated(self, instance):
        if not any(instance.definition.is_a(name) for name in self._associated[instance.namespace]):
            raise CimError(
                errors.PROVIDER_NOT_CAPABLE, f"associations of {instance.class_name} are not simulated"
            )

    @staticmethod
    def _path_identity(path):
        _, _, class_name, keys = parse_path(path)
        return identity(class_name, keys)


def _fits(wanted, name):
    return not wanted or wanted.lower() == name.lower()
