# SPDX-License-Identifier: Apache-2.0
"""`./hyperv-ci lab try`: this checkout's driver, committed or not, on nodes that stay up, and tests of it."""

from lab.errors import LabError
from lab.home import Home
from lab.pair import Pair
from lab.projects import nova_repository
from lab.services import accounts


def warm(home: Home) -> Pair:
    """Return the pair of nodes that is ready for tests; make it unless it is.

    :raises LabError: if the run that makes it ready fails
    """
    pair = Pair(home, "try")
    ready = pair.root / "ready"
    if not (ready.exists() and pair.is_up):
        pair.clear()
        pair.take(accounts.NOVA, nova_repository(home), "HEAD")
        pair.take_working_tree()
        pair.create()
        if not pair.play("run.yaml", {}, "--skip-tags", "tempest"):
            raise LabError(f"the nodes of {pair.inventory} are not ready for tests: run.yaml failed on them")
        ready.touch()
    return pair


def try_tests(home: Home, tests: str) -> bool:
    """Give the driver to the warm nodes and run the tests that match; return whether they passed."""
    pair = Pair(home, "try")
    pair.take_working_tree()
    return pair.play("try.yaml", pair.chosen([tests]))
