# SPDX-License-Identifier: Apache-2.0
"""pywin32's win32security: descriptors from text, and the one list that has an equal here."""

import os

SDDL_REVISION_1 = 1
DACL_SECURITY_INFORMATION = 4

# The owner alone, and root, whom nothing stops: what is left of an administrator here.
MODES = {"D:P(A;;FA;;;SY)(A;;FA;;;BA)(A;;FA;;;OW)": 0o600}


class PySECURITY_DESCRIPTOR:
    def __init__(self, sddl):
        self.sddl = sddl


def ConvertStringSecurityDescriptorToSecurityDescriptor(sddl, revision):
    if revision != SDDL_REVISION_1:
        raise NotImplementedError(f"SDDL revision {revision}, the lab knows {SDDL_REVISION_1}")
    return PySECURITY_DESCRIPTOR(sddl)


def SetFileSecurity(path, information, descriptor):
    if information != DACL_SECURITY_INFORMATION:
        raise NotImplementedError(
            f"SetFileSecurity: {information}, the lab knows {DACL_SECURITY_INFORMATION}"
        )
    if descriptor.sddl not in MODES:
        raise NotImplementedError(f"SetFileSecurity: {descriptor.sddl}, the lab knows {', '.join(MODES)}")
    os.chmod(path, MODES[descriptor.sddl])
