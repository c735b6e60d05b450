# SPDX-License-Identifier: Apache-2.0
"""Fetches PyMI's pure-Python package ``wmi``, unchanged; its C module ``mi`` exists for Windows only.

Usage: ``python -m lab.windows_shims.pymi DIRECTORY``
"""

import importlib.util
import pathlib
import shutil
import subprocess
import sys
import tempfile

VERSION = "1.0.9"


def fetch(target_dir: pathlib.Path) -> pathlib.Path:
    """Put the package ``wmi`` of PyMI into a directory, unless it is there already.

    PyMI's metadata goes with it: ``wmi`` asks pbr for its version when it is imported.

    :param target_dir: where ``wmi/`` and the metadata go
    :returns: the package's directory
    :raises RuntimeError: neither uv nor pip is there, or PyMI could not be downloaded
    """
    wanted = [f"pymi-{VERSION}.dist-info", "wmi"]
    if not all(target_dir.joinpath(name).is_dir() for name in wanted):
        target_dir.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=target_dir, prefix=".pymi-") as folder:
            _install(folder)
            for name in wanted:
                _move(pathlib.Path(folder, name), target_dir / name)
    return target_dir / "wmi"


def _install(folder):
    command = [*_installer(), "--target", folder, "--no-deps", "--only-binary", ":all:"]
    command += ["--python-version", "3.11", f"pymi=={VERSION}"]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"cannot fetch PyMI {VERSION}: {(done.stderr or done.stdout).strip()}")


def _move(source, target):
    try:
        source.rename(target)
    except OSError:
        # Another process has fetched it at the same time, or it cannot be put there.
        if not target.is_dir():
            raise


def _installer():
    uv = shutil.which("uv", path=pathlib.Path(sys.executable).parent) or shutil.which("uv")
    if uv:
        return [uv, "pip", "install", "--quiet", "--python", sys.executable, "--python-platform", "windows"]
    if importlib.util.find_spec("pip"):
        return [sys.executable, "-m", "pip", "install", "--quiet", "--platform", "win_amd64"]
    raise RuntimeError(f"cannot fetch PyMI {VERSION}: {sys.executable} has neither uv nor pip")


if __name__ == "__main__":
    print(fetch(pathlib.Path(sys.argv[1])))
