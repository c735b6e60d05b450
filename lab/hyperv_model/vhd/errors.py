# SPDX-License-Identifier: Apache-2.0
"""What is wrong with a virtual disk, in the codes of virtdisk.dll (documented: winerror.h)."""

INVALID_PARAMETER = 87
VHD_DRIVE_FOOTER_MISSING = 0xC03A0001
VHD_DRIVE_FOOTER_CHECKSUM_MISMATCH = 0xC03A0002
VHD_DRIVE_FOOTER_CORRUPT = 0xC03A0003
VHD_FORMAT_UNKNOWN = 0xC03A0004
VHD_FORMAT_UNSUPPORTED_VERSION = 0xC03A0005
VHD_SPARSE_HEADER_CHECKSUM_MISMATCH = 0xC03A0006
VHD_SPARSE_HEADER_CORRUPT = 0xC03A0008
VHD_BLOCK_ALLOCATION_TABLE_CORRUPT = 0xC03A000A
VHD_INVALID_BLOCK_SIZE = 0xC03A000B
VHD_PARENT_VHD_NOT_FOUND = 0xC03A000D
VHD_CHILD_PARENT_ID_MISMATCH = 0xC03A000E
VHD_INVALID_SIZE = 0xC03A0012
VHD_CHILD_PARENT_SIZE_MISMATCH = 0xC03A0017
VHD_DIFFERENCING_CHAIN_CYCLE_DETECTED = 0xC03A0018
VHD_INVALID_TYPE = 0xC03A001B
VHDX_LOG_NOT_EMPTY = 0xC03A001C  # ERROR_VHD_INVALID_STATE


class VirtualDiskError(ValueError):
    """A file is no virtual disk, a damaged one, or one that cannot do what was asked.

    `code` is the Win32 error code, the text says which file and what is wrong with it.
    """

    def __init__(self, code: int, message: str):
        super().__init__(message)
        self.code = code
