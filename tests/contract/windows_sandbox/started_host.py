# SPDX-License-Identifier: Apache-2.0
"""A simulated host as a process, a client certificate for it, and Ansible to drive it."""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import testtools

CHECKOUT = Path(__file__).parents[3]
PLAYS = Path(__file__).with_name("plays")

# One of its own for every process of a test run.
ADDRESS = f"127.30.{os.getpid() >> 8 & 255}.{os.getpid() & 255}"

_CLIENT = """[req]
prompt = no
distinguished_name = name
x509_extensions = client
[name]
CN = {user}
[client]
basicConstraints = critical, CA:false
extendedKeyUsage = clientAuth
subjectAltName = otherName:1.3.6.1.4.1.311.20.2.3;UTF8:{user}@localhost
"""


def make_certificate(folder, name, user=None):
    """Make NAME.pem and NAME.key, a client certificate if a user is given."""
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
    command += ["-nodes", "-days", "1", "-keyout", folder / f"{name}.key", "-out", folder / f"{name}.pem"]
    if user:
        (folder / f"{name}.cnf").write_text(_CLIENT.format(user=user))
        command += ["-config", folder / f"{name}.cnf"]
    else:
        command += ["-subj", "/CN=host"]
    subprocess.run(command, check=True, capture_output=True)


def newest_python(versions):
    """Return the program of the first of these versions ("3.14", …) that this machine has, or None.

    It is looked for on the search path, and where pyenv and uv keep those that they have installed.
    """
    home = Path.home()
    kept = [*home.glob(".pyenv/versions/*/bin"), *home.glob(".local/share/uv/python/*/bin")]
    path = os.pathsep.join([*map(str, kept), *os.get_exec_path()])
    for version in versions:
        program = shutil.which(f"python{version}", path=path)
        # pyenv has a program for every version on the search path, which fails if it is not the chosen one.
        if program and subprocess.run([program, "-c", ""], stderr=subprocess.DEVNULL).returncode == 0:
            return program
    return None


class AnsibleHost:
    """A host that Ansible reaches by an inventory in a folder."""

    def __init__(self, folder):
        self.folder = folder
        self.use_ansible(Path(sys.executable).parents[1])

    def use_ansible(self, venv):
        """Have the Ansible of a virtual environment, with the collections there, drive the host."""
        self.ansible_bin = venv / "bin"
        (self.collections,) = venv.glob("lib/python3*/site-packages")

    def write_inventory(self, **variables):
        """Write the inventory: the host "windows", reached over WinRM, with these variables more."""
        host = {
            "ansible_connection": "winrm",
            "ansible_winrm_server_cert_validation": "ignore",
            **variables,
        }
        path = self.folder / "hosts.json"
        # A password may be among them.
        path.touch(mode=0o600)
        path.write_text(json.dumps({"all": {"hosts": {"windows": host}}}))

    def ansible(self, program, *arguments, stdout="default"):
        """Run a program of Ansible against the host and return what it ended with."""
        environment = os.environ | {
            "LC_ALL": "C.UTF-8",
            "ANSIBLE_HOME": str(self.folder / "ansible"),
            "ANSIBLE_COLLECTIONS_PATH": str(self.collections),
            "ANSIBLE_LIBRARY": str(self.folder / "library"),
            "ANSIBLE_LOCALHOST_WARNING": "false",
            "ANSIBLE_NOCOLOR": "true",
            "ANSIBLE_LOAD_CALLBACK_PLUGINS": "true",
            "ANSIBLE_STDOUT_CALLBACK": stdout,
            "ANSIBLE_ROLES_PATH": f"{CHECKOUT}/roles:{CHECKOUT}/trusted/roles",
        }
        command = [
            self.ansible_bin / program,
            "--inventory",
            self.folder / "hosts.json",
            *arguments,
        ]
        return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=600)


class StartedHost(AnsibleHost):
    """A host below a folder; start() and stop() may alternate.

    :param network: folder that it shares with the hosts that it reaches, or None
    """

    def __init__(self, folder, name="hyperv-sim-9", address=ADDRESS, network=None):
        super().__init__(folder)
        self.name, self.address = name, address
        self.options = ["--network", network] if network else []
        self.root = folder / "node"
        self.tls = folder / "tls"
        (self.tls / "authorized").mkdir(parents=True)
        make_certificate(self.tls, "server")
        make_certificate(self.tls, "zuul", "zuul")
        shutil.copy(self.tls / "zuul.pem", self.tls / "authorized")
        self.image = self._make_image()
        self.process = None
        self.urls = {}

    def _make_image(self):
        """Write an image with a Python (a script of the shims) and a Git (a link to a Linux program)."""
        image = self.folder / "image"
        for path in ("Python311", "Program Files/Git/cmd", "OpenStack/base"):
            (image / "C" / path).mkdir(parents=True)
        python = image / "C" / "Python311" / "python.exe"
        python.write_text("#!/opt/windows-shims/launch\n")
        python.chmod(0o755)
        (image / "C" / "Program Files" / "Git" / "cmd" / "git.exe").symlink_to("/usr/bin/git")
        (image / "C" / "OpenStack" / "base" / "marker.txt").write_text("from the image")
        return image

    def start(self):
        started = time.monotonic()
        command = [
            sys.executable,
            "-m",
            "lab.windows_host",
            "--root",
            self.root,
            "--address",
            self.address,
            "--port",
            "0",
            "--http-port",
            "0",
        ]
        command += ["--name", self.name, "--image", self.image, "--tls", self.tls, *self.options]
        with open(self.folder / "host.log", "ab") as log:
            self.process = subprocess.Popen(command, cwd=CHECKOUT, stdout=log, stderr=log)
        while not (self.root / "ready").exists():
            if self.process.poll() is not None or time.monotonic() > started + 120:
                raise RuntimeError("the host does not start:\n" + self.log())
            time.sleep(0.02)
        urls = (self.root / "ready").read_text().split()
        self.urls = {url.partition(":")[0]: url for url in urls}
        self.write_inventory(
            ansible_host=self.address,
            ansible_port=int(self.urls["https"].rpartition(":")[2]),
            ansible_winrm_transport="certificate",
            ansible_winrm_cert_pem=str(self.tls / "zuul.pem"),
            ansible_winrm_cert_key_pem=str(self.tls / "zuul.key"),
        )

    def stop(self):
        """End the host and return its exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(20)

    def log(self):
        return (self.folder / "host.log").read_text()


class StartedHostCase(testtools.TestCase):
    """One host for all tests of a class."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        folder = tempfile.TemporaryDirectory(prefix="host-")
        cls.addClassCleanup(folder.cleanup)
        cls.started = cls.reach(Path(folder.name))

    @classmethod
    def reach(cls, folder):
        """Return the host of the tests, ready for them."""
        started = StartedHost(folder)
        cls.addClassCleanup(started.stop)
        started.start()
        return started

    def module(self, name, /, **parameters):
        """Run one module through Ansible and return its result."""
        arguments = ["-a", json.dumps(parameters)] if parameters else []
        ended = self.started.ansible(
            "ansible", "windows", "-m", name, *arguments, stdout="ansible.posix.json"
        )
        try:
            return json.loads(ended.stdout)["plays"][0]["tasks"][0]["hosts"]["windows"]
        except (ValueError, LookupError):
            raise RuntimeError(ended.stdout + ended.stderr) from None

    def play(self, name, **variables):
        """Run a playbook of plays/; the test fails with its output if it fails."""
        variables |= {"work": str(self.started.folder), "checkout": str(CHECKOUT)}
        ended = self.started.ansible("ansible-playbook", PLAYS / name, "--extra-vars", json.dumps(variables))
        self.assertEqual(0, ended.returncode, ended.stdout[-6000:] + ended.stderr)
        return ended.stdout
