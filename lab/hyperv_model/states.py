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


# JobType of the jobs that states change through (documented for Msvm_ConcreteJob)
START, POWER_OFF, SAVE, RESTORE, PAUSE, RESUME, RESET_JOB, REBOOT_JOB = 12, 13, 14, 15, 26, 27, 28, 29


class Transition(typing.NamedTuple):
    through: int
    to: int
    job: int
    evidence: str
    guess: guesses.Guess | None = None


TRANSITIONS = {
    (OFF, ENABLE): Transition(STARTING, RUNNING, START, "documented"),
    (RUNNING, DISABLE): Transition(STOPPING, OFF, POWER_OFF, "documented"),
    (RUNNING, OFFLINE): Transition(SAVING, SAVED, SAVE, "documented"),
    (RUNNING, QUIESCE): Transition(PAUSING, PAUSED, PAUSE, "documented"),
    (RUNNING, RESET): Transition(STARTING, RUNNING, RESET_JOB, "documented"),
    (PAUSED, ENABLE): Transition(RESUMING, RUNNING, RESUME, "documented"),
    (PAUSED, DISABLE): Transition(STOPPING, OFF, POWER_OFF, "inferred"),
    (PAUSED, OFFLINE): Transition(SAVING, SAVED, SAVE, "inferred"),
    (PAUSED, RESET): Transition(STARTING, RUNNING, RESET_JOB, "guessed", guesses.RESET_OF_PAUSED),
    (SAVED, ENABLE): Transition(STARTING, RUNNING, RESTORE, "documented"),
    # RequestStateChange's page on Reboot: from off or saved to running
    (OFF, REBOOT): Transition(STARTING, RUNNING, REBOOT_JOB, "documented"),
    (SAVED, REBOOT): Transition(STARTING, RUNNING, REBOOT_JOB, "documented"),
    # libvirt drops a saved state so
    (SAVED, DISABLE): Transition(STOPPING, OFF, POWER_OFF, "inferred"),
}
