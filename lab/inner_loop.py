# SPDX-License-Identifier: Apache-2.0
"""`./hyperv-ci lab try`: this checkout's driver, committed or not, on nodes that stay up, and tests of it."""

from lab import jobs
from lab.errors import LabError
from lab.home import CHECKOUT, Home
from lab.pair import Pair
from lab.projects import nova_repository
from lab.services import accounts

JOB = "hyperv-tempest"


def warm(home: Home, job: str | None = None) -> Pair:
    """Return the nodes that are ready for tests; make them unless they are.

    :param job: whose nodes; by default those that are ready, of whichever job, or else JOB's
    :raises LabError: if there is no such job, or the run that makes them ready fails
    """
    pair = Pair(home, "try")
    ready = pair.root / "ready"
    if not (pair.is_up and ready.exists() and job in (None, _job(pair))):
        name = job or JOB
        wanted = jobs.read(CHECKOUT, name)
        pair.clear()
        pair.take(accounts.NOVA, nova_repository(home), "HEAD")
        pair.take_working_tree()
        pair.create(wanted)
        if not pair.play("run.yaml", wanted.variables, "--skip-tags", "tempest"):
            raise LabError(f"the nodes of {pair.inventory} are not ready for tests: run.yaml failed on them")
        ready.write_text(name, encoding="utf-8")
    return pair


def try_tests(home: Home, tests: str) -> bool:
    """Give the driver to the warm nodes and run the tests that match; return whether they passed."""
    pair = Pair(home, "try")
    pair.take_working_tree()
    return pair.play("try.yaml", {**jobs.read(CHECKOUT, _job(pair)).variables, **pair.chosen([tests])})


def _job(pair: Pair) -> str:
    """Return the job that the nodes are ready for the tests of."""
    return (pair.root / "ready").read_text(encoding="utf-8")
