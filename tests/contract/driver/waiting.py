# SPDX-License-Identifier: Apache-2.0
import time


def wait_for(condition, seconds=20):
    """Return what the condition says at last: something true as soon as it does."""
    deadline = time.monotonic() + seconds
    while not (said := condition()) and time.monotonic() < deadline:
        time.sleep(0.05)
    return said
