# SPDX-License-Identifier: Apache-2.0
"""The web server that shows the published log pages: `python -m lab.services.pages DIRECTORY`."""

import functools
import http.server
import os
import socket
import sys
from pathlib import Path

from lab.home import CHECKOUT, Home
from lab.services.daemon import Daemon

ADDRESS, PORT = "127.0.0.1", 8088
URL = f"http://{ADDRESS}:{PORT}"
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

    def answers() -> bool:
        with socket.socket() as connection:
            return connection.connect_ex((ADDRESS, PORT)) == 0

    daemon(home).wait(answers, 20)


if __name__ == "__main__":
    handler = functools.partial(Handler, directory=sys.argv[1])
    http.server.ThreadingHTTPServer((ADDRESS, PORT), handler).serve_forever()
