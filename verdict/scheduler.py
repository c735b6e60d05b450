# SPDX-License-Identifier: Apache-2.0
"""zuul-scheduler that votes as verdict/ has it: ours takes the place of a driver that Zuul has."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1]))

import zuul.driver.gerrit
from zuul.cmd.scheduler import main

from verdict.reporter import Driver

if __name__ == "__main__":
    zuul.driver.gerrit.GerritDriver = Driver
    main()
