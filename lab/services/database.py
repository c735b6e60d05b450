# SPDX-License-Identifier: Apache-2.0
"""MariaDB for Zuul's build history: a socket, no network."""

import getpass
import shutil
import subprocess

from lab.commands import run
from lab.home import Home
from lab.services.daemon import Daemon

OPTIONS = (
    "--no-defaults",
    "--skip-networking",
    "--performance-schema=OFF",
    "--innodb-buffer-pool-size=64M",
    # After a power failure the lab is made anew.
    "--innodb-flush-log-at-trx-commit=0",
    "--innodb-doublewrite=0",
    "--character-set-server=utf8mb4",
)


def daemon(home: Home) -> Daemon:
    """Return MariaDB's daemon."""
    return Daemon(home, "database", grace=15)


def uri(home: Home) -> str:
    """Return the address for SQLAlchemy; no password: the server asks the kernel who is at the other end."""
    return f"mysql+pymysql://{getpass.getuser()}@localhost/zuul?unix_socket={home.database}/socket"


def start(home: Home) -> None:
    """Start MariaDB on what an earlier lab left, or on new tables."""
    user, data = getpass.getuser(), home.database / "data"
    home.database.mkdir(exist_ok=True, mode=0o700)
    if not data.exists():
        unfinished = home.database / "unfinished"
        shutil.rmtree(unfinished, ignore_errors=True)
        run(
            [
                "mariadb-install-db",
                "--no-defaults",
                f"--user={user}",
                f"--datadir={unfinished}",
                "--skip-test-db",
                "--auth-root-authentication-method=socket",
                f"--auth-root-socket-user={user}",
            ],
            log=home.logs / "database-install.log",
        )
        unfinished.rename(data)
    daemon(home).start(
        [
            "mariadbd",
            *OPTIONS,
            f"--user={user}",
            f"--datadir={data}",
            f"--socket={home.database}/socket",
            f"--pid-file={home.database}/pid",
        ]
    )


def wait(home: Home) -> None:
    """Wait until MariaDB answers, then make Zuul's database if there is none."""
    client = ["mariadb", "--no-defaults", f"--socket={home.database}/socket"]

    def answers() -> bool:
        return subprocess.run([*client, "-e", "select 1"], capture_output=True, check=False).returncode == 0

    daemon(home).wait(answers, 60)
    run([*client, "-e", "create database if not exists zuul"])
