# SPDX-License-Identifier: Apache-2.0
"""The command line."""

import sys

import click
from rich.console import Console

from lab import lifecycle
from lab.errors import LabError
from lab.home import Home
from lab.install import install as install_all
from lab.phases import Timeline

console = Console()


@click.group()
def hyperv_ci():
    """Third-party CI for a Hyper-V driver of OpenStack Nova."""


@hyperv_ci.group(invoke_without_command=True)
@click.pass_context
def lab(context: click.Context):
    """The main job."""
    context.obj = Home.from_environment()


@lab.command()
@click.pass_obj
def install(home: Home):
    """Install what is missing."""
    with lifecycle.exclusive(home, "lab install"), Timeline(console) as timeline:
        install_all(home, timeline)


@lab.command()
@click.pass_obj
def up(home: Home):
    """Bring the lab up."""
    with lifecycle.exclusive(home, "lab up"), Timeline(console) as timeline:
        install_all(home, timeline)
        lifecycle.up(home, timeline)


@lab.command()
@click.pass_obj
def down(home: Home):
    """End everything."""
    with lifecycle.exclusive(home, "lab down"):
        for name in lifecycle.down(home):
            console.print(f"ended {name}")


def main() -> None:
    """Run the command line; a LabError is one line and exit code 1."""
    try:
        hyperv_ci(standalone_mode=False)
    except LabError as error:
        where = f"{error.phase}: " if error.phase else ""
        log = f" (log: {error.log})" if error.log else ""
        print(f"hyperv-ci: {where}{error}{log}", file=sys.stderr)
        sys.exit(1)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
