# SPDX-License-Identifier: Apache-2.0
"""The images that the lab's nodes start from: folders that are made once and shown read-only to every node.

``controller`` is shown at /opt/hyperv-ci, so it is made there too, in a sandbox like the node's own: scripts
and byte code carry their path. ``hyperv-2022`` holds what was on the disk of a Windows host before the run
(C/…). What goes into them is in nodepool/images, where a site's own image build finds it too.
"""

import compileall
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lab import windows_shims
from lab.commands import installer_environment, run
from lab.controller_node import IMAGE_MOUNT, distribution_mounts, identity_mounts
from lab.errors import LabError
from lab.home import CHECKOUT, Home
from lab.windows_shims import pymi

SOURCES = CHECKOUT / "nodepool" / "images"
NOVA = "nova==34.0.0"
INTERPRETER = "/usr/bin/python3"

# Bytes of the guests' disks as the guest sees them. No guest boots, so they need to hold nothing.
GUEST_SIZE = 64 * 1024 * 1024


def recipe() -> list[str]:
    """Return what the images are made from: as long as it stays the same, so may they."""
    files = (Path(__file__), *sorted(SOURCES.iterdir()))
    return [path.read_text() for path in files if path.is_file()]


def make_controller(home: Home, target: Path, _recipe: list[str], log: Path) -> None:
    """Make the controller's image: Python environment, saved database, guests' disks.

    :param target: where it goes; an older one is replaced once the new one is complete
    :param log: the file that every command's output goes to
    :raises LabError: if a command fails
    """
    with _replacing(target) as new, _replacing(target.with_suffix(".tmp"), keep=False) as temporary:
        inside = _Inside(new, temporary, log)
        python = f"{IMAGE_MOUNT}/venv/bin/python"
        install = ("/opt/uv", "pip", "install", "--quiet", "--no-deps", "--python", python)
        inside("/opt/uv", "venv", "--quiet", "--python", INTERPRETER, f"{IMAGE_MOUNT}/venv")
        inside(*install, "--requirement", "/sources/controller.txt")
        inside(*install, "--target", "/tmp/nova", NOVA)
        inside(python, "/sources/saved_database.py", f"{IMAGE_MOUNT}/database", "/tmp/database")
        # Tells a run whether its change migrates any further.
        for name in ("main", "api"):
            migrations = temporary / "nova" / "nova" / "db" / name / "migrations" / "versions"
            shutil.copytree(
                migrations, new / "nova-migrations" / name, ignore=shutil.ignore_patterns("*.pyc")
            )
        # uv writes no byte code, and a node cannot: nova's first import would take four times as long.
        inside(python, "-m", "compileall", "-qq", "-j", "0", "-x", "/tests?/", f"{IMAGE_MOUNT}/venv/lib")
        (new / "guests").mkdir()
        for kind, qemu_format in (("vhd", "vpc"), ("vhdx", "vhdx")):
            create = ("qemu-img", "create", "-q", "-f", qemu_format, "-o", "subformat=dynamic")
            inside(*create, f"{IMAGE_MOUNT}/guests/guest.{kind}", str(GUEST_SIZE))
        # What either node has already: the wheelhouses of a run hold only what is not in them.
        for pins in ("controller.txt", "hyperv-2022.txt"):
            shutil.copyfile(SOURCES / pins, new / pins)


def make_windows(home: Home, target: Path, _recipe: list[str], log: Path) -> None:
    r"""Make the Windows host's image: Python, Git, and in C:\OpenStack\base what nova and the driver require.

    Parameters and errors are those of make_controller.
    """
    with _replacing(target) as new:
        python = new / "C" / "Python311"
        git = new / "C" / "Program Files" / "Git" / "cmd"
        packages = new / "C" / "OpenStack" / "base" / "Lib" / "site-packages"
        for folder in (python, git, packages):
            folder.mkdir(parents=True)
        (python / "python.exe").write_text(windows_shims.PYTHON_EXE)
        (git / "git.exe").symlink_to("/usr/bin/git")
        uv = Path(sys.executable).with_name("uv")
        install = (
            uv,
            "pip",
            "install",
            "--quiet",
            "--no-deps",
            "--python",
            INTERPRETER,
            "--target",
            packages,
        )
        requirements = SOURCES / "hyperv-2022.txt"
        run([*install, "--requirement", requirements], environment=installer_environment(), log=log)
        # Scripts of this machine's kind: a Windows host has no use for them.
        shutil.rmtree(packages / "bin")
        try:
            pymi.fetch(packages)
        except RuntimeError as error:
            raise LabError(str(error), log) from error
        compileall.compile_dir(packages, quiet=2, workers=0)


@contextmanager
def _replacing(target: Path, keep: bool = True) -> Iterator[Path]:
    """Give an empty folder that takes the place of ``target`` at the end or, if not kept, goes away."""
    new = target.with_name(f"{target.name}.new")
    shutil.rmtree(new, ignore_errors=True)
    new.mkdir(parents=True)
    try:
        yield new
        if keep:
            if target.exists():
                shutil.rmtree(target)
            new.rename(target)
    finally:
        shutil.rmtree(new, ignore_errors=True)


class _Inside:
    """Runs commands as a controller node would, but with its image writable and with uv at /opt/uv."""

    def __init__(self, image: Path, temporary: Path, log: Path):
        uv = Path(sys.executable).with_name("uv")
        cache = Path(run([uv, "cache", "dir"], environment=installer_environment()).strip())
        cache.mkdir(parents=True, exist_ok=True)
        self._sandbox = [
            "bwrap",
            *distribution_mounts(),
            *identity_mounts(temporary / "etc", "image", "127.0.0.1"),
        ]
        self._sandbox += [
            "--bind",
            image,
            IMAGE_MOUNT,
            "--bind",
            temporary,
            "/tmp",
            "--bind",
            cache,
            "/cache",
        ]
        self._sandbox += ["--ro-bind", uv, "/opt/uv", "--ro-bind", SOURCES, "/sources", "--chdir", "/tmp"]
        self._sandbox += ["--hostname", "image", "--unshare-uts", "--unshare-pid", "--die-with-parent"]
        variables = {
            "HOME": "/tmp",
            "PATH": f"{IMAGE_MOUNT}/venv/bin:/usr/bin:/bin:/usr/sbin:/sbin",
            "PYTHONPATH": "/tmp/nova",
            "UV_CACHE_DIR": "/cache",
            "UV_LINK_MODE": "copy",  # the cache is another mount here
        }
        for name, value in variables.items():
            self._sandbox += ["--setenv", name, value]
        self._log = log

    def __call__(self, *command: str | Path) -> None:
        with self._log.open("a") as log:
            print("+", *command, file=log)
        run([*self._sandbox, *command], environment=installer_environment(), log=self._log)
