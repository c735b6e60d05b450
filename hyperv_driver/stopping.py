# SPDX-License-Identifier: Apache-2.0
"""Tells a process that it is to stop: its standard input ends.

No Windows process can send another a signal that it may answer: TerminateProcess ends the target on the spot.
Whoever started this process (``hyperv_driver.service``) holds the other end of the pipe; if it dies, the pipe
ends too, and the process stops rather than live on unattended.
"""

import os
import threading
import time


class StopWhenInputEnds:
    """Lets the main thread wait for the end of an input, and bounds what it does after that.

    :param descriptor: the file descriptor to read; what it carries is ignored, its end counts.
    :param limit: function that gives the seconds that a stop may take; then the process ends with code 1.
    """

    def __init__(self, descriptor, limit):
        self._descriptor = descriptor
        self._limit = limit
        self._input_ended = threading.Event()
        self._serving = False

    def start(self):
        threading.Thread(target=self._watch, name="stop-when-input-ends", daemon=True).start()

    def wait(self, timeout=None):
        """For a process that serves: return whether it is to stop."""
        self._serving = True
        return self._input_ended.wait(timeout)

    def _watch(self):
        # os.read: an interpreter that exits for a reason of its own must not find sys.stdin's lock taken.
        while os.read(self._descriptor, 1024):
            pass
        self._input_ended.set()
        if not self._serving:
            # Nothing to finish yet, and its start may wait for another service for ever.
            os._exit(0)
        time.sleep(self._limit())
        os._exit(1)
