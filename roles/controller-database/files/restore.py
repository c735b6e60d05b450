# SPDX-License-Identifier: Apache-2.0
"""Copy a saved database and write what makes it this controller's: ``restore.py SAVED FOLDER SQL``.

The environment brings ADDRESS, the passwords ADMIN, SERVICE and DATABASE, and VOLUMES, which is empty where
cinder does not run. FOLDER must not exist. SQL is a
file that the server reads when it starts (``--init-file``).
"""

import os
import shutil
import sys
from pathlib import Path

import bcrypt

# The host that the saved catalog names (nodepool/images/saved_database.py).
CONTROLLER = "controller.invalid"
SERVICES = ("cinder", "glance", "neutron", "nova", "placement")


def quoted(text):
    """Return a text as a literal of SQL."""
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def statements(environment):
    """Return the SQL, a statement each: the server's --init-file allows no line breaks inside one."""
    address, password = quoted(environment["ADDRESS"]), quoted(environment["DATABASE"])
    yield f"CREATE USER openstack@localhost IDENTIFIED BY {password};"
    yield "GRANT ALL ON *.* TO openstack@localhost;"
    yield f"UPDATE keystone.endpoint SET url = REPLACE(url, '{CONTROLLER}', {address});"
    if not environment["VOLUMES"]:
        # Clients try an endpoint of the catalog where nobody answers again and again.
        yield "UPDATE keystone.service SET enabled = FALSE WHERE type = 'block-storage';"
    for secret, users in (("ADMIN", ("admin",)), ("SERVICE", SERVICES)):
        # 4 rounds, as keystone.conf says: these passwords live as long as the controller.
        hashed = bcrypt.hashpw(environment[secret].encode(), bcrypt.gensalt(4)).decode()
        yield (
            "UPDATE keystone.password JOIN keystone.local_user ON local_user.id = password.local_user_id"
            f" SET password_hash = {quoted(hashed)} WHERE name IN ({', '.join(map(quoted, users))});"
        )


def main():
    saved, folder, sql = (Path(argument) for argument in sys.argv[1:])
    text = "".join(f"{statement}\n" for statement in statements(os.environ))
    with open(sql, "w", opener=lambda path, flags: os.open(path, flags, 0o600)) as file:
        file.write(text)
    shutil.copytree(saved, folder)
    print(f"copied {saved} to {folder}")


if __name__ == "__main__":
    main()
