# SPDX-License-Identifier: Apache-2.0
"""mi.Application, mi.Session, mi.Operation and their options."""

import datetime
import threading
from xml.etree import ElementTree

from mi import connection, constants, errors, mi_error, values
from mi.objects import Class, Instance, Parameters, decoded, definition


class _Closing:
    def close(self):
        """Nothing is held open."""

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.close()


class Application(_Closing):
    def __init__(self, app_id=""):
        self._app_id = app_id

    def create_session(self, computer_name=".", protocol="", destination_options=None):
        if protocol not in ("", constants.PROTOCOL_WMIDCOM):
            raise errors.failed(mi_error.MI_RESULT_NOT_SUPPORTED, f"protocol {protocol} is not simulated")
        return Session(computer_name, destination_options)

    def create_instance(self, class_name):
        raise errors.failed(mi_error.MI_RESULT_NOT_SUPPORTED, f"an instance without its class: {class_name}")

    def create_instance_from_class(self, class_name, cls):
        told = cls._definition
        return Instance(told, list(told.defaults), is_stored=False)

    def create_method_params(self, mi_class, method_name):
        """The input parameters, all null, in the order of their names (PyMI keeps them in a sorted map)."""
        told = mi_class._definition
        if method_name.lower() not in told.methods:
            raise errors.failed(
                mi_error.MI_RESULT_METHOD_NOT_FOUND, f"{told.name} has no method {method_name}"
            )
        inputs = sorted(told.methods[method_name.lower()])
        kept = Parameters([name for name, _ in inputs], [values.type_of(cim_type) for _, cim_type in inputs])
        return Instance(kept, [None] * len(inputs), is_stored=False)

    def create_serializer(self):
        return Serializer()

    def create_operation_options(self):
        return OperationOptions()

    def create_destination_options(self):
        return DestinationOptions()


class _Timeout:
    def __init__(self):
        self._timeout = None

    def set_timeout(self, timeout):
        if not isinstance(timeout, datetime.timedelta):
            raise TypeError("parameter timeout must be of type datetime.timedelta")
        self._timeout = timeout

    def get_timeout(self):
        return self._timeout

    @property
    def seconds(self):
        return self._timeout and self._timeout.total_seconds()


class OperationOptions(_Timeout):
    def set_custom_option(self, name, value_type, value, must_comply=False):
        raise errors.failed(mi_error.MI_RESULT_NOT_SUPPORTED, f"custom option {name} is not simulated")


class DestinationOptions(_Timeout):
    def __init__(self):
        super().__init__()
        self._ui_locale = self._transport = None

    def set_ui_locale(self, locale_name):
        self._ui_locale = locale_name

    def get_ui_locale(self):
        return self._ui_locale

    def set_transport(self, transport):
        self._transport = transport

    def get_transport(self):
        return self._transport

    def add_credentials(self, auth_type, domain, username, password, cert_thumbprint=""):
        # Inferred from PyMI's test_new_conn_invalid_creds; here no credentials are valid ones.
        raise errors.from_hresult(errors.LOGON_FAILURE, "WMI knows no user's credentials: not simulated")


class Serializer(_Closing):
    def serialize_instance(self, instance, include_class=False):
        """CIM-XML as MI writes it; null elements carry no value."""
        root = ElementTree.Element("INSTANCE", CLASSNAME=instance.get_class_name())
        for name, mi_type, value in instance.elements():
            cim_type = values.NAMES[mi_type & ~constants.MI_ARRAY]
            if mi_type & constants.MI_ARRAY:
                element = ElementTree.SubElement(root, "PROPERTY.ARRAY", NAME=name, TYPE=cim_type)
                if value is not None:
                    array = ElementTree.SubElement(element, "VALUE.ARRAY")
                    for item in value:
                        ElementTree.SubElement(array, "VALUE").text = _text(item)
            else:
                element = ElementTree.SubElement(root, "PROPERTY", NAME=name, TYPE=cim_type)
                if value is not None:
                    ElementTree.SubElement(element, "VALUE").text = _text(value)
        return ElementTree.tostring(root, encoding="unicode")

    def serialize_class(self, cls, deep=False):
        raise errors.failed(mi_error.MI_RESULT_NOT_SUPPORTED, "serializing a class is not simulated")


class Operation(_Closing):
    """Results that are there already, one after the other."""

    def __init__(self, results):
        self._results = list(results)[::-1]

    def has_more_results(self):
        return bool(self._results)

    def get_next_instance(self):
        return self._results.pop() if self._results else None

    get_next_class = get_next_instance

    def get_next_indication(self):
        raise errors.failed(
            mi_error.MI_RESULT_NOT_SUPPORTED, "indications go to the callback given to subscribe"
        )

    def cancel(self):
        self._results = []


class Subscription(_Closing):
    """An event query that calls back from a thread of its own, a last time when it is over."""

    def __init__(self, computer, namespace, query, callback):
        self._computer = computer
        self._namespace = namespace
        self._callback = callback
        self._running = True
        self._connection = connection.Connection(computer)
        try:
            self._connection.request(
                {"operation": "subscribe", "computer": computer, "namespace": namespace, "query": query}
            )
        except errors.error:
            self._connection.close()
            raise
        except OSError:
            self._connection.close()
            raise errors.from_hresult(
                errors.RPC_CALL_FAILED, f"The remote procedure call failed: {query} in {namespace}"
            ) from None
        threading.Thread(target=self._listen, name="mi subscription", daemon=True).start()

    def has_more_results(self):
        return self._running

    def cancel(self):
        self._running = False
        self._connection.close()

    def _listen(self):
        message = ""
        try:
            while told := self._connection.read():
                self._callback(self._event(told["event"]), "", "", 1, mi_error.MI_RESULT_OK, "", None)
        except OSError as problem:
            message = problem.strerror or ""
        except ValueError:
            pass  # the file was closed under the reader: cancelled
        result = mi_error.MI_RESULT_FAILED if self._running else mi_error.MI_RESULT_OK
        self._running = False
        self._callback(None, "", "", 0, result, message, None)

    def _event(self, told):
        names = list(told["properties"])
        kept = Parameters(names, [constants.MI_INSTANCE] * len(names))
        elements = [decoded(self._computer, self._namespace, value) for value in told["properties"].values()]
        return Instance(kept, elements, is_stored=False)


class Session(_Closing):
    def __init__(self, computer_name, destination_options):
        self._computer = computer_name
        self._options = destination_options

    def exec_query(self, ns, query, dialect="WQL", operation_options=None):
        if dialect != "WQL":
            raise errors.failed(mi_error.MI_RESULT_QUERY_LANGUAGE_NOT_SUPPORTED, f"query language {dialect}")
        return self._instances(ns, self._ask(ns, "query", operation_options, query=query))

    def get_associators(
        self,
        ns,
        instance,
        assoc_class="",
        result_class="",
        role="",
        result_role="",
        keys_only=False,
        operation_options=None,
    ):
        found = self._ask(
            ns,
            "associators",
            operation_options,
            path=instance.get_path(),
            role=role,
            association_class=assoc_class,
            result_class=result_class,
            result_role=result_role,
        )
        return self._instances(ns, found)

    def get_class(self, ns, class_name):
        return Operation([Class(definition(self._computer, ns, class_name))])

    def get_instance(self, ns, key_instance):
        keys = {name: key_instance[name] for name in key_instance._definition.keys}
        found = self._ask(ns, "get", None, keys=keys, **{"class": key_instance.get_class_name()})
        return self._instances(ns, [found])

    def invoke_method(self, target, method_name, inbound_params=None, operation_options=None):
        """Call a method of an instance, or a static one of a class."""
        told = target._definition
        path = told.name if isinstance(target, Class) else target.get_path()
        arguments = {}
        for name, mi_type, value in inbound_params.elements() if inbound_params is not None else ():
            if value is not None:
                arguments[name] = _argument(value, mi_type)
        outputs = self._ask(
            told.namespace, "invoke", operation_options, target=path, method=method_name, arguments=arguments
        )
        kept = Parameters([name for name, _, _ in outputs], [values.type_of(kind) for _, kind, _ in outputs])
        kept.server, kept.namespace = told.server, told.namespace
        return Operation([Instance(kept, [value for _, _, value in outputs], is_stored=False)])

    def create_instance(self, ns, instance, operation_options=None):
        self._ask(ns, "create", operation_options, **{"class": instance.get_class_name()})

    def modify_instance(self, ns, instance, operation_options=None):
        told = {
            name: None if value is None else _argument(value, mi_type)
            for name, mi_type, value in instance.elements()
        }
        self._ask(ns, "modify", operation_options, path=instance.get_path(), values=told)

    def delete_instance(self, ns, instance, operation_options=None):
        self._ask(ns, "delete", operation_options, path=instance.get_path())

    def subscribe(self, ns, query, indication_result=None, operation_options=None, dialect="WQL"):
        if not callable(indication_result):
            raise TypeError('"indication_result" must be callable')
        return Subscription(self._computer, ns, query, indication_result)

    def _ask(self, ns, operation, options, **parameters):
        timeout = (options and options.seconds) or (self._options and self._options.seconds) or None
        return connection.request(self._computer, ns, operation, timeout, **parameters)

    def _instances(self, ns, found):
        return Operation(decoded(self._computer, ns, value) for value in found)


def _argument(value, mi_type):
    if mi_type & constants.MI_ARRAY:
        return [_argument(item, mi_type & ~constants.MI_ARRAY) for item in value]
    if mi_type == constants.MI_REFERENCE:
        return value.get_path()
    if mi_type == constants.MI_INSTANCE:
        return Serializer().serialize_instance(value)
    return value


def _text(value):
    return str(value).lower() if isinstance(value, bool) else str(value)
