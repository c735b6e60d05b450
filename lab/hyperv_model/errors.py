# SPDX-License-Identifier: Apache-2.0
"""The errors a WMI client gets, by their HRESULT.

The codes are those of WBEM (documented: wbemcli.h) and RPC (winerror.h); MI hands them on as ``error_code``.
"""

ACCESS_DENIED = 0x80041003
ALREADY_EXISTS = 0x80041019
FAILED = 0x80041001
INVALID_CLASS = 0x80041010
INVALID_METHOD = 0x8004102E
INVALID_METHOD_PARAMETERS = 0x8004102F
INVALID_NAMESPACE = 0x8004100E
INVALID_OBJECT_PATH = 0x8004103A
INVALID_PARAMETER = 0x80041008
INVALID_QUERY = 0x80041017
METHOD_NOT_IMPLEMENTED = 0x80041055
NOT_FOUND = 0x80041002
PROVIDER_LOAD_FAILURE = 0x80041013
PROVIDER_NOT_CAPABLE = 0x80041024
QUERY_NEEDS_WITHIN = 0x80042002
QUERY_TOO_BROAD = 0x80042001
RPC_SERVER_UNAVAILABLE = 0x800706BA
TYPE_MISMATCH = 0x80041005
DEVICE_NOT_READY = 0x80070015


class CimError(Exception):
    """An operation the model refuses.

    :param code: the HRESULT, as an unsigned 32-bit number
    :param message: the thing at fault, what was found, what was expected
    """

    def __init__(self, code: int, message: str):
        super().__init__(f"{message} (0x{code:08X})")
        self.code = code
        self.message = message
