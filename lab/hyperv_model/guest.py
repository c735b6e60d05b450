# SPDX-License-Identifier: Apache-2.0
"""What stands for a guest. No guest boots in the simulator: its console says so, line after line."""

import dataclasses
import itertools


@dataclasses.dataclass(frozen=True)
class Guest:
    """How guests behave.

    :ivar boot_seconds: from power on until the guest answers requests such as a shutdown
    :ivar shutdown_seconds: from the request until the machine is off
    :ivar line_seconds: between two lines on the console while it boots
    :ivar idle_seconds: between two lines afterwards
    :ivar boot_lines: how many lines a boot writes
    """

    boot_seconds: float = 1.0
    shutdown_seconds: float = 0.5
    line_seconds: float = 0.02
    idle_seconds: float = 5.0
    boot_lines: int = 40

    def console(self, name, disks, booted=False):
        """Yields (seconds to wait, line): what the guest writes to its console, endless if there is a disk.

        :param booted: leave the boot out
        """
        if not booted:
            yield 0, f"Simulated guest of {name}: no operating system runs here"
            for number, disk in enumerate(disks):
                yield self.line_seconds, f"disk {number}: {disk}"
            for number in range(1, self.boot_lines + 1 if disks else 1):
                yield self.line_seconds, f"boot step {number} of {self.boot_lines}"
        if not disks:
            yield 0, "No boot device: the machine has no disk"
            return
        for number in itertools.count(1):
            yield self.idle_seconds, f"{name} login: (idle, line {number})"
