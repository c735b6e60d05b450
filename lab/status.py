# SPDX-License-Identifier: Apache-2.0
"""What `lab status` and `lab log` show."""

from collections.abc import Iterator
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from lab import lifecycle
from lab.errors import LabError
from lab.home import Home
from lab.services import accounts, gerrit, pages, zuul

# As many lines of a log as fit a screen.
LINES = 40


def show(home: Home, console: Console) -> None:
    """Print which servers run, the addresses, how to work with Gerrit, and the latest builds."""
    table = Table("server", "pid", "log", box=None, pad_edge=False, header_style="bold")
    for daemon in lifecycle.daemons(home):
        process = daemon.process
        table.add_row(daemon.name, str(process.pid) if process else Text("down", "red"), str(daemon.log))
    console.print(table)
    if not lifecycle.is_up(home):
        console.print(f"\nThe lab in {home.root} is not up.")
        return
    developer = home.accounts / accounts.DEVELOPER.name
    console.print(
        f"\nZuul       {zuul.URL}/t/{zuul.TENANT}/status\n"
        f"log pages  {pages.URL}/\n"
        f"Gerrit     {gerrit.URL}/ (REST; no pages), ssh port {gerrit.SSH_PORT}\n"
        f"mails      {home.mails}: {len(_mails(home))} to the maintainer\n\n"
        f"Users: {', '.join(account.name for account in accounts.ACCOUNTS)}; "
        f"what each needs is in {home.accounts}/NAME. As the developer:\n"
        f"  export GIT_SSH_COMMAND='ssh -F {developer}/ssh_config'\n"
        f"  git clone ssh://gerrit/{accounts.NOVA}\n"
        f"  git -c credential.helper='store --file {developer}/git-credentials' "
        f"clone http://{accounts.DEVELOPER.name}@{gerrit.ADDRESS}:{gerrit.HTTP_PORT}/a/{accounts.NOVA}\n"
        f"  git push origin HEAD:refs/for/master\n",
        soft_wrap=True,
    )
    builds = Table(
        "build", "change", "project", "result", "log page", box=None, pad_edge=False, header_style="bold"
    )
    running = {job["uuid"] for _, job in _running_jobs()}
    for build in zuul.get(f"tenant/{zuul.TENANT}/builds?limit=5") or []:
        ref = build["ref"]
        builds.add_row(
            build["job_name"],
            f"{ref['change']},{ref['patchset']}" if ref["change"] else ref["branch"],
            ref["project"],
            build["result"] or ("running" if build["uuid"] in running else "cut off"),
            build["log_url"] or "",
        )
    console.print(builds)


def running_builds() -> list[str]:
    """Return the builds that Zuul is at, e.g. `hyperv-tempest of change 3,1`."""
    return [f"{job['name']} of {_name(item['refs'][0])}" for item, job in _running_jobs()]


def _name(ref: dict) -> str:
    return f"change {ref['id']}" if ref["id"] else f"{ref['project']}'s {ref['ref']}"


def _running_jobs() -> Iterator[tuple[dict, dict]]:
    """Yield the items of Zuul's status with their jobs that have no result."""
    # A pipeline that Zuul has only just loaded has no queues yet.
    status = zuul.get(f"tenant/{zuul.TENANT}/status") or {"pipelines": []}
    queues = [queue for pipeline in status["pipelines"] for queue in pipeline.get("change_queues", [])]
    for item in (item for queue in queues for heads in queue["heads"] for item in heads):
        yield from ((item, job) for job in item["jobs"] if not job["result"])


def _mails(home: Home) -> list[Path]:
    return sorted(home.mails.glob("*.eml"))


def show_logs(home: Home, console: Console) -> None:
    """Print where every log and mail is, and the newest log page."""
    for path in (*sorted(home.logs.rglob("*.log")), *_mails(home)):
        console.print(str(path), soft_wrap=True)
    newest = (zuul.get(f"tenant/{zuul.TENANT}/builds?limit=1") or [None])[0]
    if newest and newest["log_url"]:
        console.print(f"newest log page: {newest['log_url']}", soft_wrap=True)


def show_log(home: Home, console: Console, service: str) -> None:
    """Print the end of a server's log.

    :raises LabError: if there is no such server
    """
    log = home.logs / f"{service}.log"
    if not log.exists():
        names = ", ".join(daemon.name for daemon in lifecycle.daemons(home))
        raise LabError(f"{service} has no log in {home.logs}: expected one of {names}")
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    for line in lines[-LINES:]:
        console.print(line, soft_wrap=True)
    console.print(f"\nall of it: {log}", soft_wrap=True)
