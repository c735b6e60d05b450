# SPDX-License-Identifier: Apache-2.0
"""What instances write to their first serial port, kept as a log.

Hyper-V offers the port as a named pipe for as long as the virtual machine runs. One thread for each instance
reads it. nova-compute runs on native threads: a blocking read blocks nobody else, and the end of the machine
ends the read.
"""

import contextlib
import os
import threading

from oslo_log import log as logging

from hyperv_driver import paths

LOG = logging.getLogger(__name__)

# Seconds between two looks for the pipe of a machine that is off, and the most of its first output to lose.
LOOK_EVERY = 0.5
# Bytes of console.log at which it becomes console.log.1; nova's API returns the two together.
LOG_SIZE = 512 * 1024


class ConsoleOps:
    def __init__(self):
        self._logs = {}
        self._lock = threading.Lock()

    def start(self, name, uuid):
        """Log the port of an instance from now on, whether it runs yet or not."""
        with self._lock:
            if name not in self._logs:
                self._logs[name] = _SerialLog(paths.serial_pipe(uuid), paths.console_log(name))
                self._logs[name].start()

    def stop(self, name):
        """Stop logging; for an instance that is gone, lest its log stay in use."""
        with self._lock:
            log = self._logs.pop(name, None)
        if log:
            log.stop()

    def stop_all(self):
        with self._lock:
            logs, self._logs = self._logs, {}
        for log in logs.values():
            log.ask_to_stop()

    def output(self, name):
        """The bytes logged last, LOG_SIZE to twice as many; none if the instance has not written anything."""
        log = paths.console_log(name)
        return b"".join(_content(part) for part in (f"{log}.1", log))


def _content(path):
    with contextlib.suppress(FileNotFoundError), open(path, "rb") as file:
        return file.read()
    return b""


class _SerialLog(threading.Thread):
    def __init__(self, pipe, path):
        super().__init__(name=f"console of {path}", daemon=True)
        self._pipe = pipe
        self._path = path
        self._asked_to_stop = threading.Event()

    def ask_to_stop(self):
        self._asked_to_stop.set()

    def stop(self):
        self._asked_to_stop.set()
        # The machine is gone and its pipe with it, so that a pending read has ended; this is for a stuck one.
        self.join(timeout=10)
        if self.is_alive():
            LOG.warning("%s is still being read, though its virtual machine is gone", self._pipe)

    def run(self):
        while not self._asked_to_stop.is_set():
            try:
                self._copy_until_off()
            except FileNotFoundError:
                self._asked_to_stop.wait(LOOK_EVERY)
            except OSError as error:
                # What Windows says when the machine stops between two reads, or another client has the pipe.
                LOG.debug("%s: %s", self._pipe, error)
                self._asked_to_stop.wait(LOOK_EVERY)

    def _copy_until_off(self):
        with open(self._pipe, "rb", buffering=0) as pipe:
            while chunk := pipe.read(4096):
                self._append(chunk)

    def _append(self, chunk):
        # Opened anew each time: Windows neither renames nor deletes a file that someone has open.
        with open(self._path, "ab") as log:
            log.write(chunk)
            size = log.tell()
        if size >= LOG_SIZE:
            # Someone may be reading either file; the next chunk tries again.
            with contextlib.suppress(PermissionError):
                os.replace(self._path, f"{self._path}.1")
