# SPDX-License-Identifier: Apache-2.0
"""Stands in for PyMI's C module ``mi`` (PyMI 1.0.9) on a simulated Windows host.

PyMI's own ``wmi`` package runs on it unchanged. It is a client of the host's model, at ``wmi.sock`` in the
host's run folder; types and the signatures of methods are checked as MI checks them. What PyMI has and
nothing here needs (credentials, custom operation options, serializing classes) is refused loudly.

Standard library only: it is imported by every Python process of the host.
"""

from mi import mi_error
from mi.constants import *  # noqa: F403 - the constants are the module's interface, as in PyMI
from mi.errors import error, timeouterror
from mi.objects import Class, Instance
from mi.session import (
    Application,
    DestinationOptions,
    Operation,
    OperationOptions,
    Serializer,
    Session,
)

__all__ = [
    "Application",
    "Class",
    "DestinationOptions",
    "Instance",
    "Operation",
    "OperationOptions",
    "Serializer",
    "Session",
    "error",
    "mi_error",
    "timeouterror",
]
