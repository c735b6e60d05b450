# SPDX-License-Identifier: Apache-2.0
"""What instances write to a serial port, kept as a log, and shown to who uses it as a console.

Both are of the first port, unless the instance's image says otherwise (``specs.SERIAL_PORTS``). Hyper-V
offers a port as a named pipe for as long as the virtual machine runs. One thread for each port reads it.
nova-compute runs on native threads: a blocking read blocks nobody else, and the end of the machine ends the
read.
"""

import contextlib
import itertools
import os
import threading

import nova.conf
from nova import exception
from nova.console import type as console_type
from oslo_log import log as logging

from hyperv_driver import paths, serial_server

CONF = nova.conf.CONF
LOG = logging.getLogger(__name__)

# Seconds between two looks for the pipe of a machine that is off, and the most of its first output to lose.
LOOK_EVERY = 0.5
# Bytes of console.log at which it becomes console.log.1; nova's API returns the two together.
LOG_SIZE = 512 * 1024


class ConsoleOps:
    """
    :param open_pipe: makes a serial_pipe.SerialPipe of a path
    """

    def __init__(self, vmutils, open_pipe):
        self._vmutils = vmutils
        self._open_pipe = open_pipe
        self._ports = {}  # instance's name → its _SerialPorts; the console's is the last
        self._lock = threading.Lock()

    def start(self, name, uuid):
        """Log a port of an instance from now on, whether it runs yet or not, and offer its console."""
        console = CONF.serial_console.enabled
        has_other = console and paths.console_pipe(uuid) in self._vmutils.get_vm_serial_port_connections(name)
        with self._lock:
            if name in self._ports:
                return
            log = _SerialPort(
                self._open_pipe, paths.serial_pipe(uuid), paths.console_log(name), console and not has_other
            )
            self._ports[name] = [log]
            if has_other:
                self._ports[name].append(_SerialPort(self._open_pipe, paths.console_pipe(uuid), None, True))
            for port in self._ports[name]:
                port.start()

    def stop(self, name):
        """Stop logging; for an instance that is gone, lest its log stay in use."""
        with self._lock:
            ports = self._ports.pop(name, ())
        for port in ports:
            port.stop()

    def names(self):
        """The instances whose ports are logged."""
        with self._lock:
            return set(self._ports)

    def stop_all(self):
        with self._lock:
            ports, self._ports = self._ports, {}
        for port in itertools.chain.from_iterable(ports.values()):
            port.ask_to_stop()

    def serial_console(self, name):
        """Where nova's serial proxy finds an instance's port: a nova.console.type.ConsoleSerial.

        :raises nova.exception.ConsoleTypeUnavailable: [serial_console] is not enabled, or has no port left
        """
        with self._lock:
            ports = self._ports.get(name)
        if not ports or not ports[-1].server:
            raise exception.ConsoleTypeUnavailable(console_type="serial")
        host, port = ports[-1].server.address
        return console_type.ConsoleSerial(host=host, port=port)

    def output(self, name):
        """The bytes logged last, LOG_SIZE to twice as many; none if the instance has not written anything."""
        log = paths.console_log(name)
        return b"".join(_content(part) for part in (f"{log}.1", log))


def _content(path):
    with contextlib.suppress(FileNotFoundError), open(path, "rb") as file:
        return file.read()
    return b""


class _SerialPort(threading.Thread):
    """
    :param log: the path of its log; None: it has none
    :param console: whether it is to be shown
    :ivar server: the serial_server.SerialServer of the port; None: it has none
    """

    def __init__(self, open_pipe, pipe, log, console):
        super().__init__(name=f"serial port {pipe}", daemon=True)
        self._open_pipe = open_pipe
        self._pipe = pipe
        self._log = log
        self._opened = None
        self._asked_to_stop = threading.Event()
        self.server = self._new_server() if console else None

    def ask_to_stop(self):
        self._asked_to_stop.set()
        if self.server:
            self.server.stop()

    def stop(self):
        self.ask_to_stop()
        # The machine is gone and its pipe with it, so that a pending read has ended; this is for a stuck one.
        self.join(timeout=10)
        if self.is_alive():
            LOG.warning("%s is still being read, though its virtual machine is gone", self._pipe)

    def _new_server(self):
        try:
            server = serial_server.SerialServer(self._type)
        except (exception.SocketPortRangeExhaustedException, OSError) as error:
            LOG.warning("%s is no serial console: %s", self._pipe, error)
            return None
        server.start()
        return server

    def _type(self, data):
        pipe = self._opened
        if pipe:  # a machine that is off does not listen
            # It may stop at any moment.
            with contextlib.suppress(OSError):
                pipe.write(data)

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
        with self._open_pipe(self._pipe) as pipe:
            self._opened = pipe
            try:
                while chunk := pipe.read():
                    if self._log:
                        self._append(chunk)
                    if self.server:
                        self.server.show(chunk)
            finally:
                self._opened = None

    def _append(self, chunk):
        # Opened anew each time: Windows neither renames nor deletes a file that someone has open.
        with open(self._log, "ab") as log:
            log.write(chunk)
            size = log.tell()
        if size >= LOG_SIZE:
            # Someone may be reading either file; the next chunk tries again.
            with contextlib.suppress(PermissionError):
                os.replace(self._log, f"{self._log}.1")
