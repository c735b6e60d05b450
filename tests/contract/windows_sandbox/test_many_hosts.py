# SPDX-License-Identifier: Apache-2.0
"""Twenty simulated hosts at once on one machine: each answers, as itself, and ends when told."""

import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import testtools
import winrm

from tests.contract.windows_sandbox.started_host import ADDRESS, StartedHost

HOSTS = 20


class ManyHostsTest(testtools.TestCase):
    def test_each_answers_as_itself(self):
        folder = Path(self.enterContext(tempfile.TemporaryDirectory(prefix="hosts-")))
        network, _, last = ADDRESS.rpartition(".")
        block = network.replace("127.30.", "127.29.")
        hosts = [
            StartedHost(folder / str(number), f"many-{number}", f"{block}.{(int(last) + number) % 250 + 1}")
            for number in range(HOSTS)
        ]
        with ThreadPoolExecutor(HOSTS) as pool:
            self.addCleanup(self.end, hosts)
            list(pool.map(StartedHost.start, hosts))
            said = list(pool.map(self.say, hosts))
            codes = list(pool.map(StartedHost.stop, hosts))
        self.assertEqual([[host.name.upper()] * 2 for host in hosts], said)
        self.assertEqual([0] * HOSTS, codes)

    def end(self, hosts):
        for host in hosts:
            if host.process and host.process.poll() is None:
                host.process.kill()
                host.process.wait()

    def say(self, host):
        """Write a file on a host and read it again, in shells of their own."""
        session = winrm.Session(
            f"{host.urls['https']}/wsman",
            auth=("", ""),
            transport="certificate",
            cert_pem=str(host.tls / "zuul.pem"),
            cert_key_pem=str(host.tls / "zuul.key"),
            server_cert_validation="ignore",
        )
        lines = (r"hostname && hostname > C:\said.txt", r"type C:\said.txt")
        return [session.run_cmd(line).std_out.decode().strip() for line in lines]
