# SPDX-License-Identifier: Apache-2.0
"""Keys and certificates: who may read them, and what is in them."""

import subprocess
import tempfile
import unittest
from pathlib import Path

from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from lab.services import keys


class KeysTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)

    def assertSecret(self, name):
        self.assertEqual(0o600, (self.folder / name).stat().st_mode & 0o777, name)

    def test_a_secret_is_its_owners_even_where_a_readable_file_was(self):
        (self.folder / "x").write_text("")
        (self.folder / "x").chmod(0o644)
        keys.write_secret(self.folder / "x", "secret")
        self.assertSecret("x")

    def test_passwords_differ(self):
        self.assertNotEqual(keys.password(), keys.password())

    def test_openssh_reads_the_ssh_key(self):
        public = keys.write_ssh_key(self.folder / "key", "somebody")
        self.assertSecret("key")
        printed = subprocess.check_output(["ssh-keygen", "-y", "-f", self.folder / "key"], text=True)
        self.assertEqual(public.split()[:2], printed.split()[:2])
        self.assertEqual(public + "\n", (self.folder / "key.pub").read_text())

    def test_the_authority_vouches_for_what_it_issues_and_leaves_no_key(self):
        authority = keys.Authority.new("test")
        authority.write_certificate(self.folder / "ca.pem")
        authority.issue("server", self.folder, "127.0.0.1")
        verified = subprocess.run(
            ["openssl", "verify", "-CAfile", self.folder / "ca.pem", self.folder / "server.pem"],
            capture_output=True,
        )
        self.assertEqual(0, verified.returncode, verified.stderr)
        for name in ("server.key", "server-store.pem"):
            self.assertSecret(name)
        self.assertEqual(
            {"ca.pem", "server.pem", "server.key", "server-store.pem"},
            {path.name for path in self.folder.iterdir()},
        )

    def test_the_winrm_certificate_names_the_user_as_windows_wants_it(self):
        keys.write_winrm_certificate(self.folder, "zuul")
        self.assertSecret("winrm.key")
        certificate = x509.load_pem_x509_certificate((self.folder / "winrm.pem").read_bytes())
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        (principal,) = names.get_values_for_type(x509.OtherName)
        self.assertEqual(b"\x0c\x0ezuul@localhost", principal.value)
        usage = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
        self.assertIn(ExtendedKeyUsageOID.CLIENT_AUTH, usage)
