# SPDX-License-Identifier: Apache-2.0
"""The file that stands for nova's database, Neutron and placement: see cluster_driver_process."""

import contextlib
import fcntl
import json


@contextlib.contextmanager
def records(path):
    """What it holds, a dictionary, which may be changed: nobody else has it meanwhile."""
    with path.open("r+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        found = json.load(file)
        yield found
        file.seek(0)
        file.truncate()
        json.dump(found, file)
        file.flush()
