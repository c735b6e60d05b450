# SPDX-License-Identifier: Apache-2.0
import datetime
import tempfile
from pathlib import Path

import testtools
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from lab.windows_sandbox.certificates import ClientCertificates, thumbprint, upn


def certificate(name=None):
    """Return a self-signed certificate in DER, with a UPN if a name is given."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "client")])
    now = datetime.datetime.now(datetime.UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now)
        .not_valid_after(now + datetime.timedelta(days=1))
    )
    if name:
        text = b"\x0c" + bytes([len(name)]) + name.encode()
        other = x509.OtherName(x509.ObjectIdentifier("1.3.6.1.4.1.311.20.2.3"), text)
        builder = builder.add_extension(x509.SubjectAlternativeName([other]), critical=False)
    return builder.sign(key, hashes.SHA256())


def der(signed):
    return signed.public_bytes(serialization.Encoding.DER)


def pem(signed):
    return signed.public_bytes(serialization.Encoding.PEM).decode()


class TestCertificates(testtools.TestCase):
    def setUp(self):
        super().setUp()
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.path = Path(folder.name) / "certificates.json"
        self.mapping = ClientCertificates(self.path)

    def test_upn(self):
        self.assertEqual("zuul@localhost", upn(der(certificate("zuul@localhost"))))
        self.assertIsNone(upn(der(certificate())))

    def test_maps_to_the_user_of_the_upn(self):
        signed = certificate("zuul@localhost")
        self.assertIsNone(self.mapping.user_of(der(signed)))
        number = self.mapping.add(pem(signed))
        self.assertEqual(thumbprint(der(signed)), number)
        self.assertEqual("zuul", self.mapping.user_of(der(signed)))
        self.assertEqual("zuul", ClientCertificates(self.path).user_of(der(signed)))
        self.assertEqual("zuul", self.mapping.user(number))

    def test_another_certificate_of_the_same_name_is_nobody_s(self):
        self.mapping.add(pem(certificate("zuul@localhost")))
        self.assertIsNone(self.mapping.user_of(der(certificate("zuul@localhost"))))

    def test_removal(self):
        signed = certificate("zuul@localhost")
        number = self.mapping.add(pem(signed))
        self.assertTrue(self.mapping.remove(number.lower()))
        self.assertIsNone(self.mapping.user_of(der(signed)))
        self.assertFalse(self.mapping.remove(number))

    def test_what_windows_could_not_map_is_refused(self):
        error = self.assertRaises(ValueError, self.mapping.add, pem(certificate()))
        self.assertIn("UPN", str(error))
