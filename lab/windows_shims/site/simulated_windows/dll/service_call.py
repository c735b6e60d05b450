# SPDX-License-Identifier: Apache-2.0
"""How a DLL speaks to its service, which runs in the host's own process: over the way that WMI takes."""

from mi import connection
from mi import errors as mi_errors

from . import errors


def call(function: str, **arguments):
    """Return what the service behind ``library.Function`` answers; Win32Error with its code if it refuses."""
    try:
        return connection.request(".", "", "call", function=function, arguments=arguments)
    except mi_errors.error as error:
        raise errors.Win32Error(error.args[0]["error_code"] & 0xFFFFFFFF) from error
