# SPDX-License-Identifier: Apache-2.0
"""The space that virtual disks grow into: a machine that would run out of it is paused before its guest
notices ("Paused-Critical").

Hyper-V looks at it periodically, warns below 2 GB and pauses below 200 MB, unless the disk is a fixed one
(documented by its program manager: "Why is my virtual machine Paused-Critical?"). Documented for
Msvm_ComputerSystem are HealthState 25 of a machine that is paused so, and OperationalStatus 5; in Azure's
articles on it, that it has to be resumed; the events 16050 and 16060 in Microsoft's article 2486243.
"""

import functools
import ntpath

from lab.hyperv_model import storage, switch_ports, vhd
from lab.hyperv_model.states import PAUSED, RUNNING

LOW, CRITICAL = 2 << 30, 200 << 20
LOOK_EVERY = 5  # seconds; how often Hyper-V looks is not documented, and no result depends on it
PREDICTIVE_FAILURE, CRITICAL_FAILURE = 5, 25


def install(model):
    def look_again():
        model.jobs.after(LOOK_EVERY, look_again)
        look(model)

    model.jobs.after(LOOK_EVERY, look_again)


def look(model):
    """Warn of the running machines whose disks' space is low, and pause those where it is critical."""
    free = functools.cache(lambda drive: model.free_space(f"{drive}\\"))
    for machine in model.machines.values():
        if machine.state == RUNNING:
            _judge(model, machine, free)


def _judge(model, machine, free):
    """Only where space is low does it matter whether a disk grows: its file is not read before."""
    paths = (disk["HostResource"][0] for disk in machine.of(storage.SASD, storage.HARD_DISK))
    space = ((free(ntpath.splitdrive(path)[0]), path) for path in paths)
    low = [(left, path) for left, path in space if left < LOW and _grows(model, path)]
    left, path = min(low, default=(LOW, ""))
    if left < CRITICAL:
        machine.run.pause()
        machine.state = PAUSED
        machine.system.update(HealthState=CRITICAL_FAILURE, OperationalStatus=[PREDICTIVE_FAILURE])
        switch_ports.update(model, machine)
        text = f"'{machine.name}' has been paused because it has run out of disk space on '{path}'."
        model.log(16060, "Error", text)
    elif machine.system["OperationalStatus"] == [PREDICTIVE_FAILURE]:
        if not low:
            machine.recover()
    elif low:
        machine.system["OperationalStatus"] = [PREDICTIVE_FAILURE]
        model.log(16050, "Warning", f"'{machine.name}' is about to run out of disk space on '{path}'.")


def _grows(model, path):
    """Whether a disk takes more space when a guest writes."""
    with vhd.open_disk(model.local_path(path)) as opened:
        return opened.kind != vhd.FIXED
