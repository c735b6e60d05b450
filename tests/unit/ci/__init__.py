# SPDX-License-Identifier: Apache-2.0
import pathlib
import sys

# The files of a role are no package of this tree.
sys.path.insert(0, str(pathlib.Path(__file__).parents[3] / "trusted/roles/publish-logs/files"))
