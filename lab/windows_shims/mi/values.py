# SPDX-License-Identifier: Apache-2.0
"""Between CIM values, as the model sends them, MI's types and Python's; the rules are PyMI's (Utils.cpp)."""

import datetime
import re

from mi import constants, mi_error
from mi.errors import failed

TYPES = {
    "boolean": constants.MI_BOOLEAN,
    "uint8": constants.MI_UINT8,
    "sint8": constants.MI_SINT8,
    "uint16": constants.MI_UINT16,
    "sint16": constants.MI_SINT16,
    "uint32": constants.MI_UINT32,
    "sint32": constants.MI_SINT32,
    "uint64": constants.MI_UINT64,
    "sint64": constants.MI_SINT64,
    "real32": constants.MI_REAL32,
    "real64": constants.MI_REAL64,
    "datetime": constants.MI_DATETIME,
    "string": constants.MI_STRING,
    "reference": constants.MI_REFERENCE,
    "object": constants.MI_INSTANCE,
}
NAMES = {number: name for name, number in TYPES.items()}
_INTEGERS = {
    constants.MI_UINT8: (0, 2**8 - 1),
    constants.MI_SINT8: (-(2**7), 2**7 - 1),
    constants.MI_UINT16: (0, 2**16 - 1),
    constants.MI_SINT16: (-(2**15), 2**15 - 1),
    constants.MI_UINT32: (0, 2**32 - 1),
    constants.MI_SINT32: (-(2**31), 2**31 - 1),
    constants.MI_UINT64: (0, 2**64 - 1),
    constants.MI_SINT64: (-(2**63), 2**63 - 1),
}
_REALS = (constants.MI_REAL32, constants.MI_REAL64)
_DATETIME = re.compile(r"(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)\.(\d{6})([+-])(\d{3})")
_INTERVAL = re.compile(r"(\d{8})(\d\d)(\d\d)(\d\d)\.(\d{6}):000")


def type_of(cim_type):
    """The number of a CIM type, such as ``uint16[]``."""
    if cim_type.endswith("[]"):
        return TYPES[cim_type[:-2]] | constants.MI_ARRAY
    return TYPES[cim_type]


def name_of(mi_type):
    return NAMES[mi_type & ~constants.MI_ARRAY] + ("[]" if mi_type & constants.MI_ARRAY else "")


def to_mi(value, mi_type, instance_class):
    """The value as an element of this type holds it.

    :raises TypeError: Python's type cannot become MI's
    :raises mi.error: it becomes another MI type than the element's (a bool always becomes a boolean)
    :raises OverflowError: a number that does not fit; PyMI cuts it off or fails, depending on its size
    """
    if value is None:
        return None
    if mi_type & constants.MI_ARRAY:
        if not isinstance(value, list | tuple):
            raise TypeError(f"Unsupported type conversion: {value!r} to an array")
        return tuple(to_mi(item, mi_type & ~constants.MI_ARRAY, instance_class) for item in value)
    if isinstance(value, bool):
        if mi_type != constants.MI_BOOLEAN:
            raise failed(
                mi_error.MI_RESULT_TYPE_MISMATCH, f"{value} is a boolean, the element is {NAMES[mi_type]}"
            )
        return value
    if mi_type == constants.MI_STRING:
        if isinstance(value, list | tuple | instance_class):
            raise TypeError(f"Unsupported type conversion: {value!r} to a string")
        return str(value)
    if isinstance(value, instance_class):
        if mi_type not in (constants.MI_INSTANCE, constants.MI_REFERENCE):
            raise TypeError(f"Unsupported type conversion: an instance to {NAMES[mi_type]}")
        return value
    if isinstance(value, str) and mi_type in (*_INTEGERS, *_REALS):
        value = int(value, 10)
    if isinstance(value, int):
        if mi_type == constants.MI_BOOLEAN:
            return value != 0
        if mi_type in _REALS:
            return float(value)
        if mi_type in _INTEGERS:
            low, high = _INTEGERS[mi_type]
            if not low <= value <= high:
                raise OverflowError(f"{value} does not fit into {NAMES[mi_type]}")
            return value
    raise TypeError(f"Unsupported type conversion: {value!r} to {NAMES[mi_type]}")


def to_python(value, mi_type):
    """What PyMI hands out for a value: arrays as tuples, a datetime or timedelta for CIM's datetime."""
    if value is None:
        return None
    if mi_type & constants.MI_ARRAY:
        return tuple(to_python(item, mi_type & ~constants.MI_ARRAY) for item in value)
    if mi_type == constants.MI_DATETIME and isinstance(value, str):
        return _to_datetime(value)
    return value


def _to_datetime(text):
    if match := _INTERVAL.fullmatch(text):
        days, hours, minutes, seconds, micro = map(int, match.groups())
        return datetime.timedelta(days, hours * 3600 + minutes * 60 + seconds, micro)
    # PyMI leaves the offset out.
    return datetime.datetime(*map(int, _DATETIME.fullmatch(text).groups()[:7]))
