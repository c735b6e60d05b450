# SPDX-License-Identifier: Apache-2.0
"""Who can do what to a lab that is up: with its ports, with its files, from inside of a job."""

import secrets
import subprocess
import tempfile
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

from lab import changes, lifecycle
from lab.commands import git, run
from lab.errors import LabError
from lab.home import Home
from lab.projects import ssh_environment
from lab.services import accounts, gerrit, processes, zuul
from tests.lab.command import LabTest


class AccessTest(LabTest):
    def setUp(self):
        self.home = Home.from_environment()
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)

    def daemons(self):
        return processes.family(daemon.process for daemon in lifecycle.daemons(self.home))

    def test_nobody_becomes_an_account_by_knowing_the_port(self):
        forms = [
            "account_id=1000000",
            "user_name=admin",
            "preferred_email=admin@example.com",
            "action=create_account",
        ]
        for form in forms:
            for data in (None, form.encode()):
                with self.subTest(form, data=data), self.assertRaises(urllib.error.HTTPError) as caught:
                    urllib.request.urlopen(f"{gerrit.URL}/login/?{form}", data, timeout=10)
                with caught.exception as answer:
                    self.assertIn(answer.code, (401, 404, 405))
                    self.assertNotIn("GerritAccount", str(answer.headers))

    def test_nobody_signs_in_with_a_provider_of_their_own(self):
        form = urllib.parse.urlencode(
            {"id": "https://me.example/", "mode": "SIGN_IN", "remember": 1}
        ).encode()
        with self.assertRaises(urllib.error.HTTPError) as caught:
            urllib.request.urlopen(f"{gerrit.URL}/login/openid", form, timeout=10)
        with caught.exception as answer:
            self.assertEqual(401, answer.code)
            self.assertNotIn("GerritAccount", str(answer.headers))

    def test_the_password_that_initialisation_set_is_gone(self):
        with self.assertRaisesRegex(LabError, "with 401"):
            accounts.Rest("admin", "secret").get("accounts/self")

    def test_every_port_is_on_loopback(self):
        pids = {process.pid for process in self.daemons()}
        listening = run(["ss", "--listening", "--tcp", "--udp", "--numeric", "--processes", "--no-header"])
        own = [line for line in listening.splitlines() if any(f"pid={pid}," in line for pid in pids)]
        self.assertGreaterEqual(len(own), len(lifecycle.PORTS))
        for line in own:
            self.assertRegex(line.split()[4], r"^(127\.|\[::ffff:127\.|\[::1\])", line)

    def test_secrets_are_readable_by_their_owner_only(self):
        self.assertEqual(0o700, self.home.state.stat().st_mode & 0o777)
        folders = (
            self.home.tls,
            self.home.keys,
            self.home.accounts,
            self.home.zuul,
            self.home.gerrit_site / "etc",
        )
        secret = [path for folder in folders for path in folder.rglob("*") if self.holds_a_secret(path)]
        self.assertGreater(len(secret), 10)
        for path in secret:
            self.assertEqual(0, path.stat().st_mode & 0o077, path)

    @staticmethod
    def holds_a_secret(path):
        names = (".key", "-store.pem", "id_ed25519", "http-password", "git-credentials", "zuul.conf", "_key")
        return path.is_file() and path.name.endswith((*names, "secure.config"))

    def test_no_password_is_on_a_command_line(self):
        passwords = [path.read_text().strip() for path in self.home.accounts.glob("*/http-password")]
        self.assertEqual(5, len(passwords))
        for process in self.daemons():
            line = Path(f"/proc/{process.pid}/cmdline").read_bytes().decode(errors="replace")
            self.assertFalse([password for password in passwords if password in line], line)

    def test_an_untrusted_playbook_sees_none_of_the_lab_s_secrets(self):
        hidden = [
            self.home.tls,
            self.home.keys,
            self.home.accounts,
            self.home.database,
            self.home.gerrit_site,
        ]
        hidden += [
            self.home.zuul / "zuul.conf",
            self.home.zookeeper,
            self.home.nodepool,
            self.home.state / "logs",
        ]
        for path in hidden:
            self.assertTrue(path.exists(), path)
        self.assertEqual(f"{self.folder}\n", self.in_sandbox("ls -d", self.folder).stdout)
        looked = self.in_sandbox("ls -d", *hidden, Path.home() / ".ssh", self.home.root / "venvs")
        self.assertEqual("", looked.stdout)
        self.assertEqual(len(hidden) + 2, looked.stderr.count("No such file or directory"), looked.stderr)

    def in_sandbox(self, command, *paths):
        """Run a command as Zuul runs an untrusted playbook of the lab: no paths but its work directory."""
        words = " ".join([command, *map(str, paths)])
        program = self.home.venv("zuul", "zuul-bwrap")
        return subprocess.run(
            [program, str(self.folder), str(self.folder), "sh", "--", "-c", words],
            capture_output=True,
            text=True,
            env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": str(self.folder)},
        )


class UsersTest(LabTest):
    """The developer, the maintainer and the CI, as Gerrit's own clients act for them."""

    def setUp(self):
        self.home = Home.from_environment()
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.clone = Path(folder.name, "clone")
        self.folder = self.home.accounts / accounts.DEVELOPER.name

    def commit(self):
        git(self.clone, "config", "user.name", accounts.DEVELOPER.full_name)
        git(self.clone, "config", "user.email", accounts.DEVELOPER.email)
        (self.clone / "new").write_text("new\n")
        git(self.clone, "add", "new")
        # Another each time: of two tests in one second the commits would be the same.
        git(self.clone, "commit", "--quiet", "--message", f"Add new\n\nChange-Id: I{secrets.token_hex(20)}")

    def test_the_developer_over_ssh(self):
        environment = ssh_environment(self.home, accounts.DEVELOPER)
        address = f"ssh://gerrit/{accounts.CONFIG}"
        git(self.clone.parent, "clone", "--quiet", address, self.clone, environment=environment)
        self.commit()
        with self.assertRaisesRegex(LabError, "not permitted: update"):
            git(self.clone, "push", "origin", "HEAD:refs/heads/master", environment=environment)
        git(self.clone, "push", "--quiet", "origin", "HEAD:refs/for/master%wip", environment=environment)

    def test_the_developer_over_http(self):
        store = f"credential.helper=store --file={self.folder}/git-credentials"
        address = f"http://{accounts.DEVELOPER.name}@{gerrit.ADDRESS}:{gerrit.HTTP_PORT}/a/{accounts.CONFIG}"
        git(self.clone.parent, "-c", store, "clone", "--quiet", address, self.clone)
        self.commit()
        git(self.clone, "-c", store, "push", "--quiet", "origin", "HEAD:refs/for/master%wip")

    def vote(self, account, project, label, value):
        rest = changes.client(self.home, account)
        query = f"changes/?q=status:open+project:{project}&n=1"
        if not (found := rest.get(query)):
            found = [
                rest.post("changes/", {"project": project, "branch": "master", "subject": "For the test"})
            ]
        rest.post(f"changes/{found[0]['_number']}/revisions/current/review", {"labels": {label: value}})

    def test_only_the_maintainer_approves(self):
        self.vote(accounts.MAINTAINER, accounts.CONFIG, "Code-Review", 1)
        self.vote(accounts.MAINTAINER, accounts.CONFIG, "Workflow", 1)
        for label, value in (("Code-Review", 2), ("Workflow", 1), ("Verified", 1)):
            with self.subTest(label), self.assertRaisesRegex(LabError, "with 40[03]"):
                self.vote(accounts.DEVELOPER, accounts.CONFIG, label, value)

    def test_the_ci_votes_one_on_nova_and_two_on_its_own(self):
        self.vote(accounts.CI, accounts.NOVA, "Verified", 1)
        self.vote(accounts.CI, accounts.CONFIG, "Verified", 2)
        with self.assertRaisesRegex(LabError, "with 40[03]"):
            self.vote(accounts.CI, accounts.NOVA, "Verified", 2)

    def test_git_has_no_password_on_its_command_line(self):
        """Where Zuul's repositories come from is what it calls git with."""
        remotes = [
            git(config.parent, "remote", "get-url", "origin")
            for config in (self.home.zuul / "git").rglob(".git/config")
        ]
        self.assertTrue(remotes)
        for remote in remotes:
            url = urllib.parse.urlsplit(remote)
            self.assertEqual((accounts.CI.name, None), (url.username, url.password))

    def test_zuul_has_no_configuration_errors(self):
        self.assertEqual([], zuul.get(f"tenant/{zuul.TENANT}/config-errors"))
