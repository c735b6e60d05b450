# SPDX-License-Identifier: Apache-2.0
"""What one Zuul object, playbook or role says of another: Zuul looks at that when a change runs, or never."""

import re
from dataclasses import dataclass, field
from pathlib import Path

import yaml

INCLUDES = re.compile(r"^(ansible\.builtin\.)?(include|import)_role$")
PLAYBOOKS = ("pre-run", "run", "post-run", "cleanup-run")


@dataclass
class Configuration:
    """The objects of both projects, and what they may name.

    :param objects: (top folder of the project, file, kind, value) of each
    :param labels: what Nodepool provides
    :param projects: what the tenant has
    :param trusted: top folder of the config project
    """

    objects: list[tuple[Path, str, str, dict]]
    labels: set[str]
    projects: set[str]
    trusted: Path
    problems: list[str] = field(default_factory=list)

    def check(self) -> list[str]:
        """Return a line for each reference that leads nowhere, and for each thing in the wrong project."""
        for top, file, kind, value in self.objects:
            where = f"{file}: {kind} {value['name']}"
            if kind == "job":
                self._job(where, top, value)
            elif kind == "nodeset":
                self._nodeset(where, value)
            elif kind == "project":
                self._project(where, top, value)
            elif kind in ("pipeline", "secret") and top != self.trusted:
                self._say(where, "only the config project may have one")
        return self.problems

    def _say(self, where: str, what: str) -> None:
        self.problems.append(f"{where}: {what}")

    def _known(self, where: str, what: str, name: str, names) -> None:
        if name not in names:
            self._say(where, f"no {what} {name}, only {', '.join(sorted(names))}")

    def _named(self, kind: str, top: Path | None = None) -> dict[str, dict]:
        return {
            value["name"]: value
            for owner, _, one, value in self.objects
            if one == kind and (top is None or owner == top)
        }

    def _job(self, where: str, top: Path, job: dict) -> None:
        # What is trusted is loaded first and on its own: it can name nothing of another project.
        seen = self.trusted if top == self.trusted else None
        parent = job.get("parent", "base")
        if parent is not None:
            self._known(where, "job", parent, self._named("job", seen))
        for dependency in listed(job.get("dependencies")):
            self._known(where, "job", name_of(dependency), self._named("job"))
        for secret in listed(job.get("secrets")):
            name = secret if isinstance(secret, str) else secret["secret"]
            self._known(where, "secret", name, self._named("secret", top))
        for project in listed(job.get("required-projects")):
            self._known(where, "project of the tenant", name_of(project), self.projects)
        for project in listed(job.get("allowed-projects")):
            self._known(where, "project of the tenant", project, self.projects)
        nodeset = self._nodeset_of(job, where, seen)
        hosts = {"all", "localhost"} | {
            thing["name"] for key in ("nodes", "groups") for thing in nodeset.get(key, [])
        }
        for key in PLAYBOOKS:
            for playbook in listed(job.get(key)):
                self._playbook(where, top, name_of(playbook), hosts)
        # https://docs.ansible.com/ansible/latest/playbook_guide/playbooks_variables.html#understanding-variable-precedence
        # Zuul writes a job's variables into the inventory.
        for path in top.glob("playbooks/*/group_vars/*.yaml"):
            for name in yaml.safe_load(path.read_text()).keys() & job.get("vars", {}).keys():
                self._say(where, f"{path.relative_to(top)} outranks its variable {name}")

    def _nodeset_of(self, job: dict, where: str, seen: Path | None) -> dict:
        """Return the nodeset of a job, which may be its parent's."""
        nodeset = job.get("nodeset")
        if isinstance(nodeset, str):
            self._known(where, "nodeset", nodeset, self._named("nodeset", seen))
            return self._named("nodeset").get(nodeset, {})
        if nodeset is not None:
            self._nodeset(where, nodeset)
            return nodeset
        parent = self._named("job").get(job.get("parent", "base") or "")
        return self._nodeset_of(parent, where, seen) if parent else {}

    def _nodeset(self, where: str, nodeset: dict) -> None:
        names = {node["name"] for node in nodeset["nodes"]}
        for node in nodeset["nodes"]:
            self._known(where, "label", node["label"], self.labels)
        for group in nodeset.get("groups", []):
            for node in group["nodes"]:
                self._known(where, "node", node, names)

    def _project(self, where: str, top: Path, project: dict) -> None:
        if top != self.trusted and project["name"] != top.name:
            self._say(where, "only the config project may say what happens to another project")
        self._known(where, "project of the tenant", project["name"], self.projects)
        for pipeline, value in project.items():
            if isinstance(value, dict):
                self._known(where, "pipeline", pipeline, self._named("pipeline"))
                for job in value["jobs"]:
                    self._known(where, "job", name_of(job), {*self._named("job"), "noop"})

    def _playbook(self, where: str, top: Path, playbook: str, hosts: set[str]) -> None:
        path = top / playbook
        if not path.is_file():
            self._say(where, f"no playbook {playbook}")
            return
        for play in yaml.safe_load(path.read_text()):
            if imported := play.get("ansible.builtin.import_playbook"):
                self._playbook(where, top, str(Path(playbook).with_name(imported)), hosts)
                continue
            self._known(playbook, "host or group", play["hosts"], hosts)
            for role in play.get("roles", []):
                self._role(playbook, top, role["role"] if isinstance(role, dict) else role, "main")
            for key in ("pre_tasks", "tasks", "post_tasks", "handlers"):
                self._tasks(playbook, top, play.get(key) or [])

    def _tasks(self, where: str, top: Path, tasks: list[dict]) -> None:
        for task in tasks:
            for key in ("block", "rescue", "always"):
                self._tasks(where, top, task.get(key) or [])
            for key, value in task.items():
                if INCLUDES.match(key):
                    self._role(where, top, value["name"], value.get("tasks_from", "main"))

    def _role(self, where: str, top: Path, role: str, tasks_from: str) -> None:
        if "{{" in role:
            self._say(where, f"the role {role} can only be checked if it is named")
            return
        path = top / "roles" / role / "tasks" / f"{tasks_from.removesuffix('.yaml')}.yaml"
        if not path.is_file():
            self._say(where, f"no role {role} with {path.name}")
            return
        for file in path.parent.glob("*.yaml"):
            self._tasks(str(file), top, yaml.safe_load(file.read_text()) or [])


def name_of(thing: str | dict) -> str:
    """Return the name in one of the ways in which Zuul lets one write a reference."""
    if isinstance(thing, str):
        return thing
    return thing["name"] if "name" in thing else next(iter(thing))


def listed(value) -> list:
    """Return what may be one thing, several or none as a list."""
    return value if isinstance(value, list) else [] if value is None else [value]
