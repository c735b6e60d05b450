# SPDX-License-Identifier: Apache-2.0
"""Reads files below one folder whose content is hostile.

No symbolic link is followed, at the end of a path or within it; what is no regular file is not opened;
nothing is read whole that has no limit.
"""

import dataclasses
import os
import re
import stat

# Names that mean nothing to a shell, a URL, a web server or a reader's eye. A leading dot would hide a
# file, or configure a server.
PLAIN_NAME = re.compile(r"[A-Za-z0-9_@+=,-][A-Za-z0-9_@+=,. -]{0,199}")
# Folders within folders. os.fwalk calls itself for each.
DEEPEST = 20


class Unreadable(Exception):
    """A file of the build cannot be read; the message is for the reader of the page."""


@dataclasses.dataclass(frozen=True)
class Entry:
    """A file that the walk met.

    :ivar path: its parts, below the folder
    :ivar size: bytes
    :ivar left_out: why it is not published, or None
    """

    path: tuple[str, ...]
    size: int
    left_out: str | None = None

    @property
    def name(self):
        return "/".join(self.path)


class Folder:
    """What a build left in a folder.

    :param root: path of the folder
    :param most_files: how many files the walk returns at most
    """

    def __init__(self, root, most_files=2000):
        self.root = root
        self._most_files = most_files

    def walk(self):
        """Return (entries sorted by path, whether there were more than most_files)."""
        entries = []
        for directory, directories, files, descriptor in os.fwalk(self.root, follow_symlinks=False):
            parts = tuple(part for part in os.path.relpath(directory, self.root).split(os.sep) if part != ".")
            for name in list(directories):
                if stat.S_ISLNK(os.stat(name, dir_fd=descriptor, follow_symlinks=False).st_mode):
                    entries.append(Entry((*parts, name), 0, "a symbolic link"))
                elif not PLAIN_NAME.fullmatch(name):
                    entries.append(Entry((*parts, name), 0, "a folder with an unusual name"))
                    directories.remove(name)
                elif len(parts) == DEEPEST:
                    entries.append(Entry((*parts, name), 0, "a folder too deep"))
                    directories.remove(name)
            for name in files:
                entries.append(self._entry(parts, name, descriptor))
                if len(entries) > self._most_files:
                    return sorted(entries[: self._most_files], key=lambda entry: entry.path), True
        return sorted(entries, key=lambda entry: entry.path), False

    @staticmethod
    def _entry(parts, name, descriptor):
        status = os.stat(name, dir_fd=descriptor, follow_symlinks=False)
        if stat.S_ISLNK(status.st_mode):
            return Entry((*parts, name), 0, "a symbolic link")
        if not stat.S_ISREG(status.st_mode):
            return Entry((*parts, name), 0, "no regular file")
        if not PLAIN_NAME.fullmatch(name):
            return Entry((*parts, name), status.st_size, "an unusual name")
        return Entry((*parts, name), status.st_size)

    def open(self, path):
        """Return a binary file object.

        :param path: the parts of its path
        :raises Unreadable: it is not there, or is reached through a link, or is no regular file
        """
        directory = os.open(self.root, os.O_RDONLY | os.O_DIRECTORY)
        try:
            for part in path[:-1]:
                inner = os.open(part, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=directory)
                os.close(directory)
                directory = inner
            # Without O_NONBLOCK, opening a pipe that nobody writes would wait for ever.
            descriptor = os.open(path[-1], os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=directory)
        except OSError as error:
            raise Unreadable(f"{'/'.join(path)}: {error.strerror}") from error
        finally:
            os.close(directory)
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            raise Unreadable(f"{'/'.join(path)}: no regular file")
        return os.fdopen(descriptor, "rb")

    def has(self, *path):
        """Return whether there is something of that name, readable or not."""
        return os.path.lexists(os.path.join(self.root, *path))

    def text(self, *path, most):
        """Return a whole file as text.

        :param most: bytes
        :raises Unreadable: see open; or the file is larger than most
        """
        with self.open(path) as file:
            content = file.read(most + 1)
        if len(content) > most:
            raise Unreadable(f"{'/'.join(path)}: more than {most // 1_000_000} MB")
        return content.decode("utf-8", "replace")

    def tail(self, *path, most):
        """Return the last bytes of a file, at most that many, as text from the first whole line.

        :raises Unreadable: see open
        """
        with self.open(path) as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - most))
            text = file.read(most).decode("utf-8", "replace")
        return text if size <= most else text.partition("\n")[2]
