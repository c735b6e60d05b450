# SPDX-License-Identifier: Apache-2.0
"""Collect the wheels that a set of requirements needs and a base environment does not have.

``wheelhouse.py --base PINS --platform TAG --constraint FILE --output FOLDER REQUIREMENTS…``

FOLDER gets the wheels and ``requirements.txt``, which pins them. Usually there is nothing to collect: then no
index is asked. Otherwise the base's versions are kept wherever the requirements allow it.
"""

import argparse
import os
import subprocess
import sys
import sysconfig
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

PYTHON = "3.11"
# What a wheel's platform tag means to environment markers, and how uv calls it.
PLATFORMS = {
    "win_amd64": {
        "uv": "x86_64-pc-windows-msvc",
        "sys_platform": "win32",
        "platform_system": "Windows",
        "os_name": "nt",
        "platform_machine": "AMD64",
    },
    "linux_x86_64": {
        "uv": "x86_64-unknown-linux-gnu",
        "sys_platform": "linux",
        "platform_system": "Linux",
        "os_name": "posix",
        "platform_machine": "x86_64",
    },
}


class WheelhouseError(Exception):
    """One line for the user."""


class IndexDown(WheelhouseError):
    """The package index does not answer: not for lack of what was asked for."""


def read_requirements(path, platform):
    """Return a file's requirements, without pip's options, as far as they apply to a platform."""
    environment = {name: value for name, value in PLATFORMS[platform].items() if name != "uv"}
    environment |= {"python_version": PYTHON, "extra": ""}
    found = []
    for line in path.read_text().splitlines():
        text = line.partition("#")[0].strip()
        if not text or text.startswith("-"):
            continue
        requirement = Requirement(text)
        if requirement.marker is None or requirement.marker.evaluate(environment):
            found.append(requirement)
    return found


def pins(path, platform):
    """Return the pinned versions of a file, and the extras that were asked for, by canonical name."""
    found = {}
    for requirement in read_requirements(path, platform):
        (specifier,) = requirement.specifier
        if specifier.operator != "==":
            raise WheelhouseError(f"{path}: {requirement} pins nothing: expected name==version")
        found[canonicalize_name(requirement.name)] = (Version(specifier.version), requirement.extras)
    return found


def unmet(requirements, base):
    """Return the requirements that the base's pins do not meet."""

    def is_met(requirement):
        version, extras = base.get(canonicalize_name(requirement.name), (None, set()))
        return (
            version is not None
            and requirement.specifier.contains(version, prereleases=True)
            and requirement.extras <= extras
        )

    return [requirement for requirement in requirements if not is_met(requirement)]


def resolve(arguments, base):
    """Ask the index for a set of versions that stays as near to the base as it can; return its pins."""
    lock = arguments.output / "lock.txt"
    # uv prefers the versions of a file that it is about to write over.
    lock.write_text("".join(f"{name}=={version}\n" for name, (version, _) in base.items()))
    command = ["uv", "pip", "compile", "--quiet", "--no-header", "--no-annotate", "--no-strip-extras"]
    command += ["--python-version", PYTHON, "--python-platform", PLATFORMS[arguments.platform]["uv"]]
    # The machine may reach its index through a proxy that only the machine trusts.
    command += ["--system-certs"]
    if is_foreign(arguments.platform):
        command += ["--only-binary", ":all:"]
    for path in arguments.constraint:
        command += ["--constraint", str(path)]
    run([*command, "--output-file", str(lock), *map(str, arguments.requirements)])
    found = pins(lock, arguments.platform)
    lock.unlink()
    return found


def is_foreign(platform):
    """Return whether only a platform's wheels can be got, as this machine cannot build for it."""
    return platform.replace("-", "_") != sysconfig.get_platform().replace("-", "_")


def download(arguments, lines):
    """Download the wheels of some pins."""
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
    command += ["--dest", str(arguments.output)]
    if is_foreign(arguments.platform):
        command += ["--only-binary=:all:", "--platform", arguments.platform, "--python-version", PYTHON]
    run([*command, *lines])


def run(command):
    """Run a command that asks the index; WheelhouseError has the last line of what it said."""
    ended = subprocess.run(command, capture_output=True, text=True)
    if ended.returncode:
        said = (ended.stderr.strip() or ended.stdout.strip() or "nothing").splitlines()
        words = f"{Path(command[0]).name} ended with {ended.returncode}: {' '.join(said[-6:])}"
        raise WheelhouseError(words) if index_answers() else IndexDown(f"the index does not answer: {words}")


def index_answers():
    """Say whether the index has what every index has, asked for anew."""
    command = ["uv", "pip", "compile", "--quiet", "--no-cache", "--system-certs", "-"]
    return subprocess.run(command, input="pip\n", text=True, capture_output=True).returncode == 0


def collect(arguments):
    """Fill the output folder; return lines that say what was missing and what was collected."""
    base = pins(arguments.base, arguments.platform) if arguments.base else {}
    requirements = [
        requirement
        for path in arguments.requirements
        for requirement in read_requirements(path, arguments.platform)
    ]
    # A constraint asks for nothing, but what the base has must keep to it.
    constraints = [
        constraint
        for path in arguments.constraint
        for constraint in read_requirements(path, arguments.platform)
    ]
    constraints = [constraint for constraint in constraints if canonicalize_name(constraint.name) in base]
    missing = unmet(requirements + constraints, base)
    arguments.output.mkdir(parents=True, exist_ok=True)
    wanted = []
    if missing:
        resolved = resolve(arguments, base)
        wanted = [
            f"{name}=={version}"
            for name, (version, _) in sorted(resolved.items())
            if version != base.get(name, (None,))[0]
        ]
        download(arguments, wanted)
    (arguments.output / "requirements.txt").write_text("".join(f"{line}\n" for line in wanted))
    if not missing:
        return [f"the base meets all {len(requirements)} requirements"]
    return [
        *(f"the base does not meet {requirement}" for requirement in missing),
        *(f"collected {x}" for x in wanted),
    ]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("requirements", nargs="+", type=Path, help="files of requirements")
    parser.add_argument("--base", type=Path, help="pins of what the environment has already")
    parser.add_argument("--platform", required=True, choices=sorted(PLATFORMS))
    parser.add_argument("--constraint", action="append", default=[], type=Path)
    parser.add_argument("--output", required=True, type=Path)
    try:
        print("\n".join(collect(parser.parse_args())))
    except IndexDown as error:
        print(f"wheelhouse: {error}", file=sys.stderr)
        sys.exit(os.EX_TEMPFAIL)
    except (WheelhouseError, OSError, ValueError) as error:
        sys.exit(f"wheelhouse: {error}")


if __name__ == "__main__":
    main()
