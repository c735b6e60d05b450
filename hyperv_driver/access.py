# SPDX-License-Identifier: Apache-2.0
"""Who may read a file, by its access control list."""

import win32security

# The system, administrators and the file's owner; protected (P) from what its folder would hand down.
# Hyper-V adds the virtual machine that the file gets attached to.
RESTRICTED = "D:P(A;;FA;;;SY)(A;;FA;;;BA)(A;;FA;;;OW)"


class FileAccess:
    def restrict(self, path):
        """Close a file to all but the host's administration and the virtual machine that has it."""
        descriptor = win32security.ConvertStringSecurityDescriptorToSecurityDescriptor(
            RESTRICTED, win32security.SDDL_REVISION_1
        )
        win32security.SetFileSecurity(path, win32security.DACL_SECURITY_INFORMATION, descriptor)
