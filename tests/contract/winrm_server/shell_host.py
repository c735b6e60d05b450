# SPDX-License-Identifier: Apache-2.0
"""A fake host whose commands run in /bin/sh, and the certificates to reach it."""

import datetime
import os
import signal
import subprocess
import tempfile
import threading
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from lab.windows_sandbox.md4 import password_hash
from lab.winrm_server import Server, server_context, trust
from lab.winrm_server.host import CommandRefused


class ShellProcess:
    """A process group of /bin/sh; output is read by threads, as a pipe would be."""

    def __init__(self, command_line, working_directory, environment, console_stdin):
        self._process = subprocess.Popen(
            ["/bin/sh", "-c", command_line],
            cwd=working_directory,
            env={**os.environ, **environment},
            stdin=subprocess.DEVNULL if console_stdin else subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
            bufsize=0,
        )
        self._output = {"stdout": b"", "stderr": b""}
        self._open = 2
        self._news = threading.Condition()
        self.awaited = threading.Event()
        for name in self._output:
            threading.Thread(target=self._pump, args=(name,), daemon=True).start()

    def _pump(self, name):
        with getattr(self._process, name) as stream:
            while data := stream.read(65536):
                with self._news:
                    self._output[name] += data
                    self._news.notify_all()
        with self._news:
            self._open -= 1
            if not self._open:
                self._process.wait()
            self._news.notify_all()

    def write(self, data):
        self._process.stdin.write(data)

    def close_stdin(self):
        self._process.stdin.close()

    def read(self, timeout):
        self.awaited.set()
        with self._news:
            self._news.wait_for(lambda: any(self._output.values()) or not self._open, timeout)
            output, self._output = self._output, {"stdout": b"", "stderr": b""}
            return output["stdout"], output["stderr"], None if self._open else self._process.returncode

    def terminate(self):
        if self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)


class ShellHost:
    """Serves what host.Host asks for; the user zuul has the password 'open sesame'."""

    name = "FAKE-HOST"

    def __init__(self):
        self.outsiders = set()
        self.password_file = None
        self.users_by_certificate = {}
        self.processes = []
        self.code_pages = []

    def open_process(
        self, command_line, *, user, working_directory, environment, console_stdin, through_cmd, code_page
    ):
        if command_line.startswith("powershell"):
            raise CommandRefused("powershell is not served here")
        if command_line.startswith("no-such-program"):
            raise CommandRefused("no-such-program: The system cannot find the file specified", 2)
        environment = {**environment, "USERNAME": user}
        process = ShellProcess(command_line, working_directory, environment, console_stdin)
        self.processes.append(process)
        self.code_pages.append(code_page)
        return process

    def user_of_certificate(self, der):
        return self.users_by_certificate.get(der)

    def user_of_password(self, name, password):
        return self.user_named(name) if password == "open sesame" else None

    def user_named(self, name):
        return "zuul" if name.rpartition("\\")[2].lower() == "zuul" else None

    def may_manage(self, user):
        return user not in self.outsiders


class Certificate:
    """A self-signed certificate in `folder`: .pem and .key are paths, .der its bytes."""

    def __init__(self, folder, name):
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        now = datetime.datetime.now(datetime.UTC)
        certificate = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=1))
            .not_valid_after(now + datetime.timedelta(days=1))
            .sign(key, hashes.SHA256())
        )
        self.der = certificate.public_bytes(serialization.Encoding.DER)
        self.text = certificate.public_bytes(serialization.Encoding.PEM).decode()
        self.pem, self.key = Path(folder, f"{name}.pem"), Path(folder, f"{name}.key")
        self.pem.write_text(self.text)
        self.key.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )


def serve(test, host):
    """Start a server for `host` until the test ends; return it and a client certificate mapped to 'zuul'."""
    folder = tempfile.TemporaryDirectory()
    test.addCleanup(folder.cleanup)
    server_certificate = Certificate(folder.name, "server")
    client_certificate = Certificate(folder.name, "zuul")
    host.password_file = Path(folder.name, "passwords")
    host.password_file.write_text(f"zuul:0:{'0' * 32}:{password_hash('open sesame')}:[U]:LCT-00000000\n")
    context = server_context(server_certificate.pem, server_certificate.key)
    trust(context, client_certificate.text)
    host.users_by_certificate = {client_certificate.der: "zuul"}
    server = Server(host, "127.0.0.1", 0, context, http_port=0)
    server.start()
    test.addCleanup(server.stop)
    return server, client_certificate


def watch_envelopes(protocol):
    """Return a list that gets the size of each later answer; pywinrm does not hold a server to its limit."""
    sizes, send = [], protocol.transport.send_message

    def measured(message):
        answer = send(message)
        sizes.append(len(answer))
        return answer

    protocol.transport.send_message = measured
    return sizes
