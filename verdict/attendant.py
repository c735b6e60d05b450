# SPDX-License-Identifier: Apache-2.0
"""Has runs that the infrastructure ended repeated, once it is well again.

``python verdict/attendant.py -c zuul.conf --tenant NAME``

What ended whose run is in Zuul's database, so the attendant remembers nothing that matters. To see whether
a fault is over, it has the same job run on the project's branch, without a change, in the pipeline
``probe``, which reports to nobody. When that run has an end of its own, whatever it is, the changes are put
into their pipelines again: each of them once. If the infrastructure ends the second run as well, while the
branch had none of it, the change itself is the likelier reason, and the maintainer has a mail of each.
"""

import argparse
import calendar
import configparser
import logging
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import jwt
import requests

sys.path.append(str(Path(__file__).parents[1]))

from verdict.judgement import INTERRUPTED

PIPELINES = ("check", "gate")
PROBE = "probe"
NEWEST = 50  # builds to look at
# Seconds: between looks, after which a probe that failed is tried again, for which a token is good.
INTERVAL, PATIENCE, TOKEN_LIFE = 30, 600, 300
TIME = "%Y-%m-%dT%H:%M:%S"
LOG = logging.getLogger("attendant")


@dataclass(frozen=True)
class Run:
    """A patch set's place in a pipeline, and the job that was to judge it."""

    pipeline: str
    project: str
    branch: str
    change: int
    patchset: str
    job: str

    def __str__(self) -> str:
        return f"{self.change},{self.patchset} of {self.project} in {self.pipeline}"


class Zuul:
    """Zuul's REST API, and Gerrit's as far as it says whether a patch set is still to be judged."""

    def __init__(self, configuration: configparser.ConfigParser, tenant: str):
        self._configuration = configuration
        self._tenant = tenant
        self._url = f"{configuration['web']['root'].rstrip('/')}/api/tenant/{tenant}"

    def builds(self, **query) -> list[dict]:
        """Return builds, the newest first."""
        answer = requests.get(f"{self._url}/builds", params=query, timeout=30)
        answer.raise_for_status()
        return answer.json()

    def enqueue(self, project: str, **what) -> None:
        """Put a change or a branch into a pipeline."""
        section = self._configuration["auth zuul_operator"]
        now = int(time.time())
        claims = {
            "iat": now,
            "exp": now + TOKEN_LIFE,
            "iss": section["issuer_id"],
            "aud": section["client_id"],
            "sub": "attendant",
            "zuul": {"admin": [self._tenant]},
        }
        token = jwt.encode(claims, key=section["secret"], algorithm="HS256")
        answer = requests.post(
            f"{self._url}/project/{project}/enqueue",
            json=what,
            headers={"Authorization": f"Bearer {token}"},
            timeout=30,
        )
        answer.raise_for_status()

    def is_current(self, run: Run) -> bool:
        """Say whether a change is open and the patch set its newest."""
        section = self._configuration["connection gerrit"]
        answer = requests.get(
            f"{section['baseurl'].rstrip('/')}/a/changes/{run.change}?o=CURRENT_REVISION",
            auth=(section["user"], section["password"]),
            timeout=30,
        )
        if answer.status_code == 404:
            return False
        answer.raise_for_status()
        # JSON answers begin with the line )]}', which keeps browsers from running them as a script.
        change = requests.models.complexjson.loads(answer.text.partition("\n")[2])
        (revision,) = change["revisions"].values()
        return change["status"] == "NEW" and str(revision["_number"]) == run.patchset


def interrupted(zuul: Zuul) -> set[Run]:
    """Return the runs to repeat: of each patch set the newest build was interrupted, for the first time."""
    found = set()
    for build in zuul.builds(result=INTERRUPTED, pipeline=PIPELINES, limit=NEWEST):
        ref = build["ref"]
        if ref["change"] is None:
            continue
        history = zuul.builds(
            change=ref["change"],
            patchset=ref["patchset"],
            pipeline=build["pipeline"],
            job_name=build["job_name"],
            project=ref["project"],
            limit=NEWEST,
        )
        # What Zuul repeated by itself has the result RETRY, what goes on has none.
        results = [one["result"] for one in history if one["result"] != "RETRY"]
        run = Run(
            build["pipeline"],
            ref["project"],
            ref["branch"],
            ref["change"],
            str(ref["patchset"]),
            build["job_name"],
        )
        if (
            results
            and results[0] in INTERRUPTED
            and sum(result in INTERRUPTED for result in results) == 1
            and zuul.is_current(run)
        ):
            found.add(run)
    return found


class Attendant:
    """One look after another at what was interrupted.

    :param zuul: Zuul
    :param now: the time in seconds
    """

    def __init__(self, zuul: Zuul, now=time.time):
        self._zuul = zuul
        self._now = now
        self._probed: dict[tuple[str, str], float] = {}
        # Until its nodes are there, Zuul's database has nothing of a run that was put into its pipeline.
        self._repeated: set[Run] = set()

    def look(self) -> None:
        """Begin a probe, or put changes into their pipelines whose probe has ended."""
        runs = interrupted(self._zuul) - self._repeated
        for project, branch in sorted({(run.project, run.branch) for run in runs}):
            waiting = sorted((run for run in runs if (run.project, run.branch) == (project, branch)), key=str)
            if self._is_over(project, branch):
                for run in waiting:
                    LOG.info("the infrastructure is well: %s runs again", run)
                    self._zuul.enqueue(project, pipeline=run.pipeline, change=f"{run.change},{run.patchset}")
                    self._repeated.add(run)
                del self._probed[project, branch]

    def _is_over(self, project: str, branch: str) -> bool:
        begun = self._probed.get((project, branch))
        if begun is not None:
            result = self._result(project, branch, begun)
            if result and result not in INTERRUPTED:
                return True
            if self._now() - begun < PATIENCE or (result is None and self._now() - begun < 10 * PATIENCE):
                return False
        LOG.info("looking whether the infrastructure is well, with a run of %s's %s", project, branch)
        self._probed[project, branch] = self._now()
        self._zuul.enqueue(project, pipeline=PROBE, ref=f"refs/heads/{branch}")
        return False

    def _result(self, project: str, branch: str, begun: float) -> str | None:
        """Return how the probe ended that was begun then; None while it goes on."""
        for build in self._zuul.builds(pipeline=PROBE, project=project, branch=branch, limit=10):
            ended = build["end_time"] and calendar.timegm(time.strptime(build["end_time"], TIME))
            if build["result"] not in (None, "RETRY") and ended and ended > begun:
                return build["result"]
        return None


def main() -> None:
    """Look again and again."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-c", dest="configuration", required=True, help="zuul.conf")
    parser.add_argument("--tenant", required=True)
    given = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    configuration = configparser.ConfigParser(interpolation=None)
    with open(given.configuration, encoding="utf-8") as file:
        configuration.read_file(file)
    attendant = Attendant(Zuul(configuration, given.tenant))
    while True:
        try:
            attendant.look()
        except requests.RequestException as error:
            LOG.warning("not now: %s", error)
        time.sleep(INTERVAL)


if __name__ == "__main__":
    main()
