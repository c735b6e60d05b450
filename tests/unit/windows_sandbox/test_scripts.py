# SPDX-License-Identifier: Apache-2.0
from pathlib import Path

import testtools

from lab.windows_sandbox import scripts
from lab.windows_sandbox.scripts import client_certificates, event_logs, hyperv_inventory, live_migration

CHECKOUT = Path(__file__).parents[3]

COUNTERPARTS = {
    "roles/hyperv-inventory/files/hyperv-inventory.ps1": hyperv_inventory.inventory,
    "roles/hyperv-migration/files/allow-migration.ps1": live_migration.allow,
    "roles/windows-logs/files/export-event-log.ps1": event_logs.export,
    "trusted/roles/authorize-build/files/map-certificate.ps1": client_certificates.map_certificate,
}


class TestScripts(testtools.TestCase):
    def test_every_script_has_a_counterpart_that_was_written_for_it(self):
        found = {
            str(path.relative_to(CHECKOUT))
            for folder in ("roles", "trusted", "playbooks")
            for path in (CHECKOUT / folder).rglob("*.ps1")
        }
        self.assertEqual(set(COUNTERPARTS), found)
        for path, counterpart in COUNTERPARTS.items():
            number = scripts.digest((CHECKOUT / path).read_text())
            self.assertIs(counterpart, scripts.SCRIPTS.get(number), f"{path} has changed; it is {number} now")

    def test_line_ends_do_not_count(self):
        self.assertEqual(scripts.digest("a\nb\n"), scripts.digest("\ufeffa\r\nb\r\n\r\n"))
        self.assertNotEqual(scripts.digest("a\nb"), scripts.digest("a\nc"))

    def test_unknown_scripts_are_refused_by_hash_and_first_line(self):
        error = self.assertRaises(
            scripts.ScriptRefused, scripts.run, None, None, "# why\nRemove-Item C:\\", {}
        )
        self.assertIn(scripts.digest("# why\nRemove-Item C:\\"), str(error))
