# SPDX-License-Identifier: Apache-2.0
"""A simulated Hyper-V host as a process, with the arguments FOLDER NAME ADDRESS FACTS.

It shares FOLDER/network with others. Then it runs code, a JSON string a line, which sees `model`, and prints
what that leaves in `said`.
"""

import json
import pathlib
import sys

from lab.hyperv_model import Model, jobs, migration, server
from lab.hyperv_model.guest import Guest
from lab.hyperv_model.host import HostFacts
from lab.hyperv_model.neighbours import Neighbours
from lab.windows_sandbox.filesystem import FileSystem
from lab.windows_sandbox.shares import local_path

FAST = Guest(boot_seconds=0, shutdown_seconds=0.01, line_seconds=0.001, idle_seconds=0.01)


def main(folder, name, address, facts):
    folder = pathlib.Path(folder)
    run_folder = folder / f"run-{name}"
    run_folder.mkdir(exist_ok=True)
    neighbours = Neighbours(folder / "network", name, address)
    filesystem = FileSystem(neighbours.drive)
    model = Model(
        name,
        local_path(filesystem, neighbours),
        run_folder,
        HostFacts(**{"guest": FAST, "address": address, **json.loads(facts)}),
        neighbours=neighbours,
    )
    migration.allow(model)
    serving = server.serve(model, run_folder / "wmi.sock")
    print("ready", flush=True)
    for line in sys.stdin:
        names = {"model": model, "jobs": jobs, "said": None}
        with model.lock:
            exec(json.loads(line), names)
        print(json.dumps(names["said"]), flush=True)
    serving.close()
    model.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
