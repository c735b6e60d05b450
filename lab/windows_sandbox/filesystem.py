# SPDX-License-Identifier: Apache-2.0
r"""C:\ on a folder of this machine: case-insensitive, contained, with the host's image showing through read-
only.
"""

import ntpath
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path

from lab.windows_sandbox import errors
from lab.windows_sandbox.errors import Win32Error

# Where a contained process sees C:\ (briefing of the lab; WINDOWS_C in its environment says so too).
INSIDE = "/c"

# As on Windows, where a chain of links longer than this is refused (documented: 63 reparse points on any
# given path).
MOST_LINKS = 63

# What ends the names of files that Hyper-V has open: no others are looked for, which would take time.
_MAY_BE_OPEN = (".vhd", ".vhdx", ".avhd", ".avhdx", ".vhds", ".iso")

_NO_NAME = re.compile(r'[<>:"|?*\x00-\x1f]')


def mounts_of(image: Path) -> dict[tuple[str, ...], Path]:
    r"""Return what of an image shows in C:\: the topmost folders that hold a file, by their lower-case
    components.

    So C\OpenStack\base is mounted and C:\OpenStack stays writable. Windows has no such mounts: an image
    stands for what was on the disk before the run.
    """
    found: dict[tuple[str, ...], Path] = {}

    def look(folder: Path, components: tuple[str, ...]) -> None:
        entries = list(os.scandir(folder))
        if any(not entry.is_dir(follow_symlinks=False) for entry in entries):
            found[components] = folder
            return
        for entry in entries:
            look(Path(entry.path), (*components, entry.name.lower()))

    if (image / "C").is_dir():
        look(image / "C", ())
    if () in found:
        raise ValueError(f"image {image} has a file directly in C: expected folders only")
    return found


def _linked_program(link: Path) -> Path | None:
    target = Path(os.path.realpath(link))
    return target if os.readlink(link).startswith("/usr/") and target.is_relative_to("/usr") else None


class FileSystem:
    r"""Turns Windows paths into local ones.

    :param c_drive: the folder that is C:\, made if it is missing
    :param image: a folder whose C/ shows in C:\ read-only, or None
    """

    def __init__(self, c_drive: Path, image: Path | None = None):
        self.c_drive = c_drive
        self.c_drive.mkdir(parents=True, exist_ok=True)
        self.mounts = mounts_of(image) if image else {}
        # Raises OSError while nothing can be written (lab/faults.py).
        self.check_space: Callable[[], None] = lambda: None
        # Returns the files at and below a Windows path that are in use (lab/hyperv_model/open_files.py).
        self.open_files: Callable[[str], list[str]] = lambda path: []
        for source in self.mounts.values():
            self.c_drive.joinpath(source.relative_to(image / "C")).mkdir(parents=True, exist_ok=True)

    def absolute(self, path: str, base: str = "C:\\") -> str:
        """Return `path` as an absolute, normalised Windows path; Win32Error for another drive, a share, a bad
        name.
        """
        path = path.replace("/", "\\")
        if path.startswith("\\\\?\\"):
            path = path[4:]
        if path.startswith("\\\\"):
            raise Win32Error(errors.PATH_NOT_FOUND, path, "there are no network shares on this host")
        drive, rest = ntpath.splitdrive(path)
        if drive.upper() not in ("", "C:"):
            raise Win32Error(errors.PATH_NOT_FOUND, path, f"a drive with the name {drive} does not exist")
        if drive and not rest.startswith("\\"):
            raise Win32Error(errors.INVALID_NAME, path, "a path relative to a drive depends on who asks")
        result = ntpath.normpath(ntpath.join(base, "C:" + rest if drive else rest))
        for component in result[3:].split("\\"):
            if _NO_NAME.search(component):
                raise Win32Error(errors.INVALID_NAME, path)
        # Windows drops them from every name (documented: Naming Files, Paths, and Namespaces).
        return "C:\\" + "\\".join(component.rstrip(" .") or component for component in result[3:].split("\\"))

    def local(self, path: str, base: str = "C:\\", *, follow: bool = True) -> Path:
        r"""Return the local path that `path` names, whether it exists or not.

        Names match in any case. Links are followed here and nowhere else, and lead to places in C:\ only, or
        to a program below /usr, which processes see as well. `follow` says whether the last component is
        followed. Win32Error as `absolute`, and for a link that leads elsewhere.
        """
        components = [c for c in self.absolute(path, base)[3:].split("\\") if c]
        return self._walk(path, components, follow)[0]

    def local_for_writing(self, path: str, base: str = "C:\\", *, follow: bool = True) -> Path:
        """As `local`, for a path that will be made, changed or removed: Win32Error inside the image, and for
        a file that is in use.
        """
        self.check_space()
        if path.lower().endswith(_MAY_BE_OPEN) and self.open_files(self.absolute(path, base)):
            raise Win32Error(errors.SHARING_VIOLATION, path)
        components = [c for c in self.absolute(path, base)[3:].split("\\") if c]
        local, in_image = self._walk(path, components, follow)
        if in_image:
            raise Win32Error(errors.ACCESS_DENIED, path, "it belongs to the host's image, which is read-only")
        lowered = tuple(component.lower() for component in components)
        if any(mount[: len(lowered)] == lowered for mount in self.mounts):
            raise Win32Error(errors.ACCESS_DENIED, path, "a part of the host's image is below it")
        return local

    def local_for_moving(self, path: str, base: str = "C:\\") -> Path:
        """As `local_for_writing`, for a file or a folder that will have another name: Win32Error for a folder
        with a file that is in use.
        """
        local = self.local_for_writing(path, base, follow=False)
        if local.is_dir() and not local.is_symlink() and self.open_files(self.absolute(path, base)):
            raise Win32Error(errors.ACCESS_DENIED, path, "a file in it is in use")
        return local

    def _walk(self, path: str, components: list[str], follow: bool) -> tuple[Path, bool]:
        current, in_image, done, links = self.c_drive, False, (), 0
        todo = list(reversed(components))
        while todo:
            name = todo.pop()
            done = (*done, name.lower())
            if done in self.mounts:
                current, in_image = self.mounts[done], True
                continue
            candidate = self._child(current, name)
            if candidate.is_symlink() and (todo or follow):
                links += 1
                if links > MOST_LINKS:
                    raise Win32Error(errors.PATH_NOT_FOUND, path, "it leads through too many links")
                if not todo and (program := _linked_program(candidate)):
                    return program, True
                target = self._link_target(candidate, path, done[:-1])
                current, in_image, done = self.c_drive, False, ()
                todo.extend(reversed(target))
                continue
            current = candidate
        return current, in_image

    @staticmethod
    def _child(folder: Path, name: str) -> Path:
        candidate = folder / name
        if not os.path.lexists(candidate) and folder.is_dir():
            lowered = name.lower()
            for entry in os.listdir(folder):
                if entry.lower() == lowered:
                    return folder / entry
        return candidate

    @staticmethod
    def _link_target(link: Path, path: str, where: tuple[str, ...]) -> list[str]:
        target = os.readlink(link)
        if target.startswith(INSIDE + "/"):
            where, target = (), target[len(INSIDE) :]
        elif target.startswith("/"):
            raise Win32Error(errors.ACCESS_DENIED, path, f"it is a link that leads out of C:\\, to {target}")
        normal = os.path.normpath("/".join(("", *where, target.lstrip("/"))))
        return [component for component in normal.split("/") if component]

    def windows(self, local: Path) -> str:
        """Return the Windows path of a local one that `local` returned."""
        for components, source in self.mounts.items():
            if local.is_relative_to(source):
                below = local.relative_to(source).parts
                return "C:\\" + "\\".join((*self._spelled(components), *below))
        return "C:\\" + "\\".join(local.relative_to(self.c_drive).parts)

    def _spelled(self, components: tuple[str, ...]) -> tuple[str, ...]:
        source = self.mounts[components]
        return source.parts[-len(components) :]

    def inside(self, path: str, base: str = "C:\\") -> str:
        r"""Return where a contained process sees the Windows path `path`: /c/…, spelled as on the disk."""
        spelled = self.windows(self.local(path, base, follow=False))
        return "/".join((INSIDE, *[component for component in spelled[3:].split("\\") if component]))

    def children(self, path: str) -> list[str]:
        """Return the names in a folder, sorted as Windows lists them; Win32Error if it is none."""
        local = self.local(path)
        if not local.is_dir():
            raise Win32Error(errors.DIRECTORY if local.exists() else errors.PATH_NOT_FOUND, path)
        return sorted(os.listdir(local), key=str.upper)

    def size(self, path: str) -> int:
        """Return how many bytes the files below a folder have, no link followed."""
        components = tuple(
            component.lower() for component in self.absolute(path)[3:].split("\\") if component
        )
        mounted = (source for mount, source in self.mounts.items() if mount[: len(components)] == components)
        return sum(
            entry.stat(follow_symlinks=False).st_size
            for folder in {self.local(path), *mounted}
            for directory, _, _ in os.walk(folder)
            for entry in os.scandir(directory)
            if entry.is_file(follow_symlinks=False)
        )

    def tree(self, path: str) -> Iterator[str]:
        """Yield the Windows path of everything below a folder, a folder before what is in it, no link
        followed.
        """
        for name in self.children(path):
            child = ntpath.join(path, name)
            yield child
            local = self.local(child, follow=False)
            if local.is_dir() and not local.is_symlink():
                yield from self.tree(child)
