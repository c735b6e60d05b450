# SPDX-License-Identifier: Apache-2.0
"""hbaapi.dll on a host without Fibre Channel adapters, as T11 FC-HBA defines it."""

from .library import function


@function()
def HBA_RefreshAdapterConfiguration():
    return None


@function()
def HBA_GetNumberOfAdapters():
    return 0
