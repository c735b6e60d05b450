# SPDX-License-Identifier: Apache-2.0
"""nova-compute as a child process that stops when its standard input ends.

``python -m hyperv_driver.compute --config-file nova.conf`` is nova-compute, with another way to ask for its
graceful stop. nova (through oslo.service) binds that stop to SIGTERM, which no Windows process can send to
another: TerminateProcess ends the target on the spot. And a signal that a process raises in itself reaches
Python code only when the main thread runs bytecode, while nova's main thread waits for its threads in a lock,
which on Windows, unlike on Linux, no signal interrupts.

So the main thread waits for the end of standard input instead of waiting for nova's threads, and then raises
SIGTERM in itself: what follows is nova's own handler. Whoever started the process (``hyperv_driver.service``)
holds the other end of the pipe; if it dies, the pipe ends too, and nova-compute stops rather than live on
unattended.

Log: nova's ``[DEFAULT] log_file``. Set that one, not ``log_dir`` alone, from which oslo.log would derive the
file's name from the program's.
"""

import os
import signal
import sys
import threading
import time

# nova decides on its concurrency mode when this module is imported: it comes before the rest of nova.
from nova.cmd import compute  # isort: split

import nova.conf
from nova import service

CONF = nova.conf.CONF


class StopWhenInputEnds:
    """Turns the end of an input into nova's graceful stop.

    :param descriptor: the file descriptor to read; what it carries is ignored, its end counts.
    """

    def __init__(self, descriptor):
        self._descriptor = descriptor
        self._input_ended = threading.Event()
        self._serving = False

    def start(self):
        threading.Thread(target=self._watch, name="stop-when-input-ends", daemon=True).start()

    def wait(self):
        """What nova's main thread does while nova serves, in place of oslo.service's Service.wait."""
        self._serving = True
        self._input_ended.wait()
        signal.raise_signal(signal.SIGTERM)

    def _watch(self):
        # os.read: an interpreter that exits for a reason of its own must not find sys.stdin's lock taken.
        while os.read(self._descriptor, 1024):
            pass
        self._input_ended.set()
        if not self._serving:
            # Nothing to finish yet, and nova may wait for its conductor for ever: as SIGTERM would, on Linux.
            os._exit(0)
        # nova bounds its stop by SIGALRM, which Windows does not have.
        time.sleep(CONF.graceful_shutdown_timeout)
        os._exit(1)


def main():
    """Run nova-compute on the arguments of the command line; return only if it cannot start."""
    stop = StopWhenInputEnds(sys.stdin.fileno())
    service.Service.wait = stop.wait
    stop.start()
    compute.main()


if __name__ == "__main__":
    main()
