# SPDX-License-Identifier: Apache-2.0
"""What cmd.exe and modules may do to the virtual disks of a machine that is on."""

import ssl

from lab import windows_shims
from lab.hyperv_model import states
from lab.windows_sandbox.ansible import execution
from lab.windows_sandbox.ansible.payload import Call
from lab.windows_sandbox.command_prompt.interpreter import Interpreter
from lab.windows_sandbox.host import WindowsHost
from lab.windows_sandbox.session import Session
from tests.unit.hyperv_model.case import ModelCase

IN_USE = "The process cannot access the file because it is being used by another process."


class InUseCase(ModelCase):
    """A machine that is on has a disk, below which is another one, and a DVD."""

    def setUp(self):
        super().setUp()
        self.host = WindowsHost(self.root, "127.0.0.1", "hv1", binds=windows_shims.mounts())
        self.addCleanup(self.host.close)
        self.host.boot(self.model, ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER))
        self.session = Session(self.host, "zuul", directory="C:\\")
        self.session.prepare_profile()
        self.parent = self.file(r"C:\base\parent.vhdx")
        self.child = self.file(r"C:\vm\child.vhdx", parent=self.parent)
        self.other = self.file(r"C:\vm\Other.vhdx")
        self.vm = self.define(generation=2)
        self.attach(self.vm, self.child)
        self.dvd = r"C:\vm\dvd.iso"
        self.local(self.dvd).write_bytes(b"dvd")
        controller = self.vm.of("Msvm_ResourceAllocationSettingData")[0]
        drive = self.add(
            self.vm,
            "Msvm_ResourceAllocationSettingData",
            "Synthetic DVD Drive",
            Parent=controller.path,
            AddressOnParent=1,
        )
        disk = {"Parent": drive, "HostResource": [self.dvd]}
        self.add(self.vm, "Msvm_StorageAllocationSettingData", "Virtual CD/DVD Disk", **disk)
        self.request(self.vm, states.ENABLE)
        self.in_use = (self.parent, self.child, self.dvd)
        self.held = {path: self.local(path).read_bytes() for path in self.in_use}

    def check_unharmed(self):
        self.assertEqual(self.held, {path: self.local(path).read_bytes() for path in self.in_use})

    def run_line(self, line):
        """Returns the exit code, the output and the error output of a line in cmd.exe."""
        completed = Interpreter(self.session).run(line)
        return completed.exit_code, completed.stdout.decode(), completed.stderr.decode()


class FilesInUseCase(InUseCase):
    def run_module(self, name, **parameters):
        return execution.run_module(self.session, Call(name, b"", parameters, {}, None, None))

    def test_cmd_changes_no_file_in_use(self):
        for path in self.in_use:
            self.assertEqual((0, "", f"{path}\r\n{IN_USE}\r\n"), self.run_line(f"del {path}"))
            for line in (
                f"ren {path} another.vhdx",
                rf"move /y {path} C:\moved",
                rf"move /y {self.other} {path}",
                f"echo text> {path}",
            ):
                self.assertEqual((1, "", f"{IN_USE}\r\n"), self.run_line(line), line)
            copied = (1, "        0 file(s) copied.\r\n", f"{IN_USE}\r\n")
            self.assertEqual(copied, self.run_line(rf"copy /y {self.other} {path.upper()}"))
        self.check_unharmed()

    def test_a_folder_stays_with_what_is_in_use_in_it(self):
        for line in (r"ren C:\vm another", r"move C:\base C:\another"):
            self.assertEqual((1, "", "Access is denied.\r\n"), self.run_line(line), line)
        code, _, said = self.run_line(r"rd /s /q C:\vm")
        self.assertEqual((1, rf"C:\vm\child.vhdx - {IN_USE}" + "\r\n"), (code, said))
        self.assertEqual({"child.vhdx", "dvd.iso"}, {each.name for each in self.local(r"C:\vm").iterdir()})
        self.check_unharmed()

    def test_modules_change_no_file_in_use(self):
        self.local(r"C:\other.txt").write_text("other")
        for path in self.in_use:
            result = self.run_module("win_file", path=path, state="absent")
            said = f"Failed to delete {path}: The process cannot access the file '{path}' because it is"
            self.assertIn(said, result.get("msg", ""))
            copied = self.run_module("win_copy", src=r"C:\other.txt", dest=path, remote_src=True)
            self.assertIn(IN_USE[:-1], copied.get("msg", ""))
        self.assertTrue(self.run_module("win_file", path=r"C:\base", state="absent")["failed"])
        self.check_unharmed()

    def test_once_the_machine_is_off_anything_goes(self):
        self.request(self.vm, states.OFFLINE)
        self.assertEqual((0, "", ""), self.run_line(f"del {self.dvd}"))
        self.assertEqual(0, self.run_line(r"ren C:\vm another")[0])
        self.assertEqual((0, "", ""), self.run_line(r"rd /s /q C:\another"))
        self.assertTrue(self.run_module("win_file", path=r"C:\base", state="absent")["changed"])
