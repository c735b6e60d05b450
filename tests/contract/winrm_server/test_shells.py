# SPDX-License-Identifier: Apache-2.0
"""Remote shells through real pywinrm, as Ansible uses them."""

import socket
import threading
import time
import unittest

import requests
import winrm
import xmltodict
from winrm.exceptions import InvalidCredentialsError, WinRMOperationTimeoutError, WSManFaultError
from winrm.protocol import Protocol

from tests.contract.winrm_server.shell_host import Certificate, ShellHost, serve, watch_envelopes


class ShellCase(unittest.TestCase):
    def setUp(self):
        self.host = ShellHost()
        self.server, self.certificate = serve(self, self.host)
        self.endpoint = f"https://127.0.0.1:{self.server.port}/wsman"
        self.protocol = self.connect()

    def connect(self, **settings):
        settings = {
            "transport": "certificate",
            "cert_pem": str(self.certificate.pem),
            "cert_key_pem": str(self.certificate.key),
            "server_cert_validation": "ignore",
            "operation_timeout_sec": 20,
            "read_timeout_sec": 30,
            **settings,
        }
        protocol = Protocol(self.endpoint, **settings)
        self.addCleanup(protocol.transport.close_session)
        return protocol

    def assert_fault(self, code, call, *args):
        with self.assertRaises(WSManFaultError) as caught:
            call(*args)
        self.assertEqual(code, caught.exception.wsman_fault_code, caught.exception)
        return caught.exception


class TestCommands(ShellCase):
    def run_command(self, command, arguments=(), stdin=None, **shell):
        shell_id = self.protocol.open_shell(**shell)
        command_id = self.protocol.run_command(shell_id, command, arguments, console_mode_stdin=stdin is None)
        for part, last in stdin or ():
            self.protocol.send_command_input(shell_id, command_id, part, end=last)
        result = self.protocol.get_command_output(shell_id, command_id)
        self.protocol.cleanup_command(shell_id, command_id)
        self.protocol.close_shell(shell_id, close_session=False)
        return result

    def test_output_and_exit_code(self):
        self.assertEqual((b"out\n", b"err\n", 3), self.run_command("echo out; echo err >&2; exit 3"))

    def test_command_and_arguments_are_joined_untouched(self):
        stdout = self.run_command("echo", ['"a  <b>', "&", "'c'", 'é"'])[0]
        self.assertEqual("a  <b> & 'c' é\n", stdout.decode())

    def test_stdin_in_parts(self):
        parts = [(b"x" * 200_000, False), (b"y" * 200_000, False), (b"\x00\xff", True)]
        self.assertEqual((b"".join(data for data, _ in parts), b"", 0), self.run_command("cat", stdin=parts))

    def test_large_output_comes_in_several_envelopes(self):
        sizes = watch_envelopes(self.protocol)
        stdout, stderr, code = self.run_command("head -c 700000 /dev/zero; head -c 100000 /dev/zero >&2")
        self.assertEqual((700_000, 100_000, 0), (len(stdout), len(stderr), code))
        self.assertLessEqual(max(sizes), self.protocol.max_env_sz)

    def test_working_directory_environment_and_user(self):
        stdout = self.run_command(
            "echo $PWD $COLOUR $USERNAME", working_directory="/usr", env_vars={"COLOUR": "red"}
        )[0]
        self.assertEqual(b"/usr red zuul\n", stdout)

    def test_output_arrives_while_the_command_runs(self):
        shell = self.protocol.open_shell()
        command = self.protocol.run_command(
            shell, "echo first; read line; echo $line", console_mode_stdin=False
        )
        self.assertEqual((b"first\n", b"", -1, False), self.protocol.get_command_output_raw(shell, command))
        self.protocol.send_command_input(shell, command, "second\n", end=True)
        self.assertEqual((b"second\n", b"", 0), self.protocol.get_command_output(shell, command))

    def test_receive_waits_for_the_operation_timeout(self):
        protocol = self.connect(operation_timeout_sec=1, read_timeout_sec=5)
        shell = protocol.open_shell()
        command = protocol.run_command(shell, "sleep 1.5; echo late")
        started = time.monotonic()
        self.assertRaises(WinRMOperationTimeoutError, protocol.get_command_output_raw, shell, command)
        self.assertGreaterEqual(time.monotonic() - started, 1)
        self.assertEqual((b"late\n", b"", 0), protocol.get_command_output(shell, command))

    def test_code_pages(self):
        for number in (4711, "utf-8"):
            self.assert_fault(0x57, lambda number=number: self.protocol.open_shell(codepage=number))
        self.run_command("true", codepage=1252, noprofile=True)
        self.run_command("true")
        self.assertEqual([1252, 437], self.host.code_pages[-2:])

    def test_too_long_for_cmd(self):
        refusal = b"The command line is too long.\r\n"
        self.assertEqual((b"", refusal, 1), self.run_command("echo " + "x" * 8191))

    def test_refused_command(self):
        shell = self.protocol.open_shell()
        error = self.assert_fault(0x80004001, self.protocol.run_command, shell, "powershell -Command ls")
        self.assertIn("powershell is not served here", str(error))
        self.assert_fault(2, self.protocol.run_command, shell, "no-such-program")
        self.assert_fault(87, self.protocol.run_command, shell, "")

    def test_the_smallest_envelope_still_brings_output(self):
        asked, send = ["8192"], self.protocol.transport.send_message
        # pywinrm asks for 153,600 bytes always.
        self.protocol.transport.send_message = lambda message: send(message.replace("153600", asked[0]))
        sizes = watch_envelopes(self.protocol)
        self.assertEqual(20_000, len(self.run_command("head -c 20000 /dev/zero")[0]))
        self.assertLessEqual(max(sizes), 8192)
        asked[0] = "8191"
        self.assert_fault(0x8033807E, self.protocol.open_shell)


class TestEnds(ShellCase):
    def sleeper(self):
        shell = self.protocol.open_shell()
        command = self.protocol.run_command(shell, "sleep 600 & sleep 600")
        return shell, command, self.host.processes[-1]

    def assert_ended(self, process):
        self.assertIsNotNone(process.read(5)[2])

    def test_signal_ends_the_process_tree_and_forgets_the_command(self):
        shell, command, process = self.sleeper()
        self.protocol.cleanup_command(shell, command)
        self.assert_ended(process)
        self.assert_fault(0x8033805B, self.protocol.get_command_output, shell, command)
        self.assert_fault(0x8033805B, self.protocol.cleanup_command, shell, command)

    def test_ctrl_c_ends_the_process_and_lets_its_output_be_read(self):
        shell, command, _ = self.sleeper()
        self.signal(shell, command, "ctrl_c")
        self.assertEqual((b"", b"", -9), self.protocol.get_command_output(shell, command))
        self.assert_fault(0x80004001, self.signal, shell, command, "ctrl_break")

    def signal(self, shell, command, code):
        uri = "http://schemas.microsoft.com/wbem/wsman/1/windows/shell"
        envelope = self.protocol.build_wsman_header(f"{uri}/Signal", f"{uri}/cmd", shell)
        envelope["env:Body"] = {"rsp:Signal": {"@CommandId": command, "rsp:Code": f"{uri}/signal/{code}"}}
        self.protocol.send_message(xmltodict.unparse({"env:Envelope": envelope}))

    def test_signal_aborts_a_waiting_receive(self):
        shell, command, process = self.sleeper()
        other, faults = self.connect(), []

        def receive():
            try:
                other.get_command_output(shell, command)
            except WSManFaultError as fault:
                faults.append(fault.wsman_fault_code)

        waiting = threading.Thread(target=receive)
        waiting.start()
        self.assertTrue(process.awaited.wait(30))
        self.protocol.cleanup_command(shell, command)
        waiting.join(30)
        self.assertEqual([995], faults)

    def test_delete_ends_what_runs(self):
        shell, _, process = self.sleeper()
        self.protocol.close_shell(shell, close_session=False)
        self.assert_ended(process)
        self.assert_fault(0x8033805B, self.protocol.run_command, shell, "true")

    def test_stop_drops_connections_at_once_and_ends_what_runs(self):
        shell, command, process = self.sleeper()
        errors = []

        def receive():
            try:
                self.protocol.get_command_output(shell, command)
            except requests.ConnectionError as error:
                errors.append(error)

        waiting = threading.Thread(target=receive)
        waiting.start()
        self.assertTrue(process.awaited.wait(30))
        self.server.stop()
        # The request itself would be answered after its operation timeout only.
        waiting.join(15)
        self.assertFalse(waiting.is_alive())
        self.assertEqual(1, len(errors))
        self.assert_ended(process)
        with self.assertRaises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", self.server.port))
        self.server.start()
        self.assert_fault(0x8033805B, self.connect().run_command, shell, "true")

    def test_an_idle_shell_is_reaped_and_a_receiving_one_is_not(self):
        shell = self.protocol.open_shell(idle_timeout="PT1S")
        command = self.protocol.run_command(shell, "sleep 2; echo done; sleep 600")
        self.assertEqual((b"done\n", b"", -1, False), self.protocol.get_command_output_raw(shell, command))
        self.assert_ended(self.host.processes[-1])
        self.assert_fault(0x8033805B, self.protocol.get_command_output, shell, command)

    def test_input_after_its_end(self):
        shell = self.protocol.open_shell()
        command = self.protocol.run_command(shell, "cat", console_mode_stdin=False)
        self.protocol.send_command_input(shell, command, "x", end=True)
        self.assert_fault(232, self.protocol.send_command_input, shell, command, "y")

    def test_quotas(self):
        shells = [self.protocol.open_shell() for _ in range(30)]
        self.assert_fault(0x803381A5, self.protocol.open_shell)
        for shell in shells[1:]:
            self.protocol.close_shell(shell, close_session=False)
        for _ in range(25):
            self.protocol.run_command(shells[0], "sleep 60")
        with self.assertRaises(WSManFaultError) as caught:
            self.protocol.run_command(shells[0], "true")
        self.assertEqual(0x803381A6, caught.exception.wmierror_code)


class TestAccess(ShellCase):
    def basic(self, user, password):
        return winrm.Session(
            self.endpoint, auth=(user, password), transport="basic", server_cert_validation="ignore"
        )

    def test_basic(self):
        self.assertEqual(b"zuul\n", self.basic("zuul", "open sesame").run_cmd("echo $USERNAME").std_out)

    def test_wrong_password(self):
        self.assertRaises(InvalidCredentialsError, self.basic("zuul", "guess").run_cmd, "true")

    def test_certificate_that_is_trusted_but_not_mapped(self):
        self.host.users_by_certificate.clear()
        self.assertRaises(InvalidCredentialsError, self.protocol.open_shell)

    def test_certificate_of_a_stranger(self):
        stranger = Certificate(self.certificate.pem.parent, "stranger")
        protocol = self.connect(cert_pem=str(stranger.pem), cert_key_pem=str(stranger.key))
        # TLS 1.3: the client learns of it with its first read.
        self.assertRaises((requests.ConnectionError, OSError), protocol.open_shell)

    def test_no_certificate_and_no_password(self):
        self.assertEqual(401, self.post(b"<x/>").status_code)

    def post(self, body, path="/wsman", **settings):
        url = self.endpoint.replace("/wsman", path)
        return requests.post(url, data=body, verify=False, timeout=10, **settings)

    def test_a_shell_belongs_to_its_user(self):
        shell = self.protocol.open_shell()
        self.host.users_by_certificate = dict.fromkeys(self.host.users_by_certificate, "mallory")
        self.assert_fault(0x8033805B, self.connect().run_command, shell, "true")

    def test_other_paths_methods_and_sizes(self):
        credentials = {"auth": ("zuul", "open sesame")}
        self.assertEqual(404, self.post(b"<x/>", path="/", **credentials).status_code)
        self.assertEqual(405, requests.get(self.endpoint, verify=False, timeout=10).status_code)
        self.assertIn("WSManFault", self.post(b"<x/>", **credentials).text)
        self.assertIn('Code="2150858790"', self.post(b" " * 600_000, **credentials).text)

    def test_probes_do_no_harm(self):
        for data in (b"", b"GET / HTTP/1.0\r\n\r\n"):
            with socket.create_connection(("127.0.0.1", self.server.port)) as probe:
                probe.sendall(data)
        self.assertTrue(self.protocol.open_shell())

    def test_many_clients_at_once(self):
        results = []

        def work():
            protocol = self.connect()
            shell = protocol.open_shell()
            command = protocol.run_command(shell, "sleep 0.2; echo done")
            results.append(protocol.get_command_output(shell, command))

        workers = [threading.Thread(target=work) for _ in range(10)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join(20)
        self.assertEqual([(b"done\n", b"", 0)] * 10, results)

    def test_port_in_use(self):
        other, _ = serve(self, ShellHost())
        other.stop()
        other.port = self.server.port
        refusal = f"cannot listen on 127.0.0.1:{self.server.port}: Address already in use"
        with self.assertRaisesRegex(OSError, refusal):
            other.start()
