# SPDX-License-Identifier: Apache-2.0
"""Processes of the host, each contained, which a machine that is itself contained cannot do again."""

from lab.hyperv_model import states
from lab.hyperv_model.server import serve
from lab.windows_shims import PYTHON_EXE
from tests.unit.windows_sandbox.host_case import TwiceCase
from tests.unit.windows_sandbox.test_command_prompt import PromptCase
from tests.unit.windows_sandbox.test_files_in_use import InUseCase


class TestPackages(TwiceCase):
    INSTALLER = "#!/bin/sh\n# ProductCode: {11111111-2222-3333-4444-555555555555}\necho $@ >>/c/said.txt\n"

    def test_msi(self):
        self.write(r"C:\tool.msi", self.INSTALLER)
        self.change("win_package", path=r"C:\tool.msi", arguments=["A=1"])
        self.change("win_package", product_id="{11111111-2222-3333-4444-555555555555}", state="absent")
        said = self.session.local(r"C:\said.txt").read_text()
        self.assertEqual("/i /qn /norestart A=1\n/x\n", said)

    def test_exe(self):
        self.write(r"C:\setup.exe", self.INSTALLER + "exit 5")
        self.fail_with("unexpected rc", "win_package", path=r"C:\setup.exe", product_id="tool")
        self.write(r"C:\setup.exe", "#!/bin/sh\necho there > /c/there.txt\n")
        self.change("win_package", path=r"C:\setup.exe", creates_path=r"C:\there.txt")
        self.fail_with("cannot be reached", "win_package", path=r"C:\no.exe", product_id="x")


class TestProcesses(PromptCase):
    def test_a_process_that_has_just_been_started_ends_with_all_below_it(self):
        self.session.writable(r"C:\sleep.exe").symlink_to("/usr/bin/sleep")
        for _ in range(10):
            child = self.session.start(r"C:\sleep.exe 60")
            child.terminate()
            # Its output is held open by whatever is left.
            self.assertEqual(1, child.wait(20))

    def test_processes(self):
        self.session.writable(r"C:\sleep.exe").symlink_to("/usr/bin/sleep")
        child = self.session.start(r"C:\sleep.exe 60")
        self.assertIn("sleep.exe", self.run_line("tasklist")[1])
        self.assertEqual(
            f'"sleep.exe","{child.pid}","Services","0","8,192 K"\r\n',
            self.run_line('tasklist /fi "IMAGENAME eq sleep.exe" /fo csv /nh')[1],
        )
        self.assertIn("No tasks", self.run_line('tasklist /fi "PID eq 1"')[1])
        self.assertEqual(
            (0, f'SUCCESS: The process "sleep.exe" with PID {child.pid} has been terminated.\r\n', ""),
            self.run_line("taskkill /f /im sleep.exe"),
        )
        self.assertEqual(
            (128, "", 'ERROR: The process "sleep.exe" not found.\r\n'),
            self.run_line("taskkill /im sleep.exe"),
        )
        self.assertEqual(128, self.run_line("taskkill /pid 4")[0])


class TestFilesInUse(InUseCase):
    def test_python_is_refused_what_hyperv_has_open(self):
        server = serve(self.model, self.host.run_folder / "wmi.sock")
        self.addCleanup(server.close)
        python = self.local(r"C:\Python311\python.exe")
        python.parent.mkdir()
        python.write_text(PYTHON_EXE)
        line = r"""C:\Python311\python.exe -c "import os; os.remove(r'{}')" """.format
        for path in self.in_use:
            code, _, said = self.run_line(line(path))
            self.assertEqual(1, code)
            self.assertIn("being used by another process: " + repr(path), said)
        self.check_unharmed()
        self.assertEqual((0, "", ""), self.run_line(line(self.other)))
        self.request(self.vm, states.DISABLE)
        self.assertEqual((0, "", ""), self.run_line(line(self.child)))
        self.assertFalse(self.local(self.child).exists())
