# SPDX-License-Identifier: Apache-2.0
"""Where the families of classes say what they do: methods, values that are made when they are asked for, and
what their services answer to DLLs.
"""

from lab.hyperv_model import errors
from lab.hyperv_model.errors import CimError

_METHODS = {}
_COMPUTED = {}
_SERVED = {}


def provides(method):
    """Register the function for ``Class.Method``: called as function(model, target, **inputs).

    So are ``Class.PutInstance`` (its input: ``values``) and ``Class.DeleteInstance``.
    Inputs come checked, references as Instances; it returns a dict of outputs, where ReturnValue is 0 and
    everything else is null unless given.
    """

    def register(function):
        _METHODS[method.lower()] = function
        return function

    return register


def serves(name):
    """Register the function for ``library.Function`` of a DLL: called as function(model, **arguments).

    Arguments and what it returns are what JSON has.
    """

    def register(function):
        _SERVED[name.lower()] = function
        return function

    return register


def computes(class_name):
    """Register a function(model, instance) that fills in values of an instance about to be handed out."""

    def register(function):
        _COMPUTED[class_name.lower()] = function
        return function

    return register


def function_for(definition, method):
    """The registered function for a method of a class.

    :raises CimError: the class has the method, the model does not implement it
    """
    for name in definition.derivation:
        if found := _METHODS.get(f"{name}.{method.name}".lower()):
            return found
    raise CimError(errors.METHOD_NOT_IMPLEMENTED, f"{definition.name}.{method.name} is not simulated")


def service_for(name):
    """The registered function for ``library.Function``.

    :raises CimError: there is none
    """
    try:
        return _SERVED[name.lower()]
    except KeyError:
        raise CimError(errors.METHOD_NOT_IMPLEMENTED, f"{name} is not simulated") from None


def operation_for(definition, operation):
    """The registered function for PutInstance or DeleteInstance of a class.

    :raises CimError: Hyper-V's settings change through its services' methods only (documented for their
        properties)
    """
    found = _METHODS.get(f"{definition.name}.{operation}".lower())
    if found is None:
        raise CimError(
            errors.PROVIDER_NOT_CAPABLE, f"{definition.name}: the provider cannot {operation} an instance"
        )
    return found


def computed(model, instance):
    """The instance as it is now: itself, or a copy with what is computed."""
    fill = _COMPUTED.get(instance.class_name.lower())
    if fill is None:
        return instance
    copy = instance.copy()
    fill(model, copy)
    return copy
