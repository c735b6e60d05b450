# SPDX-License-Identifier: Apache-2.0
"""What a job of zuul.d asks for: nodes, their groups, and variables."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml

from lab.errors import LabError


@dataclass(frozen=True)
class Job:
    """What the playbooks of a job run on and with.

    :ivar nodes: the label of each node, by its name
    :ivar groups: names of nodes, by the name of their group
    :ivar variables: of the job and its parents
    """

    nodes: Mapping[str, str]
    groups: Mapping[str, list[str]]
    variables: Mapping


def read(checkout: Path, name: str) -> Job:
    """Return a job of a checkout, with what it inherits from its parents there.

    https://zuul-ci.org/docs/zuul/latest/config/job.html

    :raises LabError: if there is no such job
    """
    found = [entry for path in checkout.glob("zuul.d/*.yaml") for entry in yaml.safe_load(path.read_text())]
    jobs, nodesets = (
        {entry[kind]["name"]: entry[kind] for entry in found if kind in entry} for kind in ("job", "nodeset")
    )
    if name not in jobs:
        raise LabError(f"there is no job {name} in {checkout}/zuul.d, only {', '.join(sorted(jobs))}")
    lineage = []
    while name in jobs:
        lineage.append(jobs[name])
        name = jobs[name].get("parent")
    nodeset = next(job["nodeset"] for job in lineage if "nodeset" in job)
    if isinstance(nodeset, str):
        nodeset = nodesets[nodeset]
    return Job(
        {node["name"]: node["label"] for node in nodeset["nodes"]},
        {group["name"]: group["nodes"] for group in nodeset.get("groups", [])},
        {key: value for job in reversed(lineage) for key, value in job.get("vars", {}).items()},
    )
