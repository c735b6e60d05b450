# SPDX-License-Identifier: Apache-2.0
"""The DLLs of Windows as far as the driver's core calls them, one module each."""

from .library import Loader

WINDLL = Loader()
