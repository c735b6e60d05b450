# SPDX-License-Identifier: Apache-2.0
"""Who may do what in the lab's Gerrit: accounts, groups, labels and permissions."""

import json
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote as _quote
from urllib.parse import unquote

import requests

from lab.errors import LabError
from lab.home import Home
from lab.services import gerrit
from lab.services.keys import password, write_secret, write_ssh_key


@dataclass(frozen=True)
class Account:
    """One Gerrit user."""

    name: str
    full_name: str
    groups: tuple[str, ...] = ()

    @property
    def email(self) -> str:
        """Return the address that the user's commits carry."""
        return f"{self.name}@example.com"


ADMIN = Account("admin", "Administrator")
CI = Account("hyperv-ci", "Hyper-V CI", ("Service Users", "Third-Party CI"))
DEVELOPER = Account("developer", "Dana Developer")
MAINTAINER = Account("maintainer", "Max Maintainer", ("Maintainers",))
# Merges what the CI itself makes of a merge: see trusted/roles/publish-config.
PUBLISHER = Account("publisher", "Hyper-V CI publisher", ("Publishers",))
ACCOUNTS = (MAINTAINER, DEVELOPER, CI, PUBLISHER)
GROUPS = ("Maintainers", "Third-Party CI", "Publishers")

NOVA, CONFIG, DRIVER = "openstack/nova", "hyperv-ci-config", "hyperv-ci"

VERIFIED = {
    "-2": "Fails",
    "-1": "Doesn't seem to work",
    " 0": "No score",
    "+1": "Works for me",
    "+2": "Verified",
}
WORKFLOW = {"-1": "Work in progress", " 0": "Ready for reviews", "+1": "Approved"}
# OpenStack's labels. NoBlock: what a merge needs is said by the submit requirements.
LABELS = {
    "Verified": {"values": VERIFIED, "copy_condition": "changekind:NO_CODE_CHANGE"},
    "Workflow": {"values": WORKFLOW},
}


class Rest:
    """Gerrit's REST API as one of its users.

    Every method returns the parsed answer, and raises LabError with Gerrit's own words if Gerrit refuses.
    """

    def __init__(self, user: str, secret: str):
        self._session = requests.Session()
        self._session.auth = (user, secret)

    def get(self, path: str):
        """Read, e.g. `get("groups/Maintainers")`."""
        return self._call("GET", path)

    def put(self, path: str, body: dict):
        """Make or replace."""
        return self._call("PUT", path, json=body)

    def post(self, path: str, body: dict | str):
        """Add, or cause an act; a string is sent as plain text."""
        if isinstance(body, str):
            return self._call("POST", path, data=body, headers={"Content-Type": "text/plain"})
        return self._call("POST", path, json=body)

    def delete(self, path: str) -> None:
        """Delete."""
        self._call("DELETE", path)

    def exists(self, path: str) -> bool:
        """Say whether there is such a thing."""
        return self._call("GET", path, missing_is_fine=True) is not None

    def _call(self, method: str, path: str, *, missing_is_fine: bool = False, **content):
        answer = self._session.request(method, f"{gerrit.URL}/a/{path}", timeout=30, **content)
        if missing_is_fine and answer.status_code == 404:
            return None
        if not answer.ok:
            raise LabError(
                f"Gerrit refuses {method} {path} with {answer.status_code}: {answer.text.strip()[:200]}"
            )
        # JSON answers begin with the line )]}', which keeps browsers from running them as a script.
        return json.loads(answer.text.partition("\n")[2] or "null")


def quote(project: str) -> str:
    """Return a project's name as a part of an address."""
    return _quote(project, safe="")


def write_client(home: Home, account: Account, secret: str) -> None:
    """Write what `account` needs to use Gerrit: http-password, git-credentials and ssh_config."""
    folder = home.accounts / account.name
    write_secret(folder / "http-password", secret + "\n")
    address = gerrit.URL.removeprefix("http://")
    write_secret(folder / "git-credentials", f"http://{account.name}:{secret}@{address}\n")
    _write_ssh_config(folder, account, home.accounts / "known_hosts")


def copy_client(home: Home, account: Account, folder: Path) -> None:
    """Write what an account needs to use Gerrit over SSH into a folder, and nothing else."""
    write_secret(folder / "id_ed25519", (home.accounts / account.name / "id_ed25519").read_bytes())
    write_secret(folder / "known_hosts", (home.accounts / "known_hosts").read_bytes())
    _write_ssh_config(folder, account, folder / "known_hosts")


def _write_ssh_config(folder: Path, account: Account, known_hosts: Path) -> None:
    (folder / "ssh_config").write_text(
        f"Host gerrit {gerrit.ADDRESS}\n  HostName {gerrit.ADDRESS}\n  Port {gerrit.SSH_PORT}\n"
        f"  User {account.name}\n  IdentityFile {folder}/id_ed25519\n  IdentitiesOnly yes\n"
        f"  UserKnownHostsFile {known_hosts}\n  StrictHostKeyChecking yes\n  BatchMode yes\n",
        encoding="utf-8",
    )


def sign_in(home: Home) -> Rest:
    """Give the administrator a new HTTP password, over SSH, and return the API with it."""
    write_client(home, ADMIN, "")
    printed = gerrit.ssh(home, ADMIN.name, "gerrit", "set-account", "--generate-http-password", ADMIN.name)
    secret = printed.split()[-1]
    write_client(home, ADMIN, secret)
    return Rest(ADMIN.name, secret)


def ensure(home: Home, rest: Rest) -> None:
    """Make groups, accounts, labels, projects and permissions; accounts get new keys and passwords."""
    for group in GROUPS:
        if not rest.exists(f"groups/{group}"):
            rest.put(f"groups/{group}", {})
    for account in ACCOUNTS:
        _ensure_account(home, rest, account)
    for label, definition in LABELS.items():
        rest.put(
            f"projects/All-Projects/labels/{label}", {"function": "NoBlock", "default_value": 0, **definition}
        )
    rest.put(
        "projects/All-Projects/submit_requirements/Workflow",
        {
            "name": "Workflow",
            "submittability_expression": "-label:Workflow=MIN",
            "allow_override_in_child_projects": True,
        },
    )
    for project in (NOVA, CONFIG, DRIVER):
        if not rest.exists(f"projects/{quote(project)}"):
            rest.put(
                f"projects/{quote(project)}", {"branches": ["master"], "submit_type": "MERGE_IF_NECESSARY"}
            )
    for project in (CONFIG, DRIVER):
        rest.put(
            f"projects/{project}/submit_requirements/Verified",
            {"name": "Verified", "submittability_expression": "label:Verified=MAX AND -label:Verified=MIN"},
        )
    _grant(rest, "All-Projects", "Registered Users", {"label-Workflow": {"min": -1, "max": 0}})
    _grant(
        rest,
        "All-Projects",
        "Maintainers",
        {
            "label-Code-Review": {"min": -2, "max": 2},
            "label-Workflow": {"min": -1, "max": 1},
            "submit": {},
            "abandon": {},
        },
    )
    _grant(
        rest,
        "All-Projects",
        "Administrators",
        {"forgeAuthor": {}, "forgeCommitter": {}, "forgeServerAsCommitter": {}, "push": {"force": True}},
    )
    _grant(rest, NOVA, "Third-Party CI", {"label-Verified": {"min": -1, "max": 1}})
    for project in (CONFIG, DRIVER):
        _grant(rest, project, "Third-Party CI", {"label-Verified": {"min": -2, "max": 2}, "submit": {}})
    votes = {f"label-{label}": {"min": -2, "max": 2} for label in ("Code-Review", "Verified")}
    # Its commits are made with the name that Zuul gives to its checkouts.
    _grant(rest, CONFIG, "Publishers", {**votes, "submit": {}, "forgeCommitter": {}})
    # To submit by the very push, as %submit asks for, takes the permission there.
    _grant(rest, CONFIG, "Publishers", {"submit": {}}, "refs/for/refs/heads/*")


def _ensure_account(home: Home, rest: Rest, account: Account) -> None:
    key = write_ssh_key(home.accounts / account.name / "id_ed25519", account.email)
    secret = password()
    path = f"accounts/{account.name}"
    if rest.exists(path):
        for old in rest.get(f"{path}/sshkeys"):
            rest.delete(f"{path}/sshkeys/{old['seq']}")
        rest.put(f"{path}/password.http", {"http_password": secret})
        rest.post(f"{path}/sshkeys", key)
    else:
        rest.put(
            path, {"name": account.full_name, "email": account.email, "ssh_key": key, "http_password": secret}
        )
    for group in account.groups:
        rest.put(f"groups/{group}/members/{account.name}", {})
    write_client(home, account, secret)


def _grant(
    rest: Rest, project: str, group: str, permissions: dict[str, dict], refs: str = "refs/heads/*"
) -> None:
    """Allow a group what is named, on refs of a project; the values refine it: a vote's range."""
    # The ids of Gerrit's own groups, such as global:Registered-Users, come quoted.
    uuid = unquote(rest.get(f"groups/{group}")["id"])
    add = {name: {"rules": {uuid: {"action": "ALLOW", **rule}}} for name, rule in permissions.items()}
    for name, permission in add.items():
        if name.startswith("label-"):
            permission["label"] = name.removeprefix("label-")
    # What is there for the group goes first: of two rules Gerrit would heed the older one.
    remove = {name: {"rules": {uuid: {}}} for name in permissions}
    rest.post(
        f"projects/{quote(project)}/access",
        {what: {refs: {"permissions": rules}} for what, rules in (("remove", remove), ("add", add))},
    )
