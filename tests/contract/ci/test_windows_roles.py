# SPDX-License-Identifier: Apache-2.0
"""The roles for Windows nodes against a simulated host."""

import pathlib
import subprocess
import zipfile

from tests.contract.ci.windows_node import WindowsNodeCase


class Sources(WindowsNodeCase):
    def git(self, *arguments):
        author = ("-c", "user.name=t", "-c", "user.email=t@invalid")
        command = ["git", "-C", self.folder / "project", *author, *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    def bundle(self, content, *what):
        (self.folder / "project/file.txt").write_bytes(content)
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message", "change")
        self.git("bundle", "create", "--quiet", self.folder / "project.bundle", *what)
        projects = [{"name": "nova", "bundle": str(self.folder / "project.bundle")}]
        return self.run_role("unbundle-source-windows", unbundle_source_windows_projects=projects)

    def test_checkout_is_what_was_bundled_and_follows_a_smaller_bundle(self):
        (self.folder / "project").mkdir()
        self.git("init", "--quiet", "--initial-branch", "master")
        self.assert_succeeds(self.bundle(b"one\ntwo\n", "HEAD"))
        checkout = self.local(r"C:\OpenStack\src\nova")
        self.assertEqual(b"one\ntwo\n", (checkout / "file.txt").read_bytes())
        self.assert_succeeds(self.bundle(b"three\n", "HEAD~..HEAD"))
        self.assertEqual(b"three\n", (checkout / "file.txt").read_bytes())
        self.assertEqual(self.git("rev-parse", "HEAD"), (checkout / ".git/HEAD").read_text().strip())
        (self.folder / "project.bundle").write_text("no bundle")
        projects = [{"name": "nova", "bundle": str(self.folder / "project.bundle")}]
        result = self.run_role("unbundle-source-windows", unbundle_source_windows_projects=projects)
        self.assert_fails(result, "Fetch from the bundle")


class Python(WindowsNodeCase):
    """A base environment in the image, and a wheel that it lacks."""

    @classmethod
    def make_image(cls, drive):
        super().make_image(drive)
        packages = drive / "OpenStack/base/Lib/site-packages"
        # Debian's venv module installs pip from here.
        (pip,) = pathlib.Path("/usr/share/python-wheels").glob("pip-*.whl")
        zipfile.ZipFile(pip).extractall(packages)
        cls.wheelhouse = cls.folder / "wheelhouse"
        cls.wheelhouse.mkdir()

    def make_wheel(self, name):
        about = f"{name}-1.0.dist-info"
        with zipfile.ZipFile(self.wheelhouse / f"{name}-1.0-py3-none-any.whl", "w") as wheel:
            wheel.writestr(f"{name}.py", "")
            wheel.writestr(f"{about}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
            wheel.writestr(f"{about}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
            wheel.writestr(f"{about}/RECORD", "")

    def require(self, *names):
        (self.wheelhouse / "requirements.txt").write_text("".join(f"{name}==1.0\n" for name in names))
        return self.run_role("windows-python", windows_python_wheelhouse=str(self.wheelhouse))

    def test_environment_sees_the_base_and_gets_what_is_missing(self):
        self.make_wheel("present")
        result = self.require("present", "absent")
        self.assert_fails(result, "No matching distribution found for absent==1.0")
        self.assert_succeeds(self.require("present"))
        playbook = self.folder / "import.yaml"
        playbook.write_text(r"""
- hosts: hyperv
  gather_facts: false
  tasks:
    - ansible.windows.win_command: C:\OpenStack\venv\Scripts\python.exe -c "import present, pip"
""")
        self.assert_succeeds(self.run_playbook(playbook))


class Inventory(WindowsNodeCase):
    def test_host_that_has_no_machine(self):
        path = self.folder / "lists/before.txt"
        self.assert_succeeds(self.run_role("hyperv-inventory", hyperv_inventory_file=str(path)))
        host, switch = path.read_text().splitlines()
        self.assertRegex(host, r"^host SIM-WIN-CI: Microsoft Windows Server 2022 .*, 10\.0\.20348$")
        self.assertEqual("switch external", switch)

    def left(self, before):
        """Run the role's `left`, where the list of before has these lines."""
        (self.folder / "before.txt").write_text(before)
        playbook = self.folder / "left.yaml"
        playbook.write_text("""
- hosts: hyperv
  gather_facts: false
  tasks:
    - ansible.builtin.include_role: {name: hyperv-inventory, tasks_from: left}
""")
        variables = {
            "hyperv_inventory_before": str(self.folder / "before.txt"),
            "hyperv_inventory_retries": 1,
        }
        return self.run_playbook(playbook, **variables)

    def test_what_was_left_is_named(self):
        path = self.folder / "now.txt"
        self.assert_succeeds(self.run_role("hyperv-inventory", hyperv_inventory_file=str(path)))
        host, switch = path.read_text().splitlines()
        instances = self.local(r"C:\OpenStack\instances")
        (instances / "_base").mkdir(parents=True)
        self.assert_succeeds(self.left(f"{host}\n{switch}\nmachine gone\n"))
        self.assert_fails(self.left(host), "left on the host: switch external")
        (instances / "instance-00000001").mkdir()
        result = self.left(f"{host}\n{switch}")
        self.assert_fails(result, r"left on the host: C:\\OpenStack\\instances\\instance-00000001")


class Logs(WindowsNodeCase):
    def fetch(self):
        destination = self.folder / "logs"
        private = self.folder / "private"
        self.assert_succeeds(
            self.run_role(
                "windows-logs", windows_logs_destination=str(destination), windows_logs_private=str(private)
            )
        )
        return destination

    def test_run_that_made_nothing(self):
        logs = self.fetch()
        self.assertIn("Event", (logs / "events.log").read_text())
        self.assertIn("no environment at C:\\OpenStack\\venv", (logs / "pip-freeze.txt").read_text())
        self.assertEqual("[]", (logs / "service.yaml").read_text().strip())
        self.assertFalse((logs / "nova-compute.log").exists())
        self.assertEqual([], list((logs / "etc").iterdir()))

    def test_secrets_are_masked(self):
        for folder in ("log", "etc"):
            self.local(rf"C:\OpenStack\{folder}").mkdir(parents=True, exist_ok=True)
        self.local(r"C:\OpenStack\log\nova-compute.log").write_text("a line\r\n", newline="")
        self.local(r"C:\OpenStack\etc\nova.conf").write_text(
            "[DEFAULT]\nTransport_URL = rabbit://openstack:hush@127.0.0.1/\nmy_ip = 127.0.3.1\n"
            "[neutron]\npassword=hush\nmetadata_proxy_shared_secret = hush\n[database]\nconnection = hush\n"
        )
        self.local(r"C:\OpenStack\log\other.log").write_text("another line\n")
        self.local(r"C:\OpenStack\etc\other.ini").write_text("password = hush\n")
        logs = self.fetch()
        self.assertEqual("a line\n", (logs / "nova-compute.log").read_text())
        self.assertEqual("another line\n", (logs / "other.log").read_text())
        self.assertEqual("password = ***\n", (logs / "etc/other.ini").read_text())
        configuration = (logs / "etc/nova.conf").read_text()
        self.assertNotIn("hush", configuration)
        self.assertIn("my_ip = 127.0.3.1\n", configuration)
        self.assertEqual(4, configuration.count("***"))
