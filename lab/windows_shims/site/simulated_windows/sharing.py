# SPDX-License-Identifier: Apache-2.0
"""Refuses to delete, rename or overwrite files that Hyper-V has open; see lab/hyperv_model/open_files.py.

The host is asked about the files that may be among them, and about folders that are renamed; anything else
costs nothing.
"""

import errno
import os

from . import paths

ERROR_ACCESS_DENIED, ERROR_SHARING_VIOLATION = 5, 32
_MAY_BE_OPEN = (".vhd", ".vhdx", ".avhd", ".avhdx", ".vhds", ".iso")


def check(path, *named) -> None:
    """Raise PermissionError (winerror 32) if the file at a Windows path is in use; any other path is free.

    `named`: the paths that the error names if it is not `path`.
    """
    if (
        paths.is_windows(path)
        and os.fsdecode(path).lower().endswith(_MAY_BE_OPEN)
        and os.path.lexists(path)
        and _open_files(path)
    ):
        raise paths.windows_error(errno.EACCES, *(named or (path,)), winerror=ERROR_SHARING_VIOLATION)


def check_move(source, *named) -> None:
    """As `check`, of a file or a folder; a folder in which a file is in use is refused with winerror 5."""
    if not paths.is_windows(source) or not os.path.isdir(source):
        check(source, *named)
    elif _open_files(source):
        raise paths.windows_error(errno.EACCES, *named, winerror=ERROR_ACCESS_DENIED)


def _open_files(path) -> list[str]:
    if not os.path.exists(os.path.join(os.environ.get("WINDOWS_HOST_RUN", "/run/windows-host"), "wmi.sock")):
        return []  # a host without Hyper-V
    from mi import connection, errors

    request = {"function": "ntoskrnl.IoCheckShareAccess", "arguments": {"path": os.fsdecode(path)}}
    try:
        return connection.request(".", "", "call", **request)
    except errors.error as error:
        if error.args[0]["error_code"] & 0xFFFFFFFF not in (
            errors.RPC_SERVER_UNAVAILABLE,
            errors.RPC_CALL_FAILED,
        ):
            raise
        return []  # the process that has them open has ended
