# SPDX-License-Identifier: Apache-2.0
"""`python -m lab`, which `./hyperv-ci` calls."""

from lab.cli import main

main()
