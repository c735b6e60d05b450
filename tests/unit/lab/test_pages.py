# SPDX-License-Identifier: Apache-2.0
"""The log pages' web server: text as text, nothing from outside of the site."""

import functools
import http.server
import tempfile
import threading
import unittest
import urllib.error
import urllib.request
from pathlib import Path

from lab.services.pages import Handler


class QuietHandler(Handler):
    def log_message(self, *_):
        pass


class PagesTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.site = Path(folder.name, "site")
        self.site.mkdir()
        (Path(folder.name) / "secret").write_text("secret")
        handler = functools.partial(QuietHandler, directory=str(self.site))
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.addCleanup(self.server.server_close)
        thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        self.addCleanup(thread.join)
        self.addCleanup(self.server.shutdown)

    def get(self, path):
        return urllib.request.urlopen(f"http://127.0.0.1:{self.server.server_port}/{path}", timeout=5)

    def test_a_log_is_text(self):
        (self.site / "nova-compute.log").write_text("é")
        with self.get("nova-compute.log") as answer:
            self.assertEqual("text/plain; charset=utf-8", answer.headers["Content-Type"])
            self.assertEqual("é", answer.read().decode())

    def test_a_page_may_not_act_on_the_lab(self):
        (self.site / "index.html").write_text("<p>")
        with self.get("") as answer:
            self.assertIn("connect-src 'none'", answer.headers["Content-Security-Policy"])

    def test_a_link_that_leads_outside_is_not_followed(self):
        (self.site / "link").symlink_to("../secret")
        (self.site / "folder").symlink_to("..")
        for path in ("link", "folder/secret", "../secret", "%2e%2e/secret"):
            with self.subTest(path), self.assertRaises(urllib.error.HTTPError) as caught:
                self.get(path)
            self.assertEqual(404, caught.exception.code)
            caught.exception.close()
