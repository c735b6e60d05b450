# SPDX-License-Identifier: Apache-2.0
import os
import socket
import subprocess
import textwrap
import threading

from lab.hyperv_model import serial_port, vhd
from tests.contract.hyperv_model.os_win_case import OsWinCase

from . import os_win_host

GIB = 1 << 30


PRELUDE = """
import os
from os_win import exceptions
from os_win.utils import pathutils, processutils
from os_win.utils.io import namedpipe
from os_win.utils.storage import diskutils
from os_win.utils.storage.virtdisk import vhdutils
"""


class PrintingCase(OsWinCase):
    def printed(self, code):
        """Run code in os-win's process; return what it printed."""
        self.os_win.wmi(PRELUDE)
        code = textwrap.indent(textwrap.dedent(code), "    ")
        return self.os_win.wmi(
            "import contextlib, io\n"
            f"with contextlib.redirect_stdout(io.StringIO()) as output:\n{code}\n"
            "result = output.getvalue().rstrip()"
        )


class VirtualDisksTest(PrintingCase):
    def test_spawn_makes_the_disks_that_it_should(self):
        shown = self.printed(r"""
            utils = vhdutils.VHDUtils()
            for extension in ("vhd", "vhdx"):
                base, child = (rf"C:\{name}.{extension}" for name in ("base", "child"))
                utils.create_dynamic_vhd(base, 1 << 30)
                utils.resize_vhd(base, 2 << 30, is_file_max_size=False)
                utils.create_differencing_vhd(child, base)
                for path in (base, child):
                    info = utils.get_vhd_info(path)
                    keys = "VirtualSize", "BlockSize", "SectorSize", "DeviceId", "ProviderSubtype"
                    print(*(info[key] for key in keys), end=" ")
                    print(utils.get_vhd_parent_path(path), utils.get_vhd_format(path))
            utils.resize_vhd(r"C:\CHILD.vhdx", 4 << 30, is_file_max_size=False)
            print(utils.get_vhd_size(r"C:\child.vhdx")["VirtualSize"])
        """)
        self.assertEqual(
            [
                f"{2 * GIB} 2097152 512 2 3 None VHD",
                f"{2 * GIB} 2097152 512 2 4 C:\\base.vhd VHD",
                f"{2 * GIB} 33554432 512 3 3 None VHDX",
                f"{2 * GIB} 2097152 512 3 4 C:\\base.vhdx VHDX",
                str(4 * GIB),
            ],
            shown.splitlines(),
        )
        with vhd.open_chain(r"C:\child.vhdx", self.local) as disk:
            self.assertEqual((4 * GIB, vhd.DIFFERENCING), (disk.size, disk.kind))

    def test_what_windows_refuses_is_refused_with_its_code(self):
        shown = self.printed(r"""
            utils = vhdutils.VHDUtils()
            utils.create_dynamic_vhd(r"C:\base.vhd", 1 << 30)
            utils.create_differencing_vhd(r"C:\child.vhd", r"C:\base.vhd")
            open(r"C:\no-disk.vhd", "wb").close()
            for act in (
                lambda: utils.create_dynamic_vhd(r"C:\base.vhd", 1 << 30),
                lambda: utils.create_dynamic_vhd(r"C:\large.vhd", 4 << 40),
                lambda: utils.create_differencing_vhd(r"C:\other.vhd", r"C:\none.vhd"),
                lambda: utils.resize_vhd(r"C:\child.vhd", 2 << 30, is_file_max_size=False),
                lambda: utils.get_vhd_size(r"C:\no-disk.vhd"),
            ):
                try:
                    act()
                except exceptions.VHDWin32APIException as error:
                    print(hex(error.error_code))
        """)
        self.assertEqual(["0x50", "0x57", "0x2", "0xc03a001b", "0xc03a0004"], shown.splitlines())

    def test_a_file_with_the_wrong_extension_is_no_disk(self):
        vhd.create(self.local(r"C:\a.vhd"), 1 * GIB, vhd.DYNAMIC)
        self.local(r"C:\a.vhd").rename(self.local(r"C:\a.vhdx"))
        shown = self.printed(r"""
            try:
                vhdutils.VHDUtils().get_vhd_size(r"C:\a.vhdx")
            except exceptions.VHDWin32APIException as error:
                print(hex(error.error_code))
        """)
        self.assertEqual("0xc03a0004", shown)


class FilesTest(PrintingCase):
    def test_files_are_copied_renamed_and_removed(self):
        shown = self.printed(r"""
            utils = pathutils.PathUtils()
            utils.check_create_dir(r"C:\a\b")
            with utils.open(r"C:\a\b\f", "w") as file:
                file.write("x")
            utils.copyfile(r"C:\a\b\f", r"C:\a\g")
            try:
                utils.copyfile(r"C:\a\b\f", r"C:\a\g")
            except OSError as error:
                print("Error code: 80" in str(error))
            print(utils.is_same_file(r"C:\a\g", r"c:\A\G"), utils.is_same_file(r"C:\a\g", r"C:\a\b\f"))
            utils.rename(r"C:\a\g", r"C:\a\h")
            utils.create_sym_link(r"C:\link", r"C:\a")
            print(utils.is_symlink(r"C:\link"), utils.exists(r"C:\link\h"))
            utils.check_remove_dir(r"C:\a\b")
            print(os.listdir(r"C:\a"))
            capacity = diskutils.DiskUtils().get_disk_capacity("C:\\")
            print(capacity[0] > capacity[1] > 0)
        """)
        self.assertEqual(["True", "True False", "True True", "['h']", "True"], shown.splitlines())

    def test_a_mutex_excludes_other_threads(self):
        shown = self.printed(r"""
            import threading
            mutex = processutils.Mutex()
            answers = []
            with mutex, mutex:
                other = threading.Thread(target=lambda: answers.append(mutex.acquire(timeout_ms=50)))
                other.start(); other.join()
            other = threading.Thread(target=lambda: answers.append(mutex.acquire(timeout_ms=50)))
            other.start(); other.join()
            print(answers)
        """)
        self.assertEqual("[False, True]", shown)

    def test_what_is_not_simulated_says_so(self):
        shown = self.printed(r"""
            from os_win.utils.winapi import libs
            kernel32 = libs.get_shared_lib_handle(libs.KERNEL32)
            try:
                kernel32.Beep(440, 100)
            except NotImplementedError as error:
                print(error)
        """)
        self.assertEqual("kernel32.dll: the lab does not simulate Beep", shown)


class NamedPipeTest(os_win_host.OsWinTest):
    def setUp(self):
        super().setUp()
        (self.run_folder / "pipes").mkdir()
        self.listener = socket.socket(socket.AF_UNIX)
        self.addCleanup(self.listener.close)
        self.listener.bind(os.fspath(self.run_folder / "pipes" / "serial-1"))
        self.listener.listen()
        self.listener.settimeout(30)

    def serve(self, act):
        """Have a thread act at the pipe's other end; return it."""

        def run():
            end, _address = self.listener.accept()
            with end:
                act(end)

        server = threading.Thread(target=run, daemon=True)
        server.start()
        self.addCleanup(server.join)
        return server

    def test_a_pipe_opens_as_a_file_and_ends_with_its_machine(self):
        self.serve(lambda end: end.sendall(b"booting\r\n"))
        shown = self.python(r"""
            with open(r"\\.\pipe\SERIAL-1", "rb", buffering=0) as pipe:
                print(b"".join(iter(lambda: pipe.read(4096), b"")))
            try:
                open(r"\\.\pipe\none", "rb", buffering=0)
            except FileNotFoundError as error:
                print(error.winerror)
        """)
        self.assertEqual(["b'booting\\r\\n'", "2"], shown.splitlines())

    def test_the_models_serial_port_is_such_a_pipe(self):
        lines = iter([(0, "one"), (0.1, "two")])
        port = serial_port.SerialPort(self.run_folder / "pipes", r"\\.\pipe\Serial-2", lines)
        self.addCleanup(port.close)
        shown = self.python(r"""
            with open(r"\\.\pipe\serial-2", "rb", buffering=0) as pipe:
                read = b""
                while b"two" not in read:
                    read += pipe.read(4096)
                with open(r"\\.\pipe\serial-2", "rb", buffering=0) as second:
                    print(read, second.read(10))
        """)
        self.assertEqual("b'one\\r\\ntwo\\r\\n' b''", shown)

    def test_os_wins_handler_logs_what_the_machine_writes_until_it_is_stopped(self):
        received = []

        def machine(end):
            end.sendall(b"booting")
            received.append(end.recv(100))

        serving = self.serve(machine)
        self.os_win(r"""
            import time
            log = r"C:\console.log"
            handler = namedpipe.NamedPipeHandler(r"\\.\pipe\serial-1", log_file=log)
            handler.start()
            while os.path.getsize(log) == 0:
                time.sleep(0.01)
                handler.flush_log_file()
            started = time.monotonic()
            handler.stop()
            assert time.monotonic() - started < 5
        """)
        serving.join()
        self.assertEqual([b""], received)
        self.assertEqual(b"booting", self.on_linux(r"C:\console.log").read_bytes())

    def test_os_wins_handler_passes_input_on(self):
        received = []

        def machine(end):
            end.sendall(b"login: ")
            received.append(end.recv(100))
            end.sendall(b"welcome")
            received.append(end.recv(100))

        serving = self.serve(machine)
        # It is not stopped here: os-win's two threads close each other's events, which fails on Windows too.
        self.os_win(r"""
            import queue, threading
            keys, shown, connected = queue.Queue(), queue.Queue(), threading.Event()
            connected.set()
            namedpipe.NamedPipeHandler(r"\\.\pipe\serial-1", keys, shown, connected).start()
            assert shown.get(timeout=10) == b"login: "
            keys.put("root")
            assert shown.get(timeout=10) == b"welcome"
        """)
        serving.join()
        self.assertEqual([b"root", b""], received)


class NovaTest(os_win_host.OsWinTest):
    def test_novas_own_use_of_paths(self):
        shown = self.os_win(r"""
            import logging
            from nova import conf
            from nova.virt import node
            from oslo_concurrency import lockutils, processutils
            from oslo_config import cfg
            from oslo_log import log
            from oslo_utils import fileutils
            fileutils.ensure_tree(r"C:\OpenStack\State")
            fileutils.ensure_tree(r"C:\OpenStack\log")
            with open(r"C:\OpenStack\nova.conf", "w") as file:
                file.write("[DEFAULT]\nstate_path = C:\\OpenStack\\state\n")
                file.write("log_file = C:\\OpenStack\\log\\nova.log\n")
            log.register_options(conf.CONF)
            conf.CONF(["--config-file", r"C:\OpenStack\nova.conf"], project="nova", version="34")
            log.setup(conf.CONF, "nova")
            logging.getLogger("nova").error("a line")
            print(conf.CONF.instances_path, conf.CONF.lock_path if "lock_path" in conf.CONF else "")
            assert node.get_local_node_uuid() == node.get_local_node_uuid()
            with lockutils.lock("x", external=True, lock_path=r"C:\OpenStack\lock"):
                print(sorted(os.listdir(r"C:\OpenStack")), os.listdir(r"C:\openstack\LOG"))
            print(processutils.execute(r"C:\Python311\python.exe", "-c", "print(1)", cwd=r"C:\OpenStack"))
        """)
        first, *rest = shown.splitlines()
        self.assertEqual(r"C:\OpenStack\state/instances", first.strip())
        self.assertEqual("['State', 'lock', 'log', 'nova.conf'] ['nova.log']", rest[0])
        self.assertEqual(r"('1\n', '')", rest[1])
        self.assertTrue(self.on_linux(r"C:\OpenStack\State\compute_id").is_file())
        self.assertIn("a line", self.on_linux(r"C:\OpenStack\log\nova.log").read_text())

    def test_nova_compute_is_a_program(self):
        script = self.add_stand_in("venv/Scripts/nova-compute.exe", "launch")
        script.write_text(
            f"#!{self.c_drive}/venv/Scripts/python.exe\n"
            "import sys\nfrom nova.cmd.compute import main\nsys.exit(main())\n"
        )
        done = subprocess.run(
            [script, "--version"], env=self.environment, capture_output=True, text=True, timeout=60
        )
        self.assertIn("34.0.0", done.stdout + done.stderr)
