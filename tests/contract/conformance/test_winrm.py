# SPDX-License-Identifier: Apache-2.0
"""Shells of cmd.exe through pywinrm, and who gets in."""

import re
import time
import uuid

import requests
from winrm.exceptions import InvalidCredentialsError, WinRMOperationTimeoutError

from tests.contract.conformance.conforming_host import ConformanceCase
from tests.contract.winrm_server.test_identify import IDENTIFY, UNAUTHENTICATED

NAME = f"hyperv-ci-conformance-{uuid.uuid4()}"


class TestAccess(ConformanceCase):
    def post(self, body=b"<x/>", **settings):
        return requests.post(self.settings["endpoint"], data=body, verify=False, timeout=30, **settings)

    def test_identify_without_a_logon(self):
        answer = self.post(IDENTIFY, headers=UNAUTHENTICATED)
        self.assertEqual(200, answer.status_code)
        (version,) = re.findall(r"ProductVersion>([^<]+)<", answer.text)
        self.assertEqual("OS: 0.0.0 SP: 0.0 Stack: 3.0", version)

    def test_identify_with_a_logon(self):
        answer = self.connect().send_message(IDENTIFY).decode()
        self.assertRegex(answer, r"ProductVersion>OS: 10\.0\.\d+ SP: 0\.0 Stack: 3\.0<")

    def test_nobody_gets_in_without_a_logon(self):
        answer = self.post()
        self.assertEqual(401, answer.status_code)
        self.assertIn("Negotiate", answer.headers["WWW-Authenticate"])

    def test_a_stranger(self):
        protocol = self.connect(transport="ntlm", username=NAME, password="guess")
        self.assertRaises(InvalidCredentialsError, protocol.open_shell)


class TestShells(ConformanceCase):
    def setUp(self):
        super().setUp()
        self.protocol = self.connect(operation_timeout_sec=20, read_timeout_sec=30)
        self.shell = self.protocol.open_shell(env_vars={"HYPERV_CI": "blue"})
        self.addCleanup(lambda: self.protocol.close_shell(self.shell, close_session=False))

    def run_line(self, line):
        command = self.protocol.run_command(self.shell, line)
        stdout, stderr, code = self.protocol.get_command_output(self.shell, command)
        self.protocol.cleanup_command(self.shell, command)
        return stdout.decode(), stderr.decode(), code

    def test_both_outputs_and_the_exit_code(self):
        self.assertEqual(("out\r\n", "err\r\n", 3), self.run_line("echo out& echo err>&2& exit 3"))

    def test_operators(self):
        self.assertEqual(("yes\r\n", "", 0), self.run_line("ver >nul&& echo yes|| echo no"))
        self.assertEqual("no\r\n", self.run_line(f"type {NAME} >nul 2>&1 && echo yes|| echo no")[0])

    def test_a_cmd_within_the_shell_s_own(self):
        self.assertEqual("no\r\n", self.run_line("cmd /c exit 3 || echo no")[0])
        self.assertEqual("a b\r\n", self.run_line('cmd /c "echo a b"')[0])
        self.assertEqual(("2\r\n", "", 0), self.run_line('cmd /c "echo a&echo b" | find /c /v ""'))

    def test_arithmetic(self):
        self.assertEqual(("14", "", 0), self.run_line('set /a "x=2*(3+4)"'))
        self.assertEqual(1073750993, self.run_line("set /a 1/0")[2])

    def test_variables(self):
        self.assertEqual("blue %HYPERV_CI_NONE%\r\n", self.run_line("echo %HYPERV_CI% %HYPERV_CI_NONE%")[0])

    def test_a_shell_starts_in_the_profile(self):
        folder = self.run_line("cd")[0]
        self.assertEqual(folder.lower(), self.run_line("echo %USERPROFILE%")[0].lower())

    def test_what_is_not_there(self):
        stdout, stderr, code = self.run_line(NAME)
        self.assertEqual(("", 1), (stdout, code))
        self.assertIn(NAME, stderr)
        stdout, stderr, code = self.run_line(f"type C:\\{NAME}")
        self.assertEqual(("", 1), (stdout, code))
        self.assertNotEqual("", stderr)
        self.assertEqual(1060, self.run_line(f"sc query {NAME}")[2])
        self.assertEqual(128, self.run_line("taskkill /pid 999999")[2])

    def test_files(self):
        file = f"%TEMP%\\{NAME}.txt"
        self.assertEqual(0, self.run_line(f'echo one> "{file}"& echo two>> "{file}"')[2])
        self.assertEqual("one\r\ntwo\r\n", self.run_line(f'type "{file}"')[0])
        self.assertEqual("two\r\n", self.run_line(f'findstr t "{file}"')[0])
        self.assertEqual(0, self.run_line(f'del "{file}"')[2])
        self.assertEqual("gone\r\n", self.run_line(f'if not exist "{file}" echo gone')[0])

    def test_too_long_for_cmd(self):
        stdout, stderr, code = self.run_line("echo " + "x" * 8191)
        self.assertEqual(("", 1), (stdout, code))
        self.assertNotEqual("", stderr)

    def waiting(self):
        """Return a command that waits for its input."""
        return self.protocol.run_command(self.shell, "sort", console_mode_stdin=False)

    def test_input(self):
        command = self.waiting()
        for line, last in (("b\r\n", False), ("a\r\n", True)):
            self.protocol.send_command_input(self.shell, command, line, end=last)
        self.assertEqual((b"a\r\nb\r\n", b"", 0), self.protocol.get_command_output(self.shell, command))

    def test_receive_waits_for_the_operation_timeout(self):
        protocol = self.connect(operation_timeout_sec=1, read_timeout_sec=10)
        command, started = self.waiting(), time.monotonic()
        with self.assertRaises(WinRMOperationTimeoutError):
            protocol.get_command_output_raw(self.shell, command)
        self.assertGreaterEqual(time.monotonic() - started, 1)

    def test_signal_forgets_the_command(self):
        command = self.waiting()
        self.protocol.cleanup_command(self.shell, command)
        self.assert_fault(0x8033805B, self.protocol.get_command_output, self.shell, command)

    def test_shells_that_are_not_there(self):
        self.assert_fault(0x8033805B, self.protocol.run_command, str(uuid.uuid4()).upper(), "ver")
        shell = self.protocol.open_shell()
        self.protocol.close_shell(shell, close_session=False)
        self.assert_fault(0x8033805B, self.protocol.run_command, shell, "ver")
