# SPDX-License-Identifier: Apache-2.0
"""Make the database that a controller image carries: schemas, users and catalog, but no credentials.

Run inside the image, by its Python, with nova's release on PYTHONPATH: ``saved_database.py FOLDER WORK``.
Each run copies FOLDER, gives every user a password of its own and puts its address where CONTROLLER stands
(role controller-database); only migrations that a change adds are left to do then. WORK holds what is of no
use after.
"""

import concurrent.futures
import os
import secrets
import subprocess
import sys
import time
from pathlib import Path

CONTROLLER = "controller.invalid"
DATABASES = ("keystone", "glance", "placement", "neutron", "cinder", "nova", "nova_api", "nova_cell0")
# Nova fills these in from its own configuration, so that no address and no password is in the database.
CELL_DATABASE = "{scheme}://{username}:{password}@{hostname}/%s?{query}"
CELL_QUEUE = "{scheme}://{username}:{password}@{hostname}:{port}/"


class SavedDatabase:
    """A MariaDB of this program's own, in a folder that is complete once the ``with`` block ends."""

    def __init__(self, folder, work):
        self.folder = folder
        self.work = work
        self.socket = work / "mysql.sock"

    def __enter__(self):
        options = ["--no-defaults", f"--datadir={self.folder}"]
        self.run("mariadb-install-db", *options, "--skip-test-db", "--auth-root-authentication-method=socket")
        # The options that outlive this run are the role's too: the size of the log is part of the files.
        options += [f"--socket={self.socket}", "--skip-networking", "--innodb-log-file-size=16M"]
        options += ["--character-set-server=utf8mb3", "--innodb-flush-log-at-trx-commit=0"]
        # Without grants, so that no account of this run stays in the files.
        self.server = subprocess.Popen(["mariadbd", *options, "--skip-grant-tables"])
        while not self.socket.exists():
            if self.server.poll() is not None:
                raise SystemExit(f"mariadbd ended with {self.server.returncode}")
            time.sleep(0.1)
        statements = "".join(f"CREATE DATABASE {name};" for name in DATABASES)
        self.run("mariadb", "--no-defaults", f"--socket={self.socket}", input=statements, text=True)
        return self

    def __exit__(self, *error):
        self.server.terminate()
        if self.server.wait() and not any(error):
            raise SystemExit(f"mariadbd ended with {self.server.returncode}")

    def run(self, *command, **options):
        subprocess.run(command, check=True, **options)

    def url(self, name):
        return f"mysql+pymysql://localhost/{name}?unix_socket={self.socket}&charset=utf8"

    def configuration(self, name, text):
        """Write a service's configuration; return its path."""
        path = self.work / f"{name}.conf"
        path.write_text(text)
        return str(path)

    def run_program(self, name, *arguments):
        """Run a command of the image's environment (or of nova's, which is on PYTHONPATH)."""
        code = "import sys; from importlib.metadata import entry_points as e; sys.argv[0] = sys.argv.pop(1);"
        code += "(point,) = e(group='console_scripts', name=sys.argv[0]); sys.exit(point.load()())"
        self.run(sys.executable, "-W", "ignore", "-c", code, name, *arguments)

    def keystone(self):
        """Keystone's schema; the service users with passwords that nobody knows, and the catalog."""
        keys = self.work / "keys"
        keys.mkdir(mode=0o700)
        path = self.configuration(
            "keystone",
            f"[database]\nconnection = {self.url('keystone')}\n[identity]\npassword_hash_rounds = 4\n"
            f"[fernet_tokens]\nkey_repository = {keys}\n[fernet_receipts]\nkey_repository = {keys}\n"
            f"[credential]\nkey_repository = {keys}\n",
        )
        for command in ("db_sync", "fernet_setup"):
            self.run_program("keystone-manage", "--config-file", path, command)
        password = secrets.token_hex(16)
        url = f"http://{CONTROLLER}:5000/v3"
        arguments = ["--config-file", path, "bootstrap", "--bootstrap-password", password]
        arguments += [
            word for kind in ("public", "internal", "admin") for word in (f"--bootstrap-{kind}-url", url)
        ]
        self.run_program("keystone-manage", *arguments, "--bootstrap-region-id", "RegionOne")
        # A process of its own: keystone's application takes over the program that it is loaded into.
        environment = os.environ | {"OS_KEYSTONE_CONFIG_FILES": path, "ADMIN_PASSWORD": password}
        self.run(
            sys.executable,
            "-W",
            "ignore",
            Path(__file__).with_name("catalog.py"),
            CONTROLLER,
            env=environment,
        )

    def nova(self):
        databases = f"[database]\nconnection = {self.url('nova')}\n"
        databases += f"[api_database]\nconnection = {self.url('nova_api')}\n"
        queue = "[DEFAULT]\ntransport_url = rabbit://localhost:5672/\n"
        path = self.configuration("nova", databases + queue)
        manage = ("nova-manage", "--config-file", path)
        self.run_program(*manage, "api_db", "sync")
        cell0 = ("--database_connection", CELL_DATABASE % "nova_cell0")
        cell1 = ("--database_connection", CELL_DATABASE % "nova", "--transport-url", CELL_QUEUE)
        self.run_program(*manage, "cell_v2", "map_cell0", *cell0)
        self.run_program(*manage, "cell_v2", "create_cell", "--name", "cell1", *cell1)
        self.run_program(*manage, "db", "sync")

    def others(self):
        path = self.configuration("glance", f"[database]\nconnection = {self.url('glance')}\n")
        self.run_program("glance-manage", "--config-file", path, "db_sync")
        path = self.configuration(
            "placement", f"[placement_database]\nconnection = {self.url('placement')}\n"
        )
        self.run_program("placement-manage", "--config-file", path, "db", "sync")
        path = self.configuration(
            "neutron", f"[DEFAULT]\ncore_plugin = ml2\n[database]\nconnection = {self.url('neutron')}\n"
        )
        self.run_program("neutron-db-manage", "--config-file", path, "upgrade", "heads")
        path = self.configuration("cinder", f"[database]\nconnection = {self.url('cinder')}\n")
        self.run_program("cinder-manage", "--config-file", path, "db", "sync")


def main():
    folder, work = (Path(argument) for argument in sys.argv[1:])
    work.mkdir(parents=True)
    with SavedDatabase(folder, work) as database, concurrent.futures.ThreadPoolExecutor() as pool:
        # Their migrations are independent, and each is slow for its own reasons.
        for future in [pool.submit(step) for step in (database.nova, database.keystone, database.others)]:
            future.result()


if __name__ == "__main__":
    main()
