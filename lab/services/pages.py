# SPDX-License-Identifier: Apache-2.0
"""The web server that shows the published log pages: `python -m lab.services.pages DIRECTORY`."""

import functools
import http.server
import os
import re
import sys
from pathlib import Path

from lab.home import CHECKOUT, Home
from lab.services import zuul
from lab.services.daemon import Daemon

ADDRESS, PORT = "127.0.0.1", 8088
URL = f"http://{ADDRESS}:{PORT}"
# What Zuul's comments link to, below the tenant's web-root.
REPORTED = re.compile(r"/build(set)?/[0-9a-f]{32}")
TEXT = "text/plain; charset=utf-8"


class Handler(http.server.SimpleHTTPRequestHandler):
    """Static files, logs as text, and nothing that a link leads out of the directory."""

    extensions_map = {
        **http.server.SimpleHTTPRequestHandler.extensions_map,
        ".log": TEXT,
        ".txt": TEXT,
        ".conf": TEXT,
        ".yaml": TEXT,
        ".ini": TEXT,
        ".json": "application/json",
        ".html": "text/html; charset=utf-8",
    }

    def translate_path(self, path: str) -> str:
        """Return the file behind an address; one that does not exist for a link that leads outside."""
        found = super().translate_path(path)
        inside = Path(found).resolve().is_relative_to(Path(self.directory).resolve())
        return found if inside else os.path.join(self.directory, "outside", "of", "the", "site")

    def send_head(self):
        """Send a reader to Zuul's own page where a comment's link has no page here."""
        if REPORTED.fullmatch(self.path) and not os.path.isdir(self.translate_path(self.path)):
            self.send_response(http.HTTPStatus.FOUND)
            self.send_header("Location", f"{zuul.URL}/t/{zuul.TENANT}{self.path}")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return None
        return super().send_head()

    def end_headers(self) -> None:
        """Add what keeps a page that a change made from acting on the lab's other ports."""
        self.send_header(
            "Content-Security-Policy", "sandbox allow-scripts; connect-src 'none'; form-action 'none'"
        )
        super().end_headers()


def daemon(home: Home) -> Daemon:
    """Return the web server's daemon."""
    return Daemon(home, "log-pages")


def start(home: Home) -> None:
    """Start the web server on the published pages."""
    home.site.mkdir(exist_ok=True, mode=0o700)
    daemon(home).start([sys.executable, "-m", "lab.services.pages", home.site], {"PYTHONPATH": str(CHECKOUT)})


def wait(home: Home) -> None:
    """Wait until the web server answers."""
    daemon(home).wait_for_port(ADDRESS, PORT)


if __name__ == "__main__":
    handler = functools.partial(Handler, directory=sys.argv[1])
    http.server.ThreadingHTTPServer((ADDRESS, PORT), handler).serve_forever()
