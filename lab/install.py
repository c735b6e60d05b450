# SPDX-License-Identifier: Apache-2.0
"""What the lab needs before it comes up for the first time; each part is made once and kept."""

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from lab import images, projects
from lab.commands import installer_environment, run
from lab.errors import LabError
from lab.home import CHECKOUT, Home
from lab.phases import Timeline
from lab.services import gerrit
from lab.services.daemon import last_words

# Debian's: Zuul's sandbox shows /usr to jobs.
INTERPRETER = "/usr/bin/python3"
NEEDED_DISK = 9 * 1024**3

ENVIRONMENTS = {
    "zuul": ["zuul==14.3.0"],
    # cachetools is undeclared, and its version module needs pkg_resources, which setuptools 82 dropped.
    "nodepool": ["nodepool==11.0.0", "cachetools", "setuptools<82"],
}
# What zuul-manage-ansible installs for 11, without the clients of clouds that no job here talks to.
ANSIBLE = ["ansible>=11,<12", "pywinrm>=0.5", "google-re2", "voluptuous", "netaddr", "jmespath", "passlib"]

POM = """\
<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>hyperv-ci</groupId>
  <artifactId>gerrit</artifactId>
  <version>1</version>
  <packaging>pom</packaging>
  <dependencies>{dependencies}
  </dependencies>
</project>
"""
# Together they hold all of Gerrit; Init needs Bouncy Castle beside them.
JARS = (
    ("com.google.gerrit", "gerrit-plugin-api", gerrit.VERSION),
    ("com.google.gerrit", "gerrit-acceptance-framework", gerrit.VERSION),
    *(("org.bouncycastle", f"{name}-jdk18on", "1.80") for name in ("bcprov", "bcpkix", "bcutil", "bcpg")),
)


def install(home: Home, timeline: Timeline) -> None:
    """Install what is missing or out of date.

    :raises LabError: if a part cannot be installed: says which, and its log
    """
    if not home.images.exists():
        home.root.mkdir(parents=True, exist_ok=True)
        _check_disk(home.root)
    install_packages(home, timeline)
    home.cache.mkdir(exist_ok=True)
    for phase, target, recipe, make in _parts(home):
        _make(home, timeline, phase, target, recipe, make)


def install_packages(home: Home, timeline: Timeline, profile: str = "") -> None:
    """Install what is missing of bindep.txt's packages.

    :param profile: a bindep profile whose packages are wanted as well
    :raises LabError: if that fails: says which, and apt-get's log
    """
    home.install_logs.mkdir(parents=True, exist_ok=True)
    if packages := _missing_packages(profile):
        with timeline.phase("packages"), timeline.still():
            _install_packages(home, packages)
        if still := _missing_packages(profile):
            raise LabError(
                f"Debian packages {' '.join(still)} are still missing after apt-get",
                home.install_logs / "packages.log",
            )


def _parts(home: Home) -> Iterator[tuple[str, Path, object, Callable]]:
    """Yield each part: its phase, where it goes, what it is made from, and what makes it."""
    for name, requirements in ENVIRONMENTS.items():
        yield f"{name} environment", home.venvs / name, requirements, _environment
    yield "ansible environment", home.ansible / "11", ANSIBLE, _environment
    yield "gerrit jars", home.gerrit / "jars", JARS, _fetch_jars
    yield "gerrit site", home.gerrit / "site", Path(gerrit.__file__).read_text(), gerrit.make_template
    nova = projects.nova_repository(home)
    yield "nova sources", nova, projects.NOVA_VERSION, projects.make_nova_repository
    yield "controller image", home.images / "controller", images.recipe(), images.make_controller
    yield "windows image", home.images / "hyperv-2022", images.recipe(), images.make_windows


def _make(
    home: Home,
    timeline: Timeline,
    phase: str,
    target: Path,
    recipe,
    make: Callable[[Home, Path, object, Path], None],
) -> None:
    """Make `target` from `recipe`, unless it was made from the same one before."""
    stamp = target.with_name(target.name + ".made-from")
    digest = hashlib.sha256(repr(recipe).encode()).hexdigest()
    if target.exists() and stamp.exists() and stamp.read_text() == digest:
        return
    with timeline.phase(phase):
        stamp.unlink(missing_ok=True)
        target.parent.mkdir(parents=True, exist_ok=True)
        log = home.install_logs / f"{phase.replace(' ', '-')}.log"
        log.unlink(missing_ok=True)
        make(home, target, recipe, log)
        stamp.write_text(digest)


def _environment(_home: Home, target: Path, requirements: list[str], log: Path) -> None:
    """Make a virtual environment of Debian's Python."""
    uv = Path(sys.executable).with_name("uv")
    run(
        [uv, "venv", "--clear", "--python", INTERPRETER, target], environment=installer_environment(), log=log
    )
    run(
        [uv, "pip", "install", "--compile-bytecode", "--python", target / "bin/python", *requirements],
        environment=installer_environment(),
        log=log,
    )


def _fetch_jars(home: Home, target: Path, jars, log: Path) -> None:
    shutil.rmtree(target, ignore_errors=True)
    dependencies = "".join(
        f"\n    <dependency><groupId>{group}</groupId><artifactId>{artifact}</artifactId>"
        f"<version>{version}</version></dependency>"
        for group, artifact, version in jars
    )
    pom = home.gerrit / "pom.xml"
    pom.write_text(POM.format(dependencies=dependencies), encoding="utf-8")
    run(
        [
            "mvn",
            "--quiet",
            "--batch-mode",
            # What could not be fetched is asked for again, not only from tomorrow on.
            "--update-snapshots",
            "--file",
            pom,
            "dependency:copy-dependencies",
            "-DexcludeTransitive=true",
            f"-DoutputDirectory={target}",
        ],
        environment=installer_environment(),
        log=log,
    )
    found = len(list(target.glob("*.jar")))
    if found != len(jars):
        raise LabError(f"{target} holds {found} jars: expected {len(jars)}", log)


def _missing_packages(profile: str) -> list[str]:
    """Return the packages of bindep.txt that are not installed."""
    program = [Path(sys.executable).with_name("bindep"), "--brief", "--file", CHECKOUT / "bindep.txt"]
    bindep = subprocess.run(
        [*program, *filter(None, [profile])],
        capture_output=True,
        text=True,
        check=False,
    )
    if bindep.returncode not in (0, 1) or bindep.stderr:
        raise LabError(f"bindep cannot read bindep.txt: {bindep.stderr.strip().splitlines()[-1]}")
    return bindep.stdout.split()


def _install_packages(home: Home, packages: list[str]) -> None:
    log = home.install_logs / "packages.log"
    with log.open("wb") as output:
        # Not in a session of its own: sudo asks for the password at the terminal.
        script = subprocess.Popen(
            ["sh", CHECKOUT / "lab/install-packages.sh", *packages],
            stdout=output,
            stderr=output,
            env=os.environ | {"LC_ALL": "C.UTF-8"},
        )
        try:
            script.wait()
        except KeyboardInterrupt:
            # It waits for apt-get, which is better not cut off, and cleans up.
            script.terminate()
            script.wait()
            raise
    if script.returncode:
        raise LabError(f"Debian packages {' '.join(packages)} could not be installed: {last_words(log)}", log)


def _check_disk(root: Path) -> None:
    free = shutil.disk_usage(root).free
    if free < NEEDED_DISK:
        raise LabError(
            f"{root} has {free / 1024**3:.1f} GiB free: a first installation and a run need "
            f"{NEEDED_DISK / 1024**3:.0f} GiB; HYPERV_CI_HOME names a folder elsewhere"
        )
