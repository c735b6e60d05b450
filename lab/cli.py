# SPDX-License-Identifier: Apache-2.0
"""The command line: `./hyperv-ci lab …`, `./hyperv-ci test`."""

import errno
import os
import signal
import sys
import time
from pathlib import Path

import click
import requests
from rich.console import Console
from rich.text import Text

from lab import (
    benchmark,
    changes,
    hold,
    host_benchmark,
    inner_loop,
    lifecycle,
    node_faults,
    projects,
    series,
    status,
    vote,
)
from lab import reproduce as reproducing
from lab.errors import LabError
from lab.home import CHECKOUT, Home
from lab.install import install as install_all
from lab.install import install_packages
from lab.pair import Pair
from lab.phases import Timeline
from lab.recording import archive as recordings
from lab.recording import comparison, model
from lab.services import accounts, zuul

# The exit code of a command that waited for a vote and got -1; 1 is an error of the lab, 2 a wrong command.
VOTED_DOWN = 3
NO_RUN = (
    "No run and no vote: what the change touches is no job's (documents, tests: irrelevant-files of "
    "trusted/zuul.d/projects.yaml). If it does not merge, the maintainer has a mail of it."
)

# Where there is no terminal, paths and addresses shall not be cut to the width of one. Brackets in subjects
# of changes and in names of tests are no markup.
console = Console(highlight=False, markup=False, width=None if sys.stdout.isatty() else 160)


force_option = click.option(
    "--force", is_flag=True, help="Even if Gerrit's hyperv-ci has commits that HEAD does not have."
)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def hyperv_ci():
    """Third-party CI for a Hyper-V driver of OpenStack Nova."""


@hyperv_ci.command(context_settings={"ignore_unknown_options": True})
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def test(**_arguments):
    """Run the tests: tox, with ARGUMENTS handed on to it."""
    with Timeline(console) as timeline:
        install_packages(Home.from_environment(), timeline, "test")
    tox = str(Path(sys.executable).with_name("tox"))
    os.chdir(CHECKOUT)
    # Of what click was given it has taken away a "--", behind which tox has what the tests are given.
    os.execv(tox, [tox, *sys.argv[2:]])


@hyperv_ci.command()
@click.argument("page")
@click.option("--dry-run", is_flag=True, help="Print what would be run, and whether it is all there.")
@click.option("--failing-only", is_flag=True, help="Of the tests, only those that failed.")
def reproduce(page: str, dry_run: bool, failing_only: bool):
    """Run a build again, from its log page at the address, or in the folder, PAGE.

    The playbooks are the build's own and run as you, outside of Zuul's sandbox: read a change to them first.
    The exit code is 0 if the same tests fail, 3 if not.
    """
    home = Home.from_environment()
    build = reproducing.read(page)
    with lifecycle.exclusive(home, "reproduce"):
        if not dry_run:
            with Timeline(console) as timeline:
                install_all(home, timeline)
        same = reproducing.run(home, console, build, dry_run=dry_run, failing_only=failing_only)
    if not same:
        sys.exit(VOTED_DOWN)


@hyperv_ci.command()
@click.argument("archive", type=click.Path(path_type=Path))
def compare(archive: Path):
    """Hold the recording of a real Windows host in ARCHIVE against the simulated host, and list what differs.

    lab/recording/record-host.ps1 makes it, on that host. The exit code is 3 if anything but timings differs.
    """
    real = recordings.read(archive)
    found = comparison.differences(real, model.record())
    for difference in found:
        console.print(str(difference), soft_wrap=True)
    about = real.about
    console.print(f"{len(found)} differences from {about.get('caption')} {about.get('version')}.")
    if any(one.area != comparison.TIMING for one in found):
        sys.exit(VOTED_DOWN)


@hyperv_ci.group(invoke_without_command=True)
@click.pass_context
def lab(context: click.Context):
    """Bring a change to nova to its vote: install, bring up, push, wait, print.

    Without a command it does all of that, as far as it is not done yet; the lab stays up. The exit code of
    commands that wait for a vote is 0 for +1, 3 for -1.
    """
    context.obj = Home.from_environment()
    if context.invoked_subcommand is None:
        main_job(context.obj)


def main_job(home: Home) -> None:
    """Install, bring up, push, wait, print. Interrupted, it takes down what it brought up."""
    with Timeline(console) as timeline:
        brought_up = ensure_up(home, timeline, "lab")
        try:
            result = push_and_wait(home, timeline, accounts.NOVA)
        except KeyboardInterrupt:
            if brought_up:
                console.print("Interrupted: taking the lab down; changes, builds and logs are kept.")
                lifecycle.down(home)
            raise
    show(result, timeline)


def ensure_up(home: Home, timeline: Timeline, purpose: str, *, force: bool = False) -> bool:
    """Install and bring up what is not; return whether the lab was down before."""
    with lifecycle.exclusive(home, purpose):
        if lifecycle.is_up(home):
            console.print(f"The lab in {home.root} is up.")
            publish_head(home, force=force)
            return False
        if left := lifecycle.down(home):
            console.print(f"Ended what an interrupted lab left: {', '.join(left)}.")
        lifecycle.check_ports()
        install_all(home, timeline)
        try:
            lifecycle.up(home, timeline, force=force)
        except BaseException:
            console.print("Taking down what came up; changes, builds and logs are kept.")
            lifecycle.down(home)
            raise
        warn_of_uncommitted()
        return True


def publish_head(home: Home, *, force: bool = False) -> None:
    """Publish this checkout's HEAD if Gerrit has another one."""
    if projects.publish_checkout(home, force=force):
        zuul.reconfigure(home)
        console.print("Gerrit and Zuul have this checkout's HEAD now.")
    warn_of_uncommitted()


def warn_of_uncommitted() -> None:
    """Say which files of this checkout differ from HEAD, which is what the lab tests."""
    if files := projects.uncommitted():
        more = ", …" if files[3:] else ""
        console.print(
            f"The lab tests HEAD: {len(files)} uncommitted files are not in it "
            f"({', '.join(files[:3])}{more}).",
            style="yellow",
            soft_wrap=True,
        )


def push_and_wait(
    home: Home,
    timeline: Timeline,
    project: str,
    patch: Path | None = None,
    parent: changes.Change | None = None,
) -> vote.Vote:
    """Push a change and wait for its vote."""
    with timeline.phase("push"):
        change = changes.push(home, project, patch, parent)
    console.print(f"Change {change.name} of {change.project}: {change.subject}")
    return vote.wait(home, timeline, change, len(vote.comments(home, change)))


def show(result: vote.Vote, timeline: Timeline) -> None:
    """Print what Gerrit got, the time of every phase, the links, and what one can do next."""
    console.print()
    if not result.comment:
        console.print(f"{NO_RUN}\nchange   {result.change.url}", soft_wrap=True)
        return
    console.print(result.comment, soft_wrap=True)
    console.print()
    console.print(timeline.table(result.parts))
    if result.parts:
        name, seconds = max(result.parts, key=lambda part: part[1])
        console.print(f"The largest part of the build: {name}, {seconds:.1f} s.")
    colour = "green" if result.value > 0 else "red"
    console.print(Text.assemble("\nVote: ", (f"Verified {result.label}", f"bold {colour}")))
    console.print(f"change   {result.change.url}", soft_wrap=True)
    for build in result.builds:
        console.print(f"build    {build.url} {build.job}: {build.result}", soft_wrap=True)
        if build.log_url:
            console.print(f"log page {build.log_url}", soft_wrap=True)
    console.print("\nThe lab stays up: ./hyperv-ci lab push | recheck | status | log | down")
    if result.is_against:
        sys.exit(VOTED_DOWN)


def need_up(home: Home) -> None:
    """Raise LabError unless the lab is up."""
    if not lifecycle.is_up(home):
        raise LabError(f"the lab in {home.root} is not up: bring it up with `./hyperv-ci lab up`")


@lab.command()
@click.pass_obj
def install(home: Home):
    """Install what is missing, start nothing."""
    with lifecycle.exclusive(home, "lab install"), Timeline(console) as timeline:
        install_all(home, timeline)


@lab.command()
@force_option
@click.pass_obj
def up(home: Home, force: bool):
    """Install what is missing and bring the lab up."""
    with Timeline(console) as timeline:
        ensure_up(home, timeline, "lab up", force=force)
    status.show(home, console)


@lab.command()
@click.option("--project", default=accounts.NOVA, show_default=True, help="The project to push to.")
@click.option("--patch", type=click.Path(path_type=Path), help="What git format-patch or git diff wrote.")
@click.option("--parent", type=int, help="The change to push on top of, instead of master.")
@click.pass_obj
def push(home: Home, project: str, patch: Path | None, parent: int | None):
    """Push a change and wait for its vote; without --patch, a comment in nova."""
    need_up(home)
    with Timeline(console) as timeline:
        below = changes.find(home, parent) if parent else None
        result = push_and_wait(home, timeline, project, patch, below)
    show(result, timeline)


@lab.command("push-series")
@click.argument("path", type=click.Path(path_type=Path))
@click.option("--branch", help="The branch to push; needed if there are several.")
@click.pass_obj
def push_series(home: Home, path: Path, branch: str | None):
    """Push the commits of a repository or bundle to nova one by one, and wait for the vote of each."""
    need_up(home)
    results = []
    for patch in series.patches(home, path, branch):
        with Timeline(console) as timeline:
            below = results[-1].change if results else None
            results.append(push_and_wait(home, timeline, accounts.NOVA, patch, below))
        console.print(results[-1].comment, soft_wrap=True)
    console.print()
    for result in results:
        console.print(result.line, soft_wrap=True)
    if any(result.is_against for result in results):
        sys.exit(VOTED_DOWN)


@lab.command("benchmark")
@click.option("--runs", type=click.IntRange(1, 20), default=3, show_default=True)
@click.pass_obj
def benchmark_(home: Home, runs: int):
    """Push RUNS harmless changes, one after the other, and print what they cost, held against the aims."""
    need_up(home)
    idle = benchmark.memory(home)
    figures = []
    with benchmark.Watch(lambda: benchmark.memory(home)) as watch:
        for _run in range(runs):
            with Timeline(console) as timeline:
                result = push_and_wait(home, timeline, accounts.NOVA)
            figures.append(benchmark.parts(timeline.taken, result.parts))
    console.print()
    console.print(benchmark.table(figures, idle, watch.peak))


@lab.command("benchmark-host")
@click.option("--runs", type=click.IntRange(1, 20), default=3, show_default=True)
def benchmark_host(runs: int):
    """Start a simulated host RUNS times, and print what it costs, held against the aims."""
    console.print(host_benchmark.table(runs))


@lab.command()
@click.argument("number", type=int, required=False)
@click.pass_obj
def recheck(home: Home, number: int | None):
    """Comment `recheck` on change NUMBER, the newest one if not given, and wait for the vote."""
    need_up(home)
    with Timeline(console) as timeline:
        change = changes.find(home, number or changes.newest(home))
        already, taken = len(vote.comments(home, change)), vote.taken(home, change)
        changes.comment(home, change, "recheck")
        result = vote.wait(home, timeline, change, already, taken)
    show(result, timeline)


@lab.command()
@force_option
@click.pass_obj
def publish(home: Home, force: bool):
    """Give Gerrit and Zuul this checkout's HEAD, as hyperv-ci and hyperv-ci-config."""
    need_up(home)
    with lifecycle.exclusive(home, "lab publish"):
        publish_head(home, force=force)


@lab.command("import")
@click.argument("path", type=click.Path(path_type=Path))
@click.option("--branch", help="the branch to import; needed if there are several")
@click.pass_obj
def import_(home: Home, path: Path, branch: str | None):
    """Put the git repository or bundle at PATH in the place of openstack/nova."""
    need_up(home)
    with projects.opened(path, branch) as (repository, revision):
        commit = projects.publish(home, accounts.NOVA, repository, revision)
    console.print(f"{accounts.NOVA} is now at {commit[:12]}, {revision} of {path}.")


@lab.command("status")
@click.pass_obj
def status_(home: Home):
    """Show what runs, where it listens, and the latest builds."""
    status.show(home, console)
    if not lifecycle.is_up(home):
        sys.exit(1)


@lab.command()
@click.option("--job", default=inner_loop.JOB, show_default=True, help="whose nodes and variables they get")
@click.pass_obj
def nodes(home: Home, job: str):
    """Make nodes with this checkout's driver, for Ansible and `lab try`; print their inventory."""
    with lifecycle.exclusive(home, "lab nodes"):
        console.print(f"inventory: {warm(home, job).inventory}", soft_wrap=True)


@lab.command("try")
@click.argument("tests")
@click.pass_obj
def try_(home: Home, tests: str):
    """Run TESTS, a regular expression, with this checkout's driver as it is, committed or not.

    The first time it makes the nodes, which takes as long as a run; they stay up for the next time.
    """
    with lifecycle.exclusive(home, "lab try"):
        warm(home)
        started = time.monotonic()
        passed = inner_loop.try_tests(home, tests)
        console.print(f"{'Passed' if passed else 'Failed'} in {time.monotonic() - started:.0f} s.")
    if not passed:
        sys.exit(VOTED_DOWN)


def warm(home: Home, job: str | None = None) -> Pair:
    """Return the nodes of `lab try`, ready for tests: those of a job, or those that there are."""
    with Timeline(console) as timeline:
        install_all(home, timeline)
    return inner_loop.warm(home, job)


@lab.command()
@click.argument("service", required=False)
@click.pass_obj
def log(home: Home, service: str | None):
    """Show the end of SERVICE's log; without SERVICE, where every log and the newest page is."""
    if service is None:
        status.show_logs(home, console)
    else:
        status.show_log(home, console, service)


@lab.command()
@click.argument("rules", nargs=-1, required=True, metavar="RULE...")
@click.pass_obj
def fault(home: Home, rules: tuple[str, ...]):
    """Make faults in the nodes until interrupted: NODE:ACTION[@PATH][*TIMES].

    hyperv:die@C/OpenStack/src*1 kills one Windows node once that path is in its folder;
    controller:no-index leaves every controller without a package index.
    Actions: die, hang, no-index, no-database.
    """
    parsed = [node_faults.Rule.parse(rule) for rule in rules]
    need_up(home)
    for made in node_faults.Faults(home.nodes, parsed).go_on():
        console.print(made, soft_wrap=True)


@lab.command("hold")
@click.argument("number", type=int)
@click.option("--job", default="hyperv-tempest", show_default=True)
@click.pass_obj
def hold_(home: Home, number: int, job: str):
    """Keep the nodes of change NUMBER's next build, if it fails: `lab held` tells how to log in."""
    need_up(home)
    hold.request(home, changes.find(home, number), job)
    console.print(f"If the next build of {job} for change {number} fails, its nodes stay: see `lab held`.")


@lab.command()
@click.option("--release", is_flag=True, help="Have them deleted, and forget every request for a hold.")
@click.pass_obj
def held(home: Home, release: bool):
    """List the nodes that `lab hold` kept, with the command that logs in to each."""
    need_up(home)
    nodes = hold.held()
    if release:
        console.print(f"Released {len(nodes)} nodes, {hold.release(home)} requests.")
        return
    inventory = hold.inventory(home, nodes)
    for node in nodes:
        console.print(f"{node.label} {node.address}, {node.reason}:", soft_wrap=True)
        console.print(f"  {hold.login(home, node)}", soft_wrap=True)
    console.print(f"inventory: {inventory}" if nodes else "No node is held.", soft_wrap=True)


@lab.command()
@click.pass_obj
def down(home: Home):
    """End everything. Changes, builds and log pages are kept for the next time."""
    with lifecycle.exclusive(home, "lab down"):
        cut_off = status.running_builds() if lifecycle.is_up(home) else []
        started = time.monotonic()
        ended = lifecycle.down(home)
    console.print(
        f"The lab in {home.root} is down: {len(ended)} processes ended in {time.monotonic() - started:.1f} s."
        if ended
        else f"The lab in {home.root} was not up."
    )
    if cut_off:
        raise LabError(f"cut off without a vote: {', '.join(cut_off)}; `lab up`, then `lab recheck NUMBER`")


def main() -> None:
    """Run the command line; a user's mistake is one line and exit code 1, an interruption exit code 130."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    signal.signal(signal.SIGHUP, signal.default_int_handler)
    try:
        hyperv_ci(prog_name="./hyperv-ci", standalone_mode=False)
    except LabError as error:
        where = f"{error.phase}: " if error.phase else ""
        log = f" (log: {error.log})" if error.log else ""
        fail(f"{where}{error}{log}")
    except requests.RequestException as error:
        fail(f"a server of the lab does not answer: {error}; `lab status` shows which run")
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EROFS):
            raise
        fail(f"{error.strerror}: {error.filename or 'writing'}")
    except click.ClickException as error:
        fail(error.format_message(), error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        fail("interrupted", 130)


def fail(message: str, code: int = 1) -> None:
    """End with one line."""
    print("hyperv-ci:", " ".join(message.split()), file=sys.stderr)
    sys.exit(code)
