# SPDX-License-Identifier: Apache-2.0
"""The maintainer's mailbox, an SMTP server that keeps mails: `python -m lab.services.mail FOLDER`."""

import asyncio
import itertools
import sys
import time
from pathlib import Path

from aiosmtpd.smtp import SMTP

from lab.home import CHECKOUT, Home
from lab.services.daemon import Daemon

ADDRESS, PORT = "127.0.0.1", 8025


class Mailbox:
    """Writes each mail to a file of its own, named so that they sort by time."""

    def __init__(self, folder: Path):
        self._folder = folder
        self._number = itertools.count(1)

    async def handle_DATA(self, _server, _session, envelope) -> str:
        """Keep a mail; the name is the library's."""
        name = f"{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}-{next(self._number):04}.eml"
        # Whoever waits for a mail must not see half of it.
        unfinished = self._folder / f".{name}"
        unfinished.write_bytes(envelope.content.replace(b"\r\n", b"\n"))
        unfinished.rename(self._folder / name)
        return f"250 kept as {name}"


async def serve(folder: Path, port: int) -> asyncio.Server:
    """Return the running server."""
    mailbox = Mailbox(folder)
    return await asyncio.get_running_loop().create_server(
        lambda: SMTP(mailbox, hostname="hyperv-ci-lab"), ADDRESS, port
    )


def daemon(home: Home) -> Daemon:
    """Return the mailbox's daemon."""
    return Daemon(home, "mail")


def start(home: Home) -> None:
    """Start the mailbox."""
    home.mails.mkdir(exist_ok=True, mode=0o700)
    daemon(home).start([sys.executable, "-m", "lab.services.mail", home.mails], {"PYTHONPATH": str(CHECKOUT)})


def wait(home: Home) -> None:
    """Wait until the mailbox takes mails."""
    daemon(home).wait_for_port(ADDRESS, PORT)


async def main(folder: Path) -> None:
    """Take mails until the process is ended."""
    await (await serve(folder, PORT)).serve_forever()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
