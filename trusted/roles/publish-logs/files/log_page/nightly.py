# SPDX-License-Identifier: Apache-2.0
"""Whether a test passed in the last nightly, which ran without the change.

Each nightly that has results of tests leaves them in NIGHTLIES/PROJECT/BRANCH/JOB.json: {build, date,
tests: {id: status}}. Only this generator writes there; the ids in it come from a build.
"""

import dataclasses
import datetime
import json
import os
import pathlib
import urllib.parse

# Zuul's pipeline of nightlies.
PIPELINE = "periodic"


@dataclasses.dataclass(frozen=True)
class Nightly:
    """The newest nightly of a job.

    :ivar build: Zuul's uuid
    :ivar date: ISO 8601, in UTC
    :ivar tests: status by id
    """

    job: str
    build: str
    date: str
    tests: dict[str, str]


@dataclasses.dataclass(frozen=True)
class Verdict:
    """What nightlies say of a test.

    :ivar words: to be followed by "the nightly of DATE" if there is a nightly
    :ivar nightly: the Nightly that they are about, or None
    """

    words: str
    nightly: Nightly | None = None


WORDS = {"success": "passed in", "fail": "failed too in", "skip": "was skipped in"}


def folder_of(root, facts):
    """Return the directory of a project's nightlies on a branch."""
    names = (urllib.parse.quote(facts[name], safe="") or "-" for name in ("project", "branch"))
    return pathlib.Path(root, *names)


def record(root, facts, tests):
    """Keep the results of a nightly, in the place of the one before.

    :param tests: list of tempest.Test, or None: then the nightly before stays the last one with results
    """
    if facts["pipeline"] != PIPELINE or facts["retry"] or not tests:
        return
    folder = folder_of(root, facts)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{urllib.parse.quote(facts['job'], safe='')}.json"
    content = {
        "build": facts["build"],
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "tests": {test.id: test.status for test in tests},
    }
    new = path.with_suffix(f".{facts['build']}")
    new.write_text(json.dumps(content))
    os.replace(new, path)


def read(root, facts):
    """Return the nightlies of a build's project and branch: its own job's first, then by date."""
    found = []
    for path in sorted(folder_of(root, facts).glob("*.json")):
        content = json.loads(path.read_text())
        job = urllib.parse.unquote(path.stem)
        found.append(Nightly(job, content["build"], content["date"], content["tests"]))
    found.sort(key=lambda nightly: nightly.date, reverse=True)
    return sorted(found, key=lambda nightly: nightly.job != facts["job"])


def verdict(nightlies, test):
    """Return the Verdict on a test, by its id."""
    if not nightlies:
        return Verdict("no nightly has results yet")
    for nightly in nightlies:
        if test in nightly.tests:
            return Verdict(WORDS[nightly.tests[test]], nightly)
    return Verdict("is not in the selection of", nightlies[0])
