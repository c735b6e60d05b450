# SPDX-License-Identifier: Apache-2.0
"""Gerrit's answers as the lab's client reads them, and the clients of its users."""

import http.server
import tempfile
import threading
import unittest
from pathlib import Path
from unittest import mock

from lab import changes
from lab.errors import LabError
from lab.home import Home
from lab.services import accounts, gerrit


class FakeGerrit(http.server.BaseHTTPRequestHandler):
    """Answers as Gerrit's REST API does: with its first line, and with errors in plain text."""

    answers = {
        "/a/projects/": (200, ")]}'\n" + '{"All-Projects": {}, "All-Users": {}, "openstack/nova": {}}'),
        "/a/projects/openstack%2Fnova": (200, ")]}'\n{}"),
        "/a/empty": (204, ""),
        "/a/refused": (409, "Account already exists\n"),
    }

    def do_GET(self):
        code, text = self.answers.get(self.path, (404, "Not found: " + self.path))
        self.send_response(code)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *_):
        pass


class RestTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.home = Home(Path(folder.name))
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), FakeGerrit)
        self.addCleanup(server.server_close)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        self.addCleanup(thread.join)
        self.addCleanup(server.shutdown)
        url = mock.patch.object(gerrit, "URL", f"http://127.0.0.1:{server.server_port}")
        url.start()
        self.addCleanup(url.stop)
        self.rest = accounts.Rest("developer", "x")

    def test_the_first_line_is_no_json(self):
        self.assertIn("openstack/nova", self.rest.get("projects/"))

    def test_an_empty_answer(self):
        self.assertIsNone(self.rest.get("empty"))

    def test_existence(self):
        self.assertTrue(self.rest.exists("projects/openstack%2Fnova"))
        self.assertFalse(self.rest.exists("projects/x"))

    def test_a_refusal_is_in_gerrit_s_words(self):
        with self.assertRaisesRegex(LabError, "Gerrit refuses GET refused with 409: Account already exists"):
            self.rest.get("refused")

    def test_an_unknown_project_and_those_there_are(self):
        accounts.write_client(self.home, accounts.DEVELOPER, "x")
        with self.assertRaisesRegex(LabError, "Gerrit has no project nova, only openstack/nova$"):
            changes.check_project(self.home, "nova")

    def test_what_a_user_gets_is_the_user_s_own(self):
        accounts.write_client(self.home, accounts.DEVELOPER, "x")
        for name in ("http-password", "git-credentials"):
            mode = (self.home.accounts / "developer" / name).stat().st_mode
            self.assertEqual(0o600, mode & 0o777, name)
