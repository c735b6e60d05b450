# SPDX-License-Identifier: Apache-2.0
import pathlib
import sys

# The plug-in is a distribution of its own, which the tests' environment does not install.
sys.path.insert(0, str(pathlib.Path(__file__).parents[2] / "tempest-plugin"))
