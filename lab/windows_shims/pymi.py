# SPDX-License-Identifier: Apache-2.0
"""Fetches PyMI's pure-Python package ``wmi``, unchanged; its C module ``mi`` exists for Windows only.

Usage: ``python -m lab.windows_shims.pymi DIRECTORY``
"""

import pathlib
import subprocess
import sys
import tempfile
import zipfile

VERSION = "1.0.9"


def fetch(target_dir: pathlib.Path, python: str = sys.executable) -> pathlib.Path:
    """Put the package ``wmi`` of PyMI into a directory, unless it is there already.

    :param target_dir: where ``wmi/`` goes
    :param python: a Python with pip, which downloads the wheel
    :returns: the package's directory
    :raises RuntimeError: pip could not download the wheel
    """
    package = target_dir / "wmi"
    if package.is_dir():
        return package
    with tempfile.TemporaryDirectory() as folder:
        command = [
            python,
            "-m",
            "pip",
            "download",
            "--quiet",
            "--disable-pip-version-check",
            "--no-deps",
            "--dest",
            folder,
            "--platform",
            "win_amd64",
            "--python-version",
            "3.11",
            "--only-binary=:all:",
            f"pymi=={VERSION}",
        ]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(f"cannot download PyMI {VERSION}: {(done.stderr or done.stdout).strip()}")
        (wheel,) = pathlib.Path(folder).glob("*.whl")
        with zipfile.ZipFile(wheel) as archive:
            members = [name for name in archive.namelist() if name.startswith("wmi/")]
            archive.extractall(target_dir, members)
    return package


if __name__ == "__main__":
    print(fetch(pathlib.Path(sys.argv[1])))
