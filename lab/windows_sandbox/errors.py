# SPDX-License-Identifier: Apache-2.0
"""Win32 errors by their number and Microsoft's text (documented: System Error Codes)."""

FILE_NOT_FOUND = 2
PATH_NOT_FOUND = 3
ACCESS_DENIED = 5
SHARING_VIOLATION = 32
NOT_SUPPORTED = 50
INVALID_PARAMETER = 87
INVALID_NAME = 123
BAD_EXE_FORMAT = 193
DIRECTORY = 267
DEPENDENT_SERVICES_RUNNING = 1051
INVALID_SERVICE_CONTROL = 1052
INVALID_SERVICE_ACCOUNT = 1057
SERVICE_REQUEST_TIMEOUT = 1053
SERVICE_ALREADY_RUNNING = 1056
SERVICE_DISABLED = 1058
SERVICE_DOES_NOT_EXIST = 1060
SERVICE_CANNOT_ACCEPT_CTRL = 1061
SERVICE_NOT_ACTIVE = 1062
FAILED_SERVICE_CONTROLLER_CONNECT = 1063
SERVICE_SPECIFIC_ERROR = 1066
PROCESS_ABORTED = 1067
SERVICE_DEPENDENCY_FAIL = 1068
SERVICE_LOGON_FAILED = 1069
SERVICE_EXISTS = 1073
SERVICE_NEVER_STARTED = 1077
NO_SHUTDOWN_IN_PROGRESS = 1116
NO_SUCH_PRIVILEGE = 1313
LOGON_FAILURE = 1326
ACCOUNT_DISABLED = 1331
LOGON_TYPE_NOT_GRANTED = 1385
PASSWORD_MUST_CHANGE = 1907
SHUTDOWN_IS_SCHEDULED = 1190
SERVICE_DEPENDENCY_DELETED = 1075

MESSAGES = {
    FILE_NOT_FOUND: "The system cannot find the file specified",
    PATH_NOT_FOUND: "The system cannot find the path specified",
    ACCESS_DENIED: "Access is denied",
    SHARING_VIOLATION: "The process cannot access the file because it is being used by another process",
    NOT_SUPPORTED: "The request is not supported",
    INVALID_PARAMETER: "The parameter is incorrect",
    INVALID_NAME: "The filename, directory name, or volume label syntax is incorrect",
    BAD_EXE_FORMAT: "%1 is not a valid Win32 application",
    DIRECTORY: "The directory name is invalid",
    DEPENDENT_SERVICES_RUNNING: "A stop control has been sent to a service that other running services are"
    " dependent on",
    INVALID_SERVICE_CONTROL: "The requested control is not valid for this service",
    SERVICE_REQUEST_TIMEOUT: "The service did not respond to the start or control request in a timely"
    " fashion",
    SERVICE_ALREADY_RUNNING: "An instance of the service is already running",
    SERVICE_DISABLED: "The service cannot be started, either because it is disabled or because it has no"
    " enabled devices associated with it",
    SERVICE_DOES_NOT_EXIST: "The specified service does not exist as an installed service",
    SERVICE_CANNOT_ACCEPT_CTRL: "The service cannot accept control messages at this time",
    SERVICE_NOT_ACTIVE: "The service has not been started",
    FAILED_SERVICE_CONTROLLER_CONNECT: "The service process could not connect to the service controller",
    SERVICE_SPECIFIC_ERROR: "The service has returned a service-specific error code",
    PROCESS_ABORTED: "The process terminated unexpectedly",
    SERVICE_DEPENDENCY_FAIL: "The dependency service or group failed to start",
    SERVICE_LOGON_FAILED: "The service did not start due to a logon failure",
    NO_SUCH_PRIVILEGE: "A specified privilege does not exist",
    INVALID_SERVICE_ACCOUNT: "The account name is invalid or does not exist, or the password is invalid for"
    " the account name specified",
    LOGON_TYPE_NOT_GRANTED: "Logon failure: the user has not been granted the requested logon type at this"
    " computer",
    LOGON_FAILURE: "The user name or password is incorrect",
    ACCOUNT_DISABLED: "This user can't sign in because this account is currently disabled",
    PASSWORD_MUST_CHANGE: "The user's password must be changed before signing in",
    NO_SHUTDOWN_IN_PROGRESS: "Unable to abort the system shutdown because no shutdown was in progress",
    SHUTDOWN_IS_SCHEDULED: "A system shutdown has already been scheduled",
    SERVICE_NEVER_STARTED: "No attempts to start the service have been made since the last boot",
    SERVICE_EXISTS: "The specified service already exists",
    SERVICE_DEPENDENCY_DELETED: "The dependency service does not exist or has been marked for deletion",
}


class Win32Error(Exception):
    """A call that Windows would have failed.

    :param code: the Win32 error code, one of MESSAGES
    :param subject: the thing at fault: a path, a program, a service
    :param detail: what was found and expected, where Microsoft's text does not say enough
    """

    def __init__(self, code: int, subject: str, detail: str = ""):
        super().__init__(f"{subject}: {MESSAGES[code]}" + (f" ({detail})" if detail else ""))
        self.code, self.subject, self.text = code, subject, MESSAGES[code]
