# SPDX-License-Identifier: Apache-2.0
"""Runs in the lab's python.exe: code, a JSON string a line, that calls unmodified os-win; prints `said`."""

import json
import os
import platform
import sys
import time

from hyperv_driver.without_eventlet import without_eventlet

with without_eventlet():
    from os_win import constants, exceptions, utilsfactory  # noqa: F401

# The name of the test's host, as a contained process has it for its own.
platform.node = lambda: os.environ["COMPUTERNAME"]
# os-win waits a second before it tries again.
time.sleep = lambda seconds, sleep=time.sleep: sleep(min(seconds, 0.02))


def run(code, names):
    names["said"] = None
    try:
        exec(code, names)
    except Exception as error:  # noqa: BLE001 - the test judges it
        return f"{type(error).__name__}: {error}"
    return names["said"]


def serve(names):
    """Run the code with these names, and those of this module."""
    names = {**globals(), **names}
    names |= {
        kind: getattr(utilsfactory, f"get_{kind}")()
        for kind in ("vmutils", "vhdutils", "pathutils", "networkutils", "metricsutils", "livemigrationutils")
    }
    print("ready", flush=True)
    for line in sys.stdin:
        print(json.dumps(run(json.loads(line), names)), flush=True)


if __name__ == "__main__":
    serve({})
