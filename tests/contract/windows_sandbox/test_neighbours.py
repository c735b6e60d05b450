# SPDX-License-Identifier: Apache-2.0
"""Two simulated hosts with a network in common, and what a contained process of one sees of the other."""

import tempfile
from pathlib import Path

import testtools

from tests.contract.windows_sandbox.started_host import ADDRESS, StartedHost

# Reads on the other host, writes there, and looks for what is not for it.
PROGRAM = r"""
import os, socket
def error(path):
    try:
        os.stat(path)
    except OSError as problem:
        return problem.winerror
other = r"\\hyperv-sim-2\C$"
with open(other + r"\Temp\from-1.txt", "w") as file:
    file.write(socket.gethostname())
print(
    os.path.exists(other + r"\Windows"), os.path.exists(r"C:\Temp\from-1.txt"), error(r"\\hyperv-sim-3\C$"),
    error(r"\\hyperv-sim-2\Users"), sorted(os.listdir("/network")),
)
"""


class NeighboursTest(testtools.TestCase):
    def start(self, folder, number, network=None):
        address = ADDRESS.replace("127.30.", f"127.3{number}.")
        host = StartedHost(Path(folder, str(number)), f"hyperv-sim-{number}", address, network)
        host.start()
        self.addCleanup(host.stop)
        return host

    def run_on(self, host, command):
        done = host.ansible("ansible", "windows", "-m", "ansible.windows.win_command", "-a", command)
        self.assertEqual(0, done.returncode, done.stdout + done.stderr + host.log()[-2000:])
        return done.stdout

    def test_hosts_of_one_network_reach_each_other_and_no_others(self):
        folder = self.enterContext(tempfile.TemporaryDirectory(prefix="host-"))
        network = Path(folder, "network")
        first, second = (self.start(folder, number, network) for number in (1, 2))
        self.start(folder, 3)
        drive = network / "hosts" / "HYPERV-SIM-1"
        (drive / "Temp").mkdir()
        (drive / "Temp" / "look.py").write_text(PROGRAM)
        (network / "hosts" / "HYPERV-SIM-2" / "Temp").mkdir()
        said = self.run_on(first, r"C:\Python311\python.exe C:\Temp\look.py")
        self.assertIn("True False 53 53 [", said)
        self.assertEqual(
            "hyperv-sim-1", (network / "hosts" / "HYPERV-SIM-2" / "Temp" / "from-1.txt").read_text()
        )
        for name in (first.name, second.name):
            self.assertIn(name.upper(), said)
        self.assertNotIn("HYPERV-SIM-3", said)
