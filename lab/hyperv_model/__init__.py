# SPDX-License-Identifier: Apache-2.0
"""A simulated Hyper-V host, as its WMI providers show it: classes, instances, methods, jobs and events.

It says what it is wherever a name shows, and every behaviour that is not plain data carries its evidence:
``documented`` (by Microsoft), ``recorded`` (on a real host), ``inferred`` (from what os-win relies on),
``guessed``. See :mod:`lab.hyperv_model.model` for how it is used.
"""

from lab.hyperv_model.errors import CimError
from lab.hyperv_model.model import Model

__all__ = ["CimError", "Model"]
