# SPDX-License-Identifier: Apache-2.0
"""Hold Zuul configuration files against the parsers of the Zuul that is installed beside this interpreter.

Run by test_zuul_configuration with the interpreter of a virtual environment that has Zuul, in a process of
its own: Zuul's requirements are not the tests'. Takes files; prints one JSON object, {file: [{"kind",
"name", "error"}]}, with an error of null for what the parser accepts. It checks each object for itself;
what one object says of another is the caller's to check.
"""

import configparser
import json
import sys

import voluptuous
import yaml
import zuul.configloader
import zuul.lib.ansible
import zuul.lib.connections
import zuul.model

CONNECTIONS = """
[scheduler]
tenant_config = /nowhere/main.yaml

[connection gerrit]
driver = gerrit
server = gerrit.invalid
user = hyperv-ci
sshkey = /dev/null

[connection smtp]
driver = smtp
"""


def parsers():
    """Return {kind of object: its schema}, with the connections that every site of this CI has."""
    configuration = configparser.ConfigParser()
    configuration.read_string(CONNECTIONS)
    connections = zuul.lib.connections.ConnectionRegistry()
    connections.configure(configuration, sources=True, triggers=True, reporters=True)
    context = zuul.configloader.ParseContext(
        connections,
        zuul.model.SystemAttributes.fromConfig(configuration),
        None,
        zuul.lib.ansible.AnsibleManager(),
    )
    kinds = ("job", "nodeset", "pipeline", "project", "project-template", "queue", "secret", "semaphore")
    return {kind: getattr(context, f"{kind.replace('-', '_')}_parser").schema for kind in kinds}


def check(path, schemas):
    """Return what the parsers say of each object of a file.

    An object of a kind that is not listed in parsers() is an error too.
    """
    verdicts = []
    with open(path, encoding="utf-8") as file:
        objects = yaml.safe_load(file)
    for item in objects:
        ((kind, value),) = item.items()
        verdict = {"kind": kind, "name": value.get("name"), "error": None}
        if kind not in schemas:
            verdict["error"] = f"no parser for {kind}, known are {', '.join(schemas)}"
        else:
            try:
                schemas[kind](value)
            except voluptuous.Invalid as error:
                verdict["error"] = str(error)
        verdicts.append(verdict)
    return verdicts


if __name__ == "__main__":
    known = parsers()
    print(json.dumps({path: check(path, known) for path in sys.argv[1:]}))
