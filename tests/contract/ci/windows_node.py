# SPDX-License-Identifier: Apache-2.0
"""A simulated Windows host with an Ansible inventory, for tests that run this CI's own roles against it."""

import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest

import yaml

TOP = pathlib.Path(__file__).parents[3]
ADDRESS = "127.0.3.254"
BUILD = "0123456789abcdef0123456789abcdef"
START_LIMIT = 60

CERTIFICATES = """
[req]
prompt = no
distinguished_name = name
[name]
CN = test
[server]
subjectAltName = IP:127.0.3.254
[administrator]
extendedKeyUsage = clientAuth
subjectAltName = otherName:1.3.6.1.4.1.311.20.2.3;UTF8:Administrator@localhost
"""


class WindowsNodeCase(unittest.TestCase):
    """One host for a class of tests; ``cls.folder`` is a directory of its own."""

    @classmethod
    def setUpClass(cls):
        # A short path: the host's Unix sockets are below it.
        cls.folder = pathlib.Path(tempfile.mkdtemp(prefix="win"))
        cls.addClassCleanup(shutil.rmtree, cls.folder)
        tls = cls.folder / "tls"
        (tls / "authorized").mkdir(parents=True)
        (cls.folder / "openssl.cnf").write_text(CERTIFICATES)
        (cls.folder / "ansible.cfg").touch()
        cls.certify("server", tls / "server")
        cls.certify("administrator", cls.folder / "master")
        shutil.copy(cls.folder / "master.pem", tls / "authorized")
        cls.make_image(cls.folder / "image/C")
        cls.start()
        cls.inventory()

    @classmethod
    def certify(cls, section, path):
        subprocess.run(
            [
                "openssl",
                "req",
                "-x509",
                "-newkey",
                "rsa:2048",
                "-nodes",
                "-days",
                "2",
                "-config",
                cls.folder / "openssl.cnf",
                "-extensions",
                section,
                "-keyout",
                f"{path}.key",
                "-out",
                f"{path}.pem",
            ],
            check=True,
            capture_output=True,
        )

    @classmethod
    def make_image(cls, drive):
        (drive / "Python311").mkdir(parents=True)
        (drive / "Python311/python.exe").write_text("#!/opt/windows-shims/launch\n")
        (drive / "Program Files/Git/cmd").mkdir(parents=True)
        (drive / "Program Files/Git/cmd/git.exe").symlink_to("/usr/bin/git")

    @classmethod
    def start(cls):
        root = cls.folder / "host"
        root.mkdir()
        log = open(cls.folder / "host.log", "wb")
        cls.addClassCleanup(log.close)
        process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "lab.windows_host",
                "--root",
                root,
                "--address",
                ADDRESS,
                "--port",
                "0",
                "--http-port",
                "0",
                "--name",
                "SIM-WIN-CI",
                "--image",
                cls.folder / "image",
                "--tls",
                cls.folder / "tls",
            ],
            cwd=TOP,
            stdout=log,
            stderr=log,
        )
        cls.addClassCleanup(process.wait, 30)
        cls.addClassCleanup(process.send_signal, signal.SIGTERM)
        limit = time.monotonic() + START_LIMIT
        while not (root / "ready").exists():
            if process.poll() is not None or time.monotonic() > limit:
                raise AssertionError(f"the host did not start: {(cls.folder / 'host.log').read_text()}")
            time.sleep(0.1)
        cls.port = int((root / "ready").read_text().strip().rpartition(":")[2])

    @classmethod
    def inventory(cls):
        node = {
            "ansible_host": ADDRESS,
            "ansible_port": cls.port,
            "ansible_user": "Administrator",
            "ansible_connection": "winrm",
            "ansible_shell_type": "powershell",
            "ansible_winrm_transport": "certificate",
            "ansible_winrm_server_cert_validation": "ignore",
            "ansible_winrm_cert_pem": str(cls.folder / "master.pem"),
            "ansible_winrm_cert_key_pem": str(cls.folder / "master.key"),
        }
        work = cls.folder / "work"
        (work / "logs").mkdir(parents=True)
        executor = {
            "work_root": str(work),
            "log_root": str(work / "logs"),
            "inventory_file": str(cls.folder / "inventory.yaml"),
        }
        everything = {
            "all": {
                "hosts": {"hyperv": node},
                "vars": {"zuul": {"build": BUILD, "executor": executor, "projects": cls.projects(work)}},
            }
        }
        (cls.folder / "inventory.yaml").write_text(yaml.safe_dump(everything))

    @classmethod
    def projects(cls, work):
        """Return Zuul's projects of the build; they are below its work directory."""
        return {}

    def local(self, windows_path):
        """Return the path on this machine of one in C: that no image shows."""
        return self.folder.joinpath("host", "C", *windows_path.removeprefix("C:\\").split("\\"))

    def run_playbook(self, playbook, **variables):
        """Run a playbook and return what became of it: a CompletedProcess."""
        programs = pathlib.Path(sys.executable).parent
        environment = os.environ | {
            "LC_ALL": "C.UTF-8",
            "ANSIBLE_LOCALHOST_WARNING": "false",
            "ANSIBLE_CONFIG": str(self.folder / "ansible.cfg"),
            "ANSIBLE_ROLES_PATH": f"{TOP}/trusted/roles:{TOP}/roles",
            "PATH": f"{programs}:{os.environ['PATH']}",
        }
        return subprocess.run(
            ["ansible-playbook", "-i", self.folder / "inventory.yaml", "-e", json.dumps(variables), playbook],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=180,
        )

    def run_role(self, role, **variables):
        """Run one role on the host; return the CompletedProcess."""
        playbook = self.folder / "role.yaml"
        playbook.write_text(yaml.safe_dump([{"hosts": "hyperv", "gather_facts": False, "roles": [role]}]))
        return self.run_playbook(playbook, **variables)

    def assert_succeeds(self, result):
        self.assertEqual(0, result.returncode, result.stdout + result.stderr)

    def assert_fails(self, result, reason):
        self.assertNotEqual(0, result.returncode, result.stdout)
        self.assertIn(reason, result.stdout)
