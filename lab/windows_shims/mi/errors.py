# SPDX-License-Identifier: Apache-2.0
"""The two exceptions of PyMI; their only argument is a dict with ``message``, ``mi_result`` and
``error_code``.
"""

import struct

from mi import mi_error

WMI_TIMED_OUT = 0x00040004
LOGON_FAILURE = 0x8007052E
RPC_SERVER_UNAVAILABLE = 0x800706BA
RPC_CALL_FAILED = 0x800706BE

# HRESULT of WBEM → MI_Result, as MI maps them; everything else is MI_RESULT_FAILED.
_RESULTS = {
    0x80041002: mi_error.MI_RESULT_NOT_FOUND,
    0x80041003: mi_error.MI_RESULT_ACCESS_DENIED,
    0x80041005: mi_error.MI_RESULT_TYPE_MISMATCH,
    0x80041008: mi_error.MI_RESULT_INVALID_PARAMETER,
    0x8004100E: mi_error.MI_RESULT_INVALID_NAMESPACE,
    0x80041010: mi_error.MI_RESULT_INVALID_CLASS,
    0x80041017: mi_error.MI_RESULT_INVALID_QUERY,
    0x80041019: mi_error.MI_RESULT_ALREADY_EXISTS,
    0x80041024: mi_error.MI_RESULT_NOT_SUPPORTED,
    0x8004102E: mi_error.MI_RESULT_METHOD_NOT_FOUND,
    0x8004102F: mi_error.MI_RESULT_INVALID_PARAMETER,
    0x80041055: mi_error.MI_RESULT_METHOD_NOT_AVAILABLE,
}


class error(Exception):
    pass


class timeouterror(error):
    pass


def failed(mi_result, message, error_code=0):
    return error({"mi_result": mi_result, "message": message, "error_code": error_code})


def from_hresult(code, message):
    """The exception for an HRESULT.

    wmi turns the code into a signed ``long``. Windows' has 32 bits; where it has 64, the code is
    sign-extended, so that the number comes out as on Windows.
    """
    extended = struct.unpack("L", struct.pack("l", code - (1 << 32)))[0] if code >> 31 else code
    return failed(_RESULTS.get(code, mi_error.MI_RESULT_FAILED), message, extended)


def timed_out():
    return timeouterror(
        {"mi_result": mi_error.MI_RESULT_FAILED, "message": "A timeout occurred", "error_code": WMI_TIMED_OUT}
    )
