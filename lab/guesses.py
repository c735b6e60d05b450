# SPDX-License-Identifier: Apache-2.0
"""What the simulated host does without anyone here knowing whether Windows does.

No result hangs on a guess unnoticed: a host that comes to one says so in its event log, which the page of a
build quotes; the driver's tests fail if they come to one (tests/contract/driver/on_hyperv.py).
"""

import dataclasses
from collections.abc import Callable


@dataclasses.dataclass(frozen=True)
class Guess:
    """Something that is guessed.

    :ivar area: package of the simulated host, as in lab.evidence
    :ivar behaviour: what is done
    :ivar record: what would have to be recorded on a real host
    """

    area: str
    behaviour: str
    record: str

    def __str__(self):
        return f"Guessed: {self.behaviour}. To be recorded: {self.record}."


RESET_OF_PAUSED = Guess(
    "hyperv_model",
    "a paused machine that is reset runs",
    "RequestStateChange(11) of a paused machine: its answer, and the states that the machine goes through",
)
RESET_KEEPS_PIPES = Guess(
    "hyperv_model",
    "who is connected to a machine's serial port stays connected while it is reset",
    "a client of the named pipe of a COM port, and RequestStateChange(11): whether its reads go on",
)
INTERRUPT_REBOOTS = Guess(
    "hyperv_model",
    "a guest that gets a non-maskable interrupt crashes and boots again, while its machine runs on",
    "InjectNonMaskableInterrupt: the machine's states, and its console, with the guest that the tests boot",
)
REMOVED_WITH_CONTENT = Guess(
    "hyperv_model",
    "a controller or drive that is removed takes what is in it along",
    "RemoveResourceSettings of a controller with drives, and of a drive with a disk: what is left",
)
PIPE_WITHOUT_READER = Guess(
    "hyperv_model",
    "of what a guest writes to a serial port that nobody reads, the newest 4096 bytes are kept",
    "what a client of a COM port's pipe reads that connects after the guest wrote more than 4096 bytes",
)
SWITCH_PORTS_OF_RUNNING = Guess(
    "hyperv_model",
    "a machine's connection has a port of the virtual switch while the machine is on",
    "Msvm_EthernetSwitchPort while a machine is new, on, paused, saved and off",
)
PAUSED_MIGRATES = Guess(
    "hyperv_model",
    "a paused machine migrates, and is paused on the other host",
    "MigrateVirtualSystemToHost of a paused machine: its answer, and the machine's state on both hosts",
)
MIGRATION_MAKES_FOLDERS = Guess(
    "hyperv_model",
    "migration makes the folders that moved disks go to",
    "MigrateVirtualSystemToHost with a disk whose new path is in no folder of the other host",
)
UNATTACHED_HAS_NO_PATH = Guess(
    "hyperv_model",
    "GetVirtualDiskPhysicalPath of a disk that is not attached fails with ERROR_NOT_READY",
    "GetVirtualDiskPhysicalPath of a disk that is open and not attached: its return value",
)
TARGET_NOT_FOUND = Guess(
    "hyperv_model",
    "a login to a target that the portal does not have fails with ISDSC_TARGET_NOT_FOUND",
    "LoginIScsiTarget to a name that the portal does not have: its return value",
)
SYNTAX_ERROR_OF_CMD = Guess(
    "windows_sandbox",
    "cmd /c ends with 255 after a syntax error",
    "the exit code of cmd /c with unbalanced parentheses, and with an operator and nothing after it",
)

# What writes the events; no program of Windows is called so.
SOURCE = "Simulated-Host-Guesses"

GUESSES = tuple(value for value in vars().values() if isinstance(value, Guess))


class Guesses:
    """The guesses that a host came to.

    :ivar tell: function that is called with each Guess the first time
    """

    def __init__(self):
        self._met: set[Guess] = set()
        self.tell: Callable[[Guess], None] = lambda guess: None

    def meet(self, guess: Guess) -> None:
        """Say that what a client is about to get is guessed."""
        if guess not in self._met:
            self._met.add(guess)
            self.tell(guess)

    @property
    def met(self) -> frozenset[Guess]:
        return frozenset(self._met)
