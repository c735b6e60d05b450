# SPDX-License-Identifier: Apache-2.0
"""What holds on every Windows host with Hyper-V; HYPERV_CI_WINDOWS_ADDRESS names one."""

import pathlib
import sys

# The plug-in is a distribution of its own, which the tests' environment does not install.
sys.path.insert(0, str(pathlib.Path(__file__).parents[3] / "tempest-plugin"))
