# SPDX-License-Identifier: Apache-2.0
"""nodepool-launcher with the drivers of this tree, for which it has no option of its own."""

import sys
from pathlib import Path

from nodepool.cmd.launcher import main
from nodepool.driver import Drivers

HERE = Path(__file__).parent

sys.path.append(str(HERE.parent))  # the simulated driver starts the nodes of the package ``lab``
Drivers.load([str(HERE / "drivers")])
sys.exit(main())
