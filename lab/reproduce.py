# SPDX-License-Identifier: Apache-2.0
"""`./hyperv-ci reproduce`: the run of a build once more, from what its log page says of it.

zuul-info/inventory.yaml on the page has the variables and the commits, zuul-info/revisions.json what each
commit was made of. A commit that Zuul made, by merging a change, is made again from its parents, and counts
if its tree is the same.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import requests
import yaml
from rich.console import Console

from lab import jobs
from lab.commands import git
from lab.errors import LabError
from lab.home import Home
from lab.pair import PLAYBOOKS, Pair
from lab.projects import IDENTITY

INVENTORY, REVISIONS = "zuul-info/inventory.yaml", "zuul-info/revisions.json"
RESULTS = "controller/tempest/results.json"
# Variables of Zuul's inventory that are about its own nodes and site: the lab's take their place.
OF_THE_SITE = re.compile(r"zuul|site_|ansible_|wheelhouse_platform$|volume_backend$|nodepool$")
PHASES = ("pre.yaml", "run.yaml", "post.yaml")
COMMIT = re.compile(r"[0-9a-f]{40}")


@dataclass(frozen=True)
class Commit:
    """A commit as revisions.json has it."""

    hash: str
    tree: str
    parents: list[str]


@dataclass(frozen=True)
class Project:
    """A project of the build.

    :ivar history: its commit and, by first parents, those before it
    :ivar refs: where its Gerrit has the branch and the changes that were tested
    :ivar gerrit: address that its Gerrit's repositories are below, or None
    """

    name: str
    history: list[Commit]
    refs: list[str]
    gerrit: str | None


@dataclass(frozen=True)
class Build:
    """What a log page says of a build.

    :ivar failed: ids of the tests that failed; None if the build got to no test
    """

    uuid: str
    job: str
    change: str
    projects: list[Project]
    variables: dict
    failed: list[str] | None


def read(where: str) -> Build:
    """Return the build whose page is at an address or in a folder.

    :raises LabError: if there is no page, or it does not say what the run was made of
    """
    try:
        variables = yaml.safe_load(_file(where, INVENTORY))["all"]["vars"]
        zuul = variables["zuul"]
        histories = json.loads(_file(where, REVISIONS))
        projects = [_project(project, histories, zuul) for project in zuul["projects"].values()]
        results = _file(where, RESULTS, missing="")
        change = f"{zuul['change']},{zuul['patchset']}" if "change" in zuul else zuul["ref"]
        change = f"{zuul['project']['name']} {change}"
        own = {name: value for name, value in variables.items() if not OF_THE_SITE.match(name)}
        failed = failures(results) if results else None
        return Build(zuul["build"], zuul["job"], change, projects, own, failed)
    except (yaml.YAMLError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise LabError(f"{where} is no page of a build that can be run again: {error!r}") from error


def _file(where: str, name: str, missing: str | None = None) -> str:
    if re.match(r"https?://", where):
        url = f"{where.removesuffix('index.html').rstrip('/')}/{name}"
        try:
            answer = requests.get(url, timeout=30)
        except requests.RequestException as error:
            raise LabError(f"{url} cannot be read: {error}") from error
        if answer.ok:
            return answer.content.decode()
        reason = f"{answer.url} answers {answer.status_code}"
    else:
        path = Path(where, name)
        if path.is_file():
            return path.read_text(encoding="utf-8")
        reason = f"{path} does not exist"
    if missing is None:
        raise LabError(f"{reason}: expected the page of a build, with {INVENTORY} and {REVISIONS}")
    return missing


def _project(project: dict, histories: dict, zuul: dict) -> Project:
    history = [Commit(*line.split()[:2], line.split()[2:]) for line in histories[project["name"]]]
    if project["commit"] != history[0].hash or not all(COMMIT.fullmatch(commit.hash) for commit in history):
        raise ValueError(
            f"{project['name']} was at {project['commit']}, {REVISIONS} begins {history[0].hash}"
        )
    if not all(part.strip(".") for part in project["name"].split("/")):
        raise ValueError(f"{project['name']!r} is no name of a project")
    refs, gerrit = [f"refs/heads/{project['checkout']}"], None
    for item in zuul.get("items", []):
        if "change_url" in item and "patchset" in item:
            address, found, _ = item["change_url"].partition(f"/c/{item['project']['name']}/+/")
            gerrit = gerrit or (address if found else None)
            if item["project"]["name"] == project["name"]:
                number = int(item["change"])
                refs.append(f"refs/changes/{number % 100:02}/{number}/{item['patchset']}")
    return Project(project["name"], history, refs, gerrit)


def fetch(home: Home, pair: Pair, project: Project) -> str:
    """Give the pair a project's revision; return in words where it is from.

    :raises LabError: if it is gone
    """
    source = pair.make_source(project.name)
    tried = []
    for place, bring in _places(home, source, project):
        try:
            bring()
        except LabError as error:
            tried.append(f"{place} ({error})")
            continue
        tried.append(place)
        base = next(
            (index for index, commit in enumerate(project.history) if _has(source, commit.hash)), None
        )
        if base is not None and all(
            _has(source, parent) for one in project.history[:base] for parent in one.parents[1:]
        ):
            _make(source, project, base)
            return place
    raise LabError(
        f"the revision of {project.name} is gone: {project.history[0].hash} and what it was made of are not "
        f"all in {' or '.join(tried) or 'any repository that is known here'}"
    )


def _places(home: Home, source: Path, project: Project) -> Iterator[tuple]:
    """Yield where a revision may be: a name, and a function that brings what is there."""
    objects = home.gerrit_site / "git" / f"{project.name}.git" / "objects"
    if objects.is_dir():
        alternates = source / "objects/info/alternates"
        yield "the lab's Gerrit", lambda: alternates.write_text(f"{objects}\n", encoding="utf-8")
    if project.gerrit:
        url = f"{project.gerrit}/{project.name}"
        refs = [f"+{ref}:{ref}" for ref in project.refs]
        yield url, lambda: git(source, "fetch", "--quiet", "--", url, *refs)


def _has(repository: Path, commit: str) -> bool:
    try:
        git(repository, "cat-file", "-e", f"{commit}^{{commit}}")
    except LabError:
        return False
    return True


def _make(source: Path, project: Project, base: int) -> None:
    """Make HEAD the project's revision, which stands on the commit `base` of its history."""
    head = project.history[base].hash
    for commit in reversed(project.history[:base]):
        tree = (
            git(source, "merge-tree", "--write-tree", head, commit.parents[1]).split()[0]
            if commit.parents[1:]
            else None
        )
        if tree != commit.tree:
            raise LabError(
                f"the revision of {project.name} is gone: the merge of {' and '.join(commit.parents)} has "
                f"the tree {tree}, expected {commit.tree}"
            )
        parents = [word for parent in (head, commit.parents[1]) for word in ("-p", parent)]
        head = git(
            source, "commit-tree", tree, *parents, "-m", f"As {commit.hash}", environment=IDENTITY
        ).strip()
    git(source, "update-ref", "--no-deref", "HEAD", head)


def run(home: Home, console: Console, build: Build, *, dry_run: bool, failing_only: bool) -> bool:
    """Run a build again, or print what would be done; return whether the same tests failed.

    :raises LabError: if a revision is gone, or there are no failing tests to choose
    """
    if failing_only and not build.failed:
        raise LabError(f"no test of build {build.uuid} failed: --failing-only has nothing to run")
    pair = Pair(home, "again")
    pair.clear()
    console.print(f"{build.job} of build {build.uuid}, on {build.change}")
    # The revisions first: without them there is no need for nodes.
    for project in build.projects:
        place = fetch(home, pair, project)
        console.print(f"  {project.name:16}{project.history[0].hash} from {place}", soft_wrap=True)
    for name, value in build.variables.items():
        console.print(f"  {name:16}{value}", soft_wrap=True)
    chosen = "\n".join(build.failed) if failing_only else "the selection of the job"
    console.print(f"  {'tests':16}{chosen}", soft_wrap=True)
    console.print(
        f"  {'playbooks':16}{', '.join(PHASES)} in {PLAYBOOKS} of that hyperv-ci, on nodes made for it"
    )
    if dry_run:
        return True
    failed = _play(pair, build, failing_only)
    for test in sorted({*(failed or ()), *(build.failed or ())}):
        there, here = ("failed" if test in (tests or ()) else "passed" for tests in (build.failed, failed))
        console.print(f"{test}: {there} there, {here} here", soft_wrap=True)
    if failed is None:
        console.print(
            "The run got to no test" + (", as that one." if build.failed is None else "; that one did.")
        )
    console.print(f"logs: {pair.logs}", soft_wrap=True)
    return failed == build.failed


def _play(pair: Pair, build: Build, failing_only: bool) -> list[str] | None:
    """Run the playbooks; return which tests failed, or None if it got to no test."""
    checkout = pair.root / "checkout"
    git(pair.root, "clone", "--quiet", "--shared", pair.source("hyperv-ci"), checkout)
    variables = build.variables | (pair.chosen(map(expression, build.failed)) if failing_only else {})
    try:
        pair.create(jobs.read(checkout, build.job))
        *before, last = PHASES
        # What follows a playbook that failed is the logs, as under Zuul.
        all(pair.play(playbook, variables, checkout=checkout) for playbook in before)
        pair.play(last, variables, checkout=checkout)
    finally:
        pair.end()
    results = pair.logs / RESULTS
    return failures(results.read_text(encoding="utf-8")) if results.exists() else None


def failures(results: str) -> list[str]:
    """Return the ids of the tests that failed, of the text of results.json."""
    return sorted(test["id"] for test in json.loads(results) if test["status"] == "fail")


def expression(test: str) -> str:
    """Return what stestr selects a test by, or the class of tests whose preparation failed."""
    if match := re.fullmatch(r"(?:setUp|tearDown)Class \((.+)\)", test):
        return rf"^{re.escape(match[1])}\."
    return rf"^{re.escape(test)}(\[|$)"
