# SPDX-License-Identifier: Apache-2.0
import testtools

from tests import features


class FeaturesTest(testtools.TestCase):
    def test_the_table_in_the_docs_is_todays(self):
        written = (features.ROOT / "doc" / "source" / "features.rst").read_text()
        self.assertEqual(features.table(), written, "python -m tests.features > doc/source/features.rst")

    def test_what_is_missing_has_its_reason(self):
        missing = {name for name, tests in features.proofs().items() if not tests}
        self.assertEqual(missing, features.REASONS.keys())

    def test_unknown_features_are_refused(self):
        error = self.assertRaises(ValueError, features.feature, "Telepathy")
        self.assertIn("no such feature: Telepathy", str(error))
