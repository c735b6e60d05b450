# SPDX-License-Identifier: Apache-2.0
"""nova-compute as a child process that stops when its standard input ends.

``python -m hyperv_driver.compute --config-file nova.conf`` is nova-compute, with another way to ask for its
graceful stop. nova (through oslo.service) binds that stop to SIGTERM, which no Windows process can send to
another: TerminateProcess ends the target on the spot. And a signal that a process raises in itself reaches
Python code only when the main thread runs bytecode, while nova's main thread waits for its threads in a lock,
which on Windows, unlike on Linux, no signal interrupts.

So the main thread waits for the end of standard input (``hyperv_driver.stopping``) instead of waiting for
nova's threads, and then raises SIGTERM in itself: what follows is nova's own handler.

Log: nova's ``[DEFAULT] log_file``. Set that one, not ``log_dir`` alone, from which oslo.log would derive the
file's name from the program's.
"""

import signal
import sys

# nova decides on its concurrency mode when this module is imported: it comes before the rest of nova.
from nova.cmd import compute  # isort: split

import nova.conf
from nova import service

from hyperv_driver.stopping import StopWhenInputEnds

CONF = nova.conf.CONF


def main():
    """Run nova-compute on the arguments of the command line; return only if it cannot start."""
    # nova bounds its stop by SIGALRM, which Windows does not have.
    stop = StopWhenInputEnds(sys.stdin.fileno(), lambda: CONF.graceful_shutdown_timeout)

    def wait(_service):
        """What nova's main thread does while nova serves, in place of oslo.service's Service.wait."""
        stop.wait()
        signal.raise_signal(signal.SIGTERM)

    service.Service.wait = wait
    stop.start()
    compute.main()


if __name__ == "__main__":
    main()
