# SPDX-License-Identifier: Apache-2.0
import time


def wait_for(condition, seconds=20):
    """Return what the condition says at last: something true as soon as it does."""
    deadline = time.monotonic() + seconds
    while not (said := condition()) and time.monotonic() < deadline:
        time.sleep(0.05)
    return said


def read_until(client, words):
    """Read from a socket until it has said some words; ConnectionError if it ends before."""
    shown = b""
    while words not in shown:
        if not (chunk := client.recv(4096)):
            raise ConnectionError(f"{shown!r} is all that came, expected {words!r} in it")
        shown += chunk
