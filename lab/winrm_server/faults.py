# SPDX-License-Identifier: Apache-2.0
"""The faults that Windows answers with: numbers from wsmerror.h and winerror.h, subcodes from DSP0226
(documented).
"""

from typing import NamedTuple


class Kind(NamedTuple):
    """A fault as Windows knows it; `reason` is what it says when there is nothing more exact to say."""

    code: int
    blame: str
    subcode: str
    reason: str


_CANNOT = "The WS-Management service cannot process the request"

RESOURCE_NOT_FOUND = Kind(
    0x80338000,
    "s:Sender",
    "a:DestinationUnreachable",
    f"{_CANNOT}. The service cannot find the resource identified by the resource URI and selectors.",
)
ENVELOPE_TOO_LARGE = Kind(0x80338026, "s:Sender", "w:EncodingLimit", f"{_CANNOT}: its envelope is too large.")
INVALID_HEADER = Kind(
    0x8033800F, "s:Sender", "a:InvalidMessageInformationHeader", f"{_CANNOT}. A header is not valid."
)
MUST_UNDERSTAND = Kind(
    0x80338010, "s:MustUnderstand", "", f"{_CANNOT}. A mandatory header is not understood."
)
HEADER_REQUIRED = Kind(
    0x80338011, "s:Sender", "a:MessageInformationHeaderRequired", f"{_CANNOT}. A required header is missing."
)
ACTION_NOT_SUPPORTED = Kind(
    0x80338013, "s:Sender", "a:ActionNotSupported", f"{_CANNOT}. The action is not supported by the service."
)
FILTER_DIALECT_UNAVAILABLE = Kind(
    0x80338019,
    "s:Sender",
    "n:FilterDialectRequestedUnavailable",
    f"{_CANNOT}. The requested filter dialect is not available.",
)
CANNOT_PROCESS_FILTER = Kind(
    0x8033801A, "s:Sender", "n:CannotProcessFilter", f"{_CANNOT}. The filter cannot be processed."
)
INVALID_ENUMERATION_CONTEXT = Kind(
    0x8033801B,
    "s:Receiver",
    "n:InvalidEnumerationContext",
    f"{_CANNOT}. The enumeration context is not valid.",
)
TIMED_OUT = Kind(
    0x80338029,
    "s:Receiver",
    "w:TimedOut",
    "The WS-Management service cannot complete the operation within the time specified in OperationTimeout.",
)
SCHEMA_VALIDATION = Kind(
    0x80338041, "s:Sender", "w:SchemaValidationError", f"{_CANNOT}. The XML is not valid for this operation."
)
ENVELOPE_TOO_SMALL = Kind(
    0x8033807E, "s:Sender", "w:EncodingLimit", f"{_CANNOT}: the envelope size in the request is too small."
)
INVALID_SELECTORS = Kind(
    0x8033805B,
    "s:Sender",
    "w:InvalidSelectors",
    f"{_CANNOT} because the request contained invalid selectors for the resource.",
)
ENUMERATION_MODE_UNSUPPORTED = Kind(
    0x80338086, "s:Sender", "w:UnsupportedFeature", f"{_CANNOT}. The enumeration mode is not supported."
)
WQL_NEEDS_STAR = Kind(
    0x803380FB,
    "s:Sender",
    "n:CannotProcessFilter",
    f"{_CANNOT}. A WQL filter needs a resource URI that ends in an asterisk.",
)
WMI_PROVIDER_NOT_CAPABLE = Kind(
    0x80338102,
    "s:Receiver",
    "w:InternalError",
    f"{_CANNOT}. The WMI service reported that the WMI provider could not perform the requested operation.",
)
QUOTA_MAX_SHELLS = Kind(0x803381A5, "s:Receiver", "w:QuotaLimit", f"{_CANNOT}. Too many shells.")
QUOTA_MAX_OPERATIONS = Kind(0x803381A6, "s:Receiver", "w:QuotaLimit", f"{_CANNOT}. Too many operations.")
NOT_IMPLEMENTED = Kind(0x80004001, "s:Receiver", "w:InternalError", "Not implemented.")
ACCESS_DENIED = Kind(0x5, "s:Sender", "w:AccessDenied", "Access is denied.")
ABORTED = Kind(
    0x3E3,
    "s:Receiver",
    "w:InternalError",
    "The I/O operation has been aborted because of either a thread exit or an application request.",
)
# Win32 errors stand as they are: 232, 87 and 995 so in what users of clients reported (recorded).
PIPE_CLOSING = Kind(0xE8, "s:Receiver", "w:InternalError", "The pipe is being closed.")
INVALID_PARAMETER = Kind(0x57, "s:Sender", "w:InvalidParameter", "The parameter is incorrect.")


class Fault(Exception):
    """A request that is answered with a SOAP fault.

    It has a kind, a message that replaces the kind's reason, and XML that replaces Windows' usual detail.
    """

    def __init__(self, kind: Kind, message: str = "", *, detail: str = ""):
        super().__init__(message or kind.reason)
        self.kind = kind
        self.message = message or kind.reason
        self.detail = detail
