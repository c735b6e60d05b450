# SPDX-License-Identifier: Apache-2.0
"""The life of a virtual machine as a table: which request leads from which state through which to which.

States are values of Msvm_ComputerSystem.EnabledState, requests of RequestStateChange (both documented;
saved and paused are the documented "Enabled but Offline" and "Quiesce"). A pair that is not in the table is
refused with 32775, "Invalid state for this operation" (documented).
"""

import typing

from lab import guesses

RUNNING, OFF, SHUTTING_DOWN, SAVED, PAUSED, STARTING = 2, 3, 4, 6, 9, 10
SAVING, STOPPING, PAUSING, RESUMING = 32773, 32774, 32776, 32777

ENABLE, DISABLE, SHUT_DOWN, OFFLINE, QUIESCE, REBOOT, RESET = 2, 3, 4, 6, 9, 10, 11

TITLES = {
    RUNNING: "Running",
    OFF: "Off",
    SHUTTING_DOWN: "Shutting Down",
    SAVED: "Saved",
    PAUSED: "Paused",
    STARTING: "Starting",
    SAVING: "Saving",
    STOPPING: "Stopping",
    PAUSING: "Pausing",
    RESUMING: "Resuming",
}
REQUESTS = {ENABLE, DISABLE, SHUT_DOWN, OFFLINE, QUIESCE, REBOOT, RESET}


class Transition(typing.NamedTuple):
    through: int
    to: int
    evidence: str
    guess: guesses.Guess | None = None


TRANSITIONS = {
    (OFF, ENABLE): Transition(STARTING, RUNNING, "documented"),
    (RUNNING, DISABLE): Transition(STOPPING, OFF, "documented"),
    (RUNNING, OFFLINE): Transition(SAVING, SAVED, "documented"),
    (RUNNING, QUIESCE): Transition(PAUSING, PAUSED, "documented"),
    (RUNNING, RESET): Transition(STARTING, RUNNING, "documented"),
    (PAUSED, ENABLE): Transition(RESUMING, RUNNING, "documented"),
    (PAUSED, DISABLE): Transition(STOPPING, OFF, "inferred"),
    (PAUSED, OFFLINE): Transition(SAVING, SAVED, "inferred"),
    (PAUSED, RESET): Transition(STARTING, RUNNING, "guessed", guesses.RESET_OF_PAUSED),
    (SAVED, ENABLE): Transition(STARTING, RUNNING, "documented"),
    # RequestStateChange's page on Reboot: from off or saved to running
    (OFF, REBOOT): Transition(STARTING, RUNNING, "documented"),
    (SAVED, REBOOT): Transition(STARTING, RUNNING, "documented"),
    # libvirt drops a saved state so
    (SAVED, DISABLE): Transition(STOPPING, OFF, "inferred"),
}
