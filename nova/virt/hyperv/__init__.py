# SPDX-License-Identifier: Apache-2.0
"""Where nova looks for ``compute_driver = hyperv.HyperVDriver`` or ``hyperv.HyperVClusterDriver``: it loads
drivers from nova.virt only.
"""

from hyperv_driver.clusterdriver import HyperVClusterDriver
from hyperv_driver.driver import HyperVDriver

__all__ = ["HyperVClusterDriver", "HyperVDriver"]
