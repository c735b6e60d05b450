# SPDX-License-Identifier: Apache-2.0
"""Changes: made and pushed as the ordinary developer does it, over SSH, to refs/for/master."""

import contextlib
import secrets
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from lab.commands import git
from lab.errors import LabError
from lab.home import Home
from lab.projects import BRANCH, remote, ssh_environment
from lab.services import accounts, gerrit

# A comment at the end of a file that nova-compute imports; the time makes it another change each time.
DEFAULT_FILE = "nova/virt/driver.py"


@dataclass(frozen=True)
class Change:
    """One patch set of a change in Gerrit."""

    number: int
    patchset: int
    project: str
    subject: str

    @property
    def name(self) -> str:
        """Return what Zuul calls it: `3,1`."""
        return f"{self.number},{self.patchset}"

    @property
    def url(self) -> str:
        """Return its address in Gerrit."""
        return f"{gerrit.URL}/c/{self.project}/+/{self.number}/{self.patchset}"


def client(home: Home, account: accounts.Account = accounts.DEVELOPER) -> accounts.Rest:
    """Return Gerrit's REST API as an account of the running lab."""
    secret = (home.accounts / account.name / "http-password").read_text(encoding="ascii").strip()
    return accounts.Rest(account.name, secret)


def find(home: Home, number: int) -> Change:
    """Return the current patch set of a change.

    :raises LabError: if there is no such change
    """
    rest = client(home)
    if not rest.exists(f"changes/{number}"):
        raise LabError(f"Gerrit has no change {number}")
    found = rest.get(f"changes/{number}?o=CURRENT_REVISION")
    patchset = found["revisions"][found["current_revision"]]["_number"]
    return Change(found["_number"], patchset, found["project"], found["subject"])


def newest(home: Home) -> int:
    """Return the number of the newest open change.

    :raises LabError: if there is none
    """
    found = client(home).get("changes/?q=status:open&n=1")
    if not found:
        raise LabError("Gerrit has no open change: push one with `./hyperv-ci lab push`")
    return found[0]["_number"]


def check_project(home: Home, project: str) -> None:
    """Raise LabError, naming those there are, if Gerrit has no such project."""
    rest = client(home)
    if not rest.exists(f"projects/{accounts.quote(project)}"):
        there = sorted(set(rest.get("projects/")) - {"All-Projects", "All-Users"})
        raise LabError(f"Gerrit has no project {project}, only {', '.join(there)}")


def push(home: Home, project: str, patch: Path | None = None, parent: Change | None = None) -> Change:
    """Make a commit, push it for review, return the change.

    :param patch: what to commit, as git-format-patch or git-diff wrote it; a comment in nova if not given
    :param parent: the change to push on top of, instead of master
    :raises LabError: if there is no such project, the patch does not apply, or Gerrit refuses the push
    """
    check_project(home, project)
    if patch is None and project != accounts.NOVA:
        raise LabError(f"what to push to {project}? Name it with --patch")
    if patch is not None and not patch.is_file():
        raise LabError(f"{patch} does not exist: expected a patch")
    with _checkout(home, project, parent) as tree:
        if patch is None:
            _append_comment(tree)
        else:
            _apply(tree, patch.resolve(), project)
        return _push(home, project, tree)


@contextlib.contextmanager
def _checkout(home: Home, project: str, parent: Change | None) -> Iterator[Path]:
    as_developer = ssh_environment(home, accounts.DEVELOPER)
    ref = f"refs/heads/{BRANCH}"
    if parent:
        ref = f"refs/changes/{parent.number % 100:02}/{parent.number}/{parent.patchset}"
    with tempfile.TemporaryDirectory(prefix="hyperv-ci-") as folder:
        tree = Path(folder)
        git(tree, "init", "--quiet")
        git(tree, "config", "user.name", accounts.DEVELOPER.full_name)
        git(tree, "config", "user.email", accounts.DEVELOPER.email)
        # The objects are on this disk; to pack and send nova's would take longer than the rest.
        alternates = tree / ".git/objects/info/alternates"
        alternates.write_text(f"{home.gerrit_site}/git/{project}.git/objects\n", encoding="utf-8")
        git(tree, "fetch", "--quiet", remote(project), ref, environment=as_developer)
        git(tree, "checkout", "--quiet", "--detach", "FETCH_HEAD")
        yield tree


def _append_comment(tree: Path) -> None:
    path = tree / DEFAULT_FILE
    if not path.exists():
        raise LabError(f"this nova has no {DEFAULT_FILE} to put a comment into: name a change with --patch")
    now = time.strftime("%Y-%m-%d %H:%M:%S")
    with path.open("a", encoding="utf-8") as file:
        file.write(f"\n# Nothing changed here: pushed by `hyperv-ci lab`, {now}.\n")
    git(tree, "commit", "--quiet", "--all", "--message", "Say when the lab pushed a change")


def _apply(tree: Path, patch: Path, project: str) -> None:
    try:
        git(tree, "apply", "--check", patch)
    except LabError as error:
        reason = str(error).partition(": ")[2].removeprefix("error: ")
        raise LabError(f"{patch.name} does not apply to {project}: {reason}") from error
    if patch.read_bytes().startswith(b"From "):
        git(tree, "am", "--quiet", "--keep-non-patch", patch)
    else:
        git(tree, "apply", "--index", patch)
        git(tree, "commit", "--quiet", "--message", f"Apply {patch.name}")


def _push(home: Home, project: str, tree: Path) -> Change:
    message = git(tree, "log", "-1", "--format=%B")
    change_id = git(tree, "log", "-1", "--format=%(trailers:key=Change-Id,valueonly)").strip()
    if not change_id:
        change_id = f"I{secrets.token_hex(20)}"
        trailer = f"Change-Id: {change_id}"
        git(tree, "commit", "--quiet", "--amend", "--message", message, "--trailer", trailer)
    git(
        tree,
        "push",
        "--quiet",
        remote(project),
        f"HEAD:refs/for/{BRANCH}",
        environment=ssh_environment(home, accounts.DEVELOPER),
    )
    found = client(home).get(f"changes/?q=change:{change_id}+project:{project}+branch:{BRANCH}")
    return find(home, found[0]["_number"])


def comment(home: Home, change: Change, text: str) -> None:
    """Comment on a change as the developer."""
    client(home).post(f"changes/{change.number}/revisions/current/review", {"message": text})
