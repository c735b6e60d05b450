# SPDX-License-Identifier: Apache-2.0
"""What the lab writes for its servers: all on loopback, and no job sees what opens more than its nodes."""

import configparser
import subprocess
import tempfile
import unittest
from pathlib import Path

import yaml

from lab.home import Home
from lab.services import accounts, gerrit, mail, nodepool, pages, zookeeper, zuul
from lab.services.keys import write_secret


class ConfigurationTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.home = Home(Path(folder.name))
        write_secret(self.home.accounts / accounts.CI.name / "http-password", "of the CI\n")
        write_secret(self.home.accounts / accounts.PUBLISHER.name / "id_ed25519", "of the publisher\n")
        write_secret(self.home.accounts / "known_hosts", "Gerrit's\n")
        zuul.configure(self.home, pages.URL)
        self.zuul = configparser.ConfigParser(interpolation=None)
        self.zuul.read(self.home.zuul / "zuul.conf")

    def test_untrusted_playbooks_see_nothing_of_the_lab(self):
        self.assertNotIn("untrusted_ro_paths", self.zuul["executor"])
        self.assertNotIn("untrusted_rw_paths", self.zuul["executor"])

    def test_trusted_playbooks_see_the_winrm_key_the_publisher_s_and_the_pages(self):
        shown = [self.home.keys / "winrm", self.home.keys / "publisher"]
        self.assertEqual(":".join(map(str, shown)), self.zuul["executor"]["trusted_ro_paths"])
        self.assertEqual(str(self.home.site), self.zuul["executor"]["trusted_rw_paths"])
        for secret in (self.home.tls, self.home.accounts, self.home.database, self.home.zuul):
            self.assertFalse([path for path in shown if path.is_relative_to(secret)])

    def test_the_publisher_s_ssh_needs_no_file_that_trusted_playbooks_do_not_see(self):
        folder = self.home.keys / "publisher"
        command = ["ssh", "-T", "-F", folder / "ssh_config", "-G", "gerrit"]
        options = subprocess.check_output(command, text=True)
        for name in ("identityfile", "userknownhostsfile"):
            (path,) = [line.split()[1] for line in options.splitlines() if line.startswith(f"{name} ")]
            self.assertTrue(Path(path).is_relative_to(folder), path)
            self.assertTrue(Path(path).exists(), path)

    def test_secrets_are_their_owners(self):
        for name in ("zuul.conf", "tenants.yaml", "site-variables.yaml"):
            self.assertEqual(0o600, (self.home.zuul / name).stat().st_mode & 0o777, name)
        self.assertEqual("of the CI", self.zuul["connection gerrit"]["password"])

    def test_nova_s_own_configuration_is_not_loaded(self):
        (tenant,) = yaml.safe_load((self.home.zuul / "tenants.yaml").read_text())
        projects = tenant["tenant"]["source"]["gerrit"]
        self.assertIn({"openstack/nova": {"include": []}}, projects["untrusted-projects"])
        self.assertEqual(["hyperv-ci-config"], projects["config-projects"])

    def test_site_variables_are_those_of_the_config_project(self):
        written = yaml.safe_load((self.home.zuul / "site-variables.yaml").read_text())
        self.assertEqual(
            {
                "site_log_root",
                "site_log_url",
                "site_publish_ssh_config",
                "site_windows_simulated",
                "site_zuul_url",
                "volume_backend",
                "wheelhouse_platform",
            },
            set(written),
        )
        self.assertTrue(written["site_windows_simulated"])

    def test_addresses_are_on_loopback(self):
        for server in (gerrit, mail, nodepool, pages, zookeeper, zuul):
            self.assertEqual("127.0.0.1", server.ADDRESS)
        self.assertEqual("127.0.0.1", self.zuul["web"]["listen_address"])
        self.assertIn("secureClientPortAddress=", zookeeper.CONFIGURATION)

    def test_nodepool_s_template_gets_all_it_asks_for(self):
        nodepool.configure(self.home)
        written = yaml.safe_load((self.home.nodepool / "nodepool.yaml").read_text())
        self.assertEqual({"hyperv-2022", "controller"}, {label["name"] for label in written["labels"]})
        self.assertEqual("127.0.0.1", written["webapp"]["listen_address"])

    def test_gerrit_lets_nobody_become_any_account(self):
        path = self.home.root / "gerrit.config"
        path.write_text(gerrit.CONFIGURATION)
        value = subprocess.check_output(["git", "config", "--file", path, "auth.type"], text=True).strip()
        self.assertEqual("OPENID", value)
        provider = subprocess.check_output(["git", "config", "--file", path, "auth.allowedOpenID"], text=True)
        self.assertRegex(provider, r"\[[.]\]invalid/[$]$")
