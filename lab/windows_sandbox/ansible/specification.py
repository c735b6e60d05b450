# SPDX-License-Identifier: Apache-2.0
"""The modules' documented parameters, and the check that Ansible.Basic makes of what a task passes.

argument_specs.json is made by generate_specs.py from installed collections. Rules and words of the check are
those of Ansible.Basic.cs (ansible-core 2.18 and 2.21). It is stricter in one point: the older modules ignore
unknown parameters silently, here they are refused in every module.
"""

import hashlib
import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

FILE = Path(__file__).with_name("argument_specs.json")

# What Ansible's own action plugins pass beside the documented parameters, and what is documented wrong.
FROM_PLUGINS: dict[str, dict[str, dict]] = {
    # Documented as a choice of one; the module takes the flags of .NET, several with commas.
    "ansible.windows.win_acl": {"inherit": {"type": "str"}},
    "ansible.windows.async_status": {"_async_dir": {"type": "path", "required": True}},
    "ansible.windows.win_copy": {
        "_copy_mode": {
            "type": "str",
            "default": "single",
            "choices": ["explode", "query", "remote", "single"],
        },
        "_original_basename": {"type": "str"},
        "files": {"type": "list"},
        "directories": {"type": "list"},
        "symlinks": {"type": "list"},
        "mode": {"type": "raw"},
        "follow": {"type": "bool"},
    },
    "ansible.windows.win_file": {"_original_basename": {"type": "str"}, "_diff_peek": {"type": "bool"}},
    # Documented as required; the module asks for it with state=present only.
    "ansible.windows.win_share": {"path": {"type": "path"}},
    "ansible.windows.win_stat": {"get_md5": {"type": "bool"}},
}

# How Ansible.Basic shows what it must not (documented: no_log).
CENSORED = "VALUE_SPECIFIED_IN_NO_LOG_PARAMETER"
_SECRET = {"password", "sensitive_parameters", "url_password", "proxy_password", "client_cert_password"}

_TRUE = {"y", "yes", "on", "1", "true", "t", "1.0"}
_FALSE = {"n", "no", "off", "0", "false", "f", "0.0"}


# Modules that take parameters that they do not have: gather_facts hands on its own (inferred: setup.ps1).
_TAKES_ANY = {"ansible.windows.setup"}


class ParametersRefused(Exception):
    """Parameters that the module would not take."""


@dataclass(frozen=True)
class Module:
    """A module as one release of its collection has it.

    :param name: its full name
    :param version: the collection's, the first that was read with this source
    :param sha256: of its source
    :param options: its parameters, as documented
    """

    name: str
    version: tuple[int, ...]
    sha256: str
    options: dict[str, dict]


@cache
def modules() -> dict[str, list[Module]]:
    """Return every module there is a specification of, by full name: its releases, the oldest first."""
    return {
        name: sorted(
            (
                Module(name, tuple(map(int, version.split("."))), sha256, options)
                for release in releases
                for options in [release["options"] | FROM_PLUGINS.get(name, {})]
                for version, sha256 in release["sources"].items()
            ),
            key=lambda module: module.version,
        )
        for name, releases in json.loads(FILE.read_text())["modules"].items()
    }


def shipped(source: bytes) -> Module | None:
    """Return the module whose source this is, byte for byte, or None."""
    digest = hashlib.sha256(source).hexdigest()
    return next(
        (module for releases in modules().values() for module in releases if module.sha256 == digest), None
    )


def check(module: Module, given: dict[str, Any], expand: Callable[[str], str]) -> dict[str, Any]:
    """Return all of the module's parameters: the given ones converted, the others as their defaults or None.

    :param expand: replaces environment variables in a parameter of type path
    :raises ParametersRefused: for what Ansible.Basic would refuse, in its words
    """
    return _checked(module.name, module.options, given, expand, "")


def censored(parameters: dict[str, Any]) -> dict[str, Any]:
    return {
        name: CENSORED if name in _SECRET and value is not None else value
        for name, value in parameters.items()
    }


def _checked(
    module: str, options: dict[str, dict], given: dict[str, Any], expand: Callable[[str], str], where: str
) -> dict[str, Any]:
    names = {alias: name for name, option in options.items() for alias in (name, *option.get("aliases", ()))}
    if module in _TAKES_ANY:
        given = {name: value for name, value in given.items() if name in names}
    if unknown := sorted(set(given) - set(names)):
        found = f" found in {where}" if where else ""
        raise ParametersRefused(
            f"Unsupported parameters for ({module}) module: {', '.join(unknown)}{found}."
            f" Supported parameters include: {', '.join(sorted(options))}"
        )
    values = {names[name]: value for name, value in given.items() if value is not None}
    if missing := sorted(
        name for name, option in options.items() if option.get("required") and name not in values
    ):
        raise ParametersRefused(
            f"missing required arguments: {', '.join(missing)}" + (f" found in {where}" if where else "")
        )
    result = {}
    for name, option in options.items():
        value = values.get(name, option.get("default"))
        result[name] = None if value is None else _converted(module, name, option, value, expand)
    return result


def _converted(module: str, name: str, option: dict, value: Any, expand: Callable[[str], str]) -> Any:
    kind = option.get("type", "str")
    value = _of_type(name, kind, value, expand)
    if kind == "list":
        element = {key: option[key] for key in ("suboptions", "choices") if key in option}
        return [
            _converted(module, name, {"type": option.get("elements", "raw"), **element}, item, expand)
            for item in value
        ]
    if kind == "dict" and "suboptions" in option:
        return _checked(module, option["suboptions"], value, expand, name)
    if (choices := option.get("choices")) and value not in choices:
        raise ParametersRefused(
            f"value of {name} must be one of: {', '.join(map(str, choices))}. Got no match for: {value}"
        )
    return value


def _of_type(name: str, kind: str, value: Any, expand: Callable[[str], str]) -> Any:
    match kind, value:
        case "raw", _:
            return value
        case "bool", bool():
            return value
        case "bool", _ if str(value).lower() in _TRUE | _FALSE:
            return str(value).lower() in _TRUE
        case "int", int() if not isinstance(value, bool):
            return value
        case "int", str() if re.fullmatch(r"\s*-?\d+\s*", value):
            return int(value)
        case "list", list():
            return value
        case "list", str():
            return [item.strip() for item in value.split(",")]
        case "list", int() | float():
            return [value]
        case "dict", dict():
            return value
        case "dict", str() if value.lstrip().startswith("{"):
            return json.loads(value)
        case "str", str() | int() | float():
            return str(value)
        case "path", str():
            return expand(value)
    raise ParametersRefused(
        f"argument for {name} is of type {type(value).__name__} and we were unable to convert to {kind}"
    )
