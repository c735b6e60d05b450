# SPDX-License-Identifier: Apache-2.0
"""What the lab's Gerrit hosts: nova, this repository, and its folder trusted/."""

import contextlib
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from lab import config_project
from lab.commands import git, installer_environment, run
from lab.errors import LabError
from lab.home import CHECKOUT, Home
from lab.services import accounts

NOVA_VERSION = "34.0.0"
BRANCH = "master"
# One and the same root commit in every lab: who, when and what are fixed.
IDENTITY = {
    f"GIT_{who}_{what}": value
    for who in ("AUTHOR", "COMMITTER")
    for what, value in (
        ("NAME", "hyperv-ci lab"),
        ("EMAIL", "lab@example.com"),
        ("DATE", "2026-01-01T00:00Z"),
    )
}


def nova_repository(home: Home) -> Path:
    """Return the bare repository of nova's source distribution, which `lab install` makes."""
    return home.cache / f"nova-{NOVA_VERSION}.git"


def make_nova_repository(home: Home, repository: Path, version: str, log: Path) -> None:
    """Fetch nova's source distribution and make it the root commit of a bare repository."""
    with tempfile.TemporaryDirectory(dir=home.cache) as folder:
        pip = [sys.executable, "-m", "pip", "download", "--no-deps", "--no-binary", ":all:"]
        run([*pip, "--dest", folder, f"nova=={version}"], environment=installer_environment(), log=log)
        run(["tar", "--extract", "--file", f"{folder}/nova-{version}.tar.gz", "--directory", folder], log=log)
        tree = Path(folder, f"nova-{version}")
        git(tree, "init", "--quiet", "--initial-branch", BRANCH)
        # --force: what nova's .gitignore names is in the distribution for a reason (its version, for one).
        git(tree, "add", "--force", "--all")
        git(tree, "commit", "--quiet", "--message", f"nova {version}", environment=IDENTITY)
        shutil.rmtree(repository, ignore_errors=True)
        git(tree, "clone", "--quiet", "--bare", tree, repository)


def publish(home: Home, project: str, repository: Path, revision: str) -> str:
    """Make a revision the head of a project's master; return its hash.

    :raises LabError: if the repository has no such revision, or Gerrit refuses the push
    """
    commit = git(repository, "rev-parse", "--verify", "--quiet", f"{revision}^{{commit}}").strip()
    git(
        repository,
        "push",
        "--quiet",
        "--force",
        "-o",
        "skip-validation",
        remote(project),
        f"{commit}:refs/heads/{BRANCH}",
        environment=ssh_environment(home, accounts.ADMIN),
    )
    return commit


def publish_checkout(home: Home, *, force: bool = False) -> bool:
    """Publish this repository's HEAD as hyperv-ci, and its folder trusted/ as hyperv-ci-config.

    :param force: even if Gerrit's hyperv-ci has commits that HEAD does not have
    :returns: whether Gerrit had another HEAD before
    :raises LabError: if Gerrit's hyperv-ci has commits of its own
    """
    commit = git(CHECKOUT, "rev-parse", "HEAD").strip()
    published = head(home, accounts.DRIVER)
    if published == commit:
        return False
    if published and not force and not is_ancestor(CHECKOUT, published, commit):
        raise LabError(
            f"{accounts.DRIVER} in Gerrit is at {published[:12]}, on which HEAD, {commit[:12]}, does not "
            "stand: `lab publish --force`, or `lab up --force` if the lab is down, replaces it"
        )
    publish(home, accounts.DRIVER, CHECKOUT, commit)
    tree = config_project.tree(CHECKOUT, commit)
    message = f"trusted/ of hyperv-ci {commit}"
    config = git(CHECKOUT, "commit-tree", tree, "-m", message, environment=IDENTITY).strip()
    publish(home, accounts.CONFIG, CHECKOUT, config)
    return True


def is_ancestor(repository: Path, commit: str, revision: str) -> bool:
    """Say whether a revision of a repository stands on a commit, which the repository need not have."""
    return commit in git(repository, "rev-list", revision).split()


def uncommitted() -> list[str]:
    """Return the files of this checkout that differ from HEAD, which is what the lab tests."""
    return [line[3:] for line in git(CHECKOUT, "status", "--porcelain").splitlines()]


def head(home: Home, project: str) -> str | None:
    """Return the commit that a project's master is at, or None if it is empty."""
    listing = run(
        ["git", "ls-remote", remote(project), f"refs/heads/{BRANCH}"],
        environment=ssh_environment(home, accounts.ADMIN),
    )
    return listing.split()[0] if listing else None


@contextlib.contextmanager
def opened(path: Path, branch: str | None) -> Iterator[tuple[Path, str]]:
    """Yield a repository and the branch to import, for a path that is a repository or a bundle.

    :raises LabError: if it is neither, or does not have the branch
    """
    if not path.exists():
        raise LabError(f"{path} does not exist: expected a git repository or a bundle")
    with tempfile.TemporaryDirectory(prefix="hyperv-ci-") as unpacked:
        repository = path.resolve()
        if path.is_file():
            try:
                git(Path(unpacked), "clone", "--quiet", "--mirror", repository, unpacked)
            except LabError as error:
                raise LabError(f"{path} is no git bundle: {str(error).partition(': ')[2]}") from error
            repository = Path(unpacked)
        branches = git(repository, "for-each-ref", "--format=%(refname:short)", "refs/heads").split()
        if branch is None and len(branches) > 1:
            raise LabError(f"{path} has the branches {', '.join(branches)}: name one with --branch")
        branch = branch or (branches or ["no branch at all"])[0]
        if branch not in branches:
            raise LabError(f"{path} has no branch {branch}, only {', '.join(branches) or 'none'}")
        yield repository, branch


def remote(project: str) -> str:
    """Return a project's address for git over SSH."""
    return f"ssh://gerrit/{project}"


def ssh_environment(home: Home, account: accounts.Account) -> dict[str, str]:
    """Return the variables with which git talks to Gerrit as an account."""
    return {"GIT_SSH_COMMAND": f"ssh -F '{home.accounts}/{account.name}/ssh_config'"}
