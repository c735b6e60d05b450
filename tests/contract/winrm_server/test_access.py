# SPDX-License-Identifier: Apache-2.0
"""Who gets in, and by what: real pywinrm and pypsrp, over HTTPS and plain HTTP."""

import threading
import uuid
from unittest import mock

import requests
import requests_ntlm
from pypsrp.client import Client
from pypsrp.exceptions import AuthenticationError
from pypsrp.exceptions import WSManFaultError as RemotingFault
from winrm.exceptions import InvalidCredentialsError, WinRMTransportError, WSManFaultError
from winrm.protocol import Protocol

from tests.contract.winrm_server.shell_host import watch_envelopes
from tests.contract.winrm_server.test_shells import ShellCase

PASSWORD = "open sesame"


class AccessCase(ShellCase):
    def setUp(self):
        super().setUp()
        self.plain = f"http://127.0.0.1:{self.server.http_port}/wsman"

    def client(self, endpoint, transport="ntlm", name="zuul", password=PASSWORD, **settings):
        protocol = Protocol(
            endpoint,
            transport=transport,
            username=name,
            password=password,
            server_cert_validation="ignore",
            operation_timeout_sec=20,
            read_timeout_sec=30,
            **settings,
        )
        self.addCleanup(protocol.transport.close_session)
        return protocol

    def run_as(self, protocol, command="echo $USERNAME"):
        shell = protocol.open_shell()
        output = protocol.get_command_output(shell, protocol.run_command(shell, command))
        protocol.close_shell(shell, close_session=False)
        return output

    def watch_wire(self, protocol):
        """Return a list that gets (headers, body) of each later request and answer."""
        session, seen = protocol.transport.build_session(), []
        send = session.send

        def watched(request, **settings):
            answer = send(request, **settings)
            seen.append((answer.request.headers, answer.request.body, answer.headers, answer.content))
            return answer

        session.send = watched
        return seen


class TestPlainHttp(AccessCase):
    def test_ntlm_seals_every_message(self):
        protocol = self.client(self.plain)
        seen = self.watch_wire(protocol)
        self.assertEqual((b"zuul\n", b"", 0), self.run_as(protocol))
        for sent, body, received, answer in seen:
            self.assertIn("multipart/encrypted", sent["Content-Type"])
            self.assertIn("application/HTTP-SPNEGO-session-encrypted", received["Content-Type"])
            self.assertNotIn(b"Envelope", body + answer)
        self.assertGreaterEqual(len(seen), 4)

    def test_faults_are_sealed_too(self):
        protocol = self.client(self.plain)
        self.assert_fault(0x8033805B, protocol.run_command, str(uuid.uuid4()), "true")

    def test_large_messages(self):
        protocol = self.client(self.plain)
        sizes = watch_envelopes(protocol)
        stdout = self.run_as(protocol, "head -c 700000 /dev/zero")[0]
        self.assertEqual(700_000, len(stdout))
        self.assertLessEqual(max(sizes), protocol.max_env_sz)

    def test_every_spelling_of_the_user(self):
        lines = self.host.password_file.read_text()
        for spelled in ("FAKE-HOST\\zuul", "ZUUL"):
            if "\\" in spelled:
                self.host.password_file.write_text(lines + lines.replace("zuul", spelled))
            self.assertEqual(b"zuul\n", self.run_as(self.client(self.plain, name=spelled))[0])

    def test_basic_is_refused(self):
        self.assertRaises(InvalidCredentialsError, self.client(self.plain, transport="plaintext").open_shell)
        offered = requests.post(self.plain, data=b"", timeout=10)
        self.assertEqual((401, "Negotiate, NTLM"), (offered.status_code, offered.headers["WWW-Authenticate"]))

    def test_a_message_that_is_not_sealed_is_refused(self):
        protocol = self.client(self.plain, message_encryption="never")
        with self.assertRaisesRegex(WinRMTransportError, "500"):
            protocol.open_shell()

    def test_wrong_password_and_stranger(self):
        for name, password in (("zuul", "guess"), ("nobody", PASSWORD), ("OTHER\\zuul", PASSWORD)):
            self.assertRaises(
                InvalidCredentialsError, self.client(self.plain, name=name, password=password).open_shell
            )

    def test_an_altered_message_is_refused(self):
        protocol = self.client(self.plain)
        protocol.open_shell()
        protocol.transport.session.headers["Connection"] = "Keep-Alive"
        prepared = protocol.transport.encryption.prepare_encrypted_request(
            protocol.transport.session, self.plain, b"<x/>"
        )
        marker = b"octet-stream\r\n"
        at = prepared.body.index(marker) + len(marker) + 4 + 16
        prepared.body = prepared.body[:at] + bytes([prepared.body[at] ^ 1]) + prepared.body[at + 1 :]
        self.assertEqual(400, protocol.transport.session.send(prepared, timeout=10).status_code)

    def test_connections_do_not_share_a_logon(self):
        clients = [self.client(self.plain) for _ in range(8)]
        results = []
        threads = [
            threading.Thread(target=lambda client=client: results.append(self.run_as(client)))
            for client in clients
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
        self.assertEqual([(b"zuul\n", b"", 0)] * 8, results)
        self.assertEqual(401, requests.post(self.plain, data=b"<x/>", timeout=10).status_code)


class TestHttps(AccessCase):
    def test_ntlm_binds_the_logon_to_the_certificate(self):
        self.assertEqual(b"zuul\n", self.run_as(self.client(self.endpoint))[0])

    def test_a_client_that_sends_no_binding_is_let_in(self):
        self.assertEqual(b"zuul\n", self.run_as(self.client(self.endpoint, send_cbt=False))[0])

    def test_a_logon_that_was_bound_to_another_certificate_is_refused(self):
        with mock.patch.object(
            requests_ntlm.HttpNtlmAuth, "_get_server_cert", lambda auth, response: b"x" * 32
        ):
            with self.assertRaises(InvalidCredentialsError):
                self.client(self.endpoint).open_shell()

    def test_wrong_password(self):
        with self.assertRaises(InvalidCredentialsError):
            self.client(self.endpoint, password="guess").open_shell()

    def test_sealed_over_https(self):
        protocol = self.client(self.endpoint, message_encryption="always")
        self.assertEqual(b"zuul\n", self.run_as(protocol)[0])

    def test_a_user_who_may_not_manage_the_host(self):
        self.host.outsiders.add("zuul")
        with self.assertRaises(WSManFaultError) as caught:
            self.client(self.endpoint).open_shell()
        self.assertEqual(5, caught.exception.wsman_fault_code)

    def test_what_is_offered(self):
        offered = requests.post(self.endpoint, data=b"", verify=False, timeout=10)
        self.assertEqual('Negotiate, NTLM, Basic realm="WSMAN"', offered.headers["WWW-Authenticate"])


class TestPypsrp(AccessCase):
    """Another client: it wraps NTLM into SPNEGO, and seals by itself."""

    def connection(self, password=PASSWORD, *, ssl=False, **settings):
        port = self.server.port if ssl else self.server.http_port
        return Client(
            "127.0.0.1",
            port=port,
            ssl=ssl,
            username="zuul",
            password=password,
            cert_validation=False,
            **{"auth": "negotiate", **settings},
        )

    def test_no_powershell_remoting(self):
        with self.connection(ssl=True) as client:
            with self.assertRaisesRegex(RemotingFault, "has no PowerShell remoting"):
                client.execute_ps("1")

    def test_negotiate(self):
        for ssl in (False, True):
            with self.connection(ssl=ssl) as client:
                self.assertEqual(("zuul\n", "", 0), client.execute_cmd("echo $USERNAME"))

    def test_ntlm_and_basic(self):
        with self.connection(auth="ntlm") as client:
            self.assertEqual(3, client.execute_cmd("exit 3")[2])
        with self.connection(ssl=True, auth="basic") as client:
            self.assertEqual("hi\n", client.execute_cmd("echo hi")[0])

    def test_wrong_password(self):
        with self.connection("guess") as client, self.assertRaises(AuthenticationError):
            client.execute_cmd("true")
