# SPDX-License-Identifier: Apache-2.0
"""Writes a small read-only file system: ISO 9660 (ECMA-119), with Joliet for names as they are.

Linux and Windows read the Joliet names; the other tree, which the standard asks for, has them in capitals,
shortened, and numbered where two became one. Files are held in memory: this is for config drives.
"""

import dataclasses
import datetime
import re
import struct

SECTOR = 2048
FIRST_DESCRIPTOR = 16  # the sectors before are the system's
FILE, DIRECTORY = 0, 2
# ECMA-119 10.1: level 2 takes 31 characters, the version included.
LONGEST = 28
LONGEST_JOLIET = 64


@dataclasses.dataclass
class _Node:
    """A file or a directory; `extents` says where it is: by tree for directories, under None for files."""

    name: str
    data: bytes | None = None
    children: dict = dataclasses.field(default_factory=dict)
    parent: "_Node | None" = None
    extents: dict = dataclasses.field(default_factory=dict)

    @property
    def is_directory(self):
        return self.data is None


class _Tree:
    """One of the two views of the same files: how names are written, and where its directories are."""

    def __init__(self, root, identifier):
        self.root = root
        self.sizes = {}
        self._identifier = identifier
        self.directories = [root]
        for directory in self.directories:
            self.directories += [node for _name, node in self.sorted(directory) if node.is_directory]
        self.sizes = {id(node): _whole(len(self.records(node))) for node in self.directories}

    def sorted(self, directory):
        """(identifier, child) in the order that the standard asks for."""
        taken, named = set(), []
        for node in directory.children.values():
            number, identifier = 0, self._identifier(node, "")
            while identifier in taken:
                number += 1
                identifier = self._identifier(node, str(number))
            taken.add(identifier)
            named.append((identifier, node))
        return sorted(named, key=lambda pair: pair[0])

    def records(self, directory):
        """The content of a directory: its records, none of which crosses a sector."""
        entries = [(b"\0", directory), (b"\1", directory.parent or directory), *self.sorted(directory)]
        content = b""
        for identifier, node in entries:
            record = self.record(identifier, node)
            room = -len(content) % SECTOR or SECTOR
            content += (bytes(room) if room < len(record) else b"") + record
        return content

    def record(self, identifier, node):
        """A directory record (9.1)."""
        at, size = self.where(node)
        pad = b"" if len(identifier) % 2 else b"\0"
        length = 33 + len(identifier) + len(pad)
        now = datetime.datetime.now(datetime.UTC)
        date = bytes([now.year - 1900, now.month, now.day, now.hour, now.minute, now.second, 0])
        flags = DIRECTORY if node.is_directory else FILE
        return (
            struct.pack("<BB", length, 0) + _both("I", at) + _both("I", size) + date
            + struct.pack("<BBB", flags, 0, 0) + _both("H", 1) + bytes([len(identifier)]) + identifier + pad
        )  # fmt: skip

    def where(self, node):
        if not node.is_directory:
            return node.extents.get(None, 0), len(node.data)
        return node.extents.get(id(self), 0), self.sizes.get(id(node), 0)

    def place(self, directory, sector):
        directory.extents[id(self)] = sector

    def path_table(self, order):
        """All directories with their parents' numbers (9.4); `order` is struct's sign of the byte order."""
        numbers = {id(node): number for number, node in enumerate(self.directories, 1)}
        names = {id(self.root): b"\0"}
        for directory in self.directories:
            names.update((id(node), identifier) for identifier, node in self.sorted(directory))
        table = b""
        for node in self.directories:
            name = names[id(node)]
            parent = numbers[id(node.parent or node)]
            table += struct.pack(f"{order}BBIH", len(name), 0, self.where(node)[0], parent) + name
            table += bytes(len(name) % 2)
        return table


def image(label, files):
    """The bytes of a file system.

    :param label: its volume label, ASCII; as it is, though the standard wants capitals: guests look for it.
    :param files: bytes by path, with slashes.
    :raises ValueError: a name that does not fit Joliet.
    """
    root = _tree_of(files)
    plain = _Tree(root, _plain_identifier)
    joliet = _Tree(root, _joliet_identifier)

    sector = FIRST_DESCRIPTOR + 3
    tables = []  # (tree, byte order, sector)
    for tree in (plain, joliet):
        for order in "<>":
            tables.append((tree, order, sector))
            sector += _whole(len(tree.path_table(order))) // SECTOR
        for directory in tree.directories:
            tree.place(directory, sector)
            sector += tree.sizes[id(directory)] // SECTOR
    contents = [node for directory in plain.directories for node in directory.children.values()]
    for node in contents:
        if not node.is_directory:
            node.extents[None] = sector
            sector += _whole(len(node.data)) // SECTOR

    written = bytearray(sector * SECTOR)

    def write(at, data):
        written[at * SECTOR : at * SECTOR + len(data)] = data

    write(FIRST_DESCRIPTOR, _descriptor(1, label, plain, tables[:2], sector))
    write(FIRST_DESCRIPTOR + 1, _descriptor(2, label, joliet, tables[2:], sector))
    write(FIRST_DESCRIPTOR + 2, b"\xffCD001\1")
    for tree, order, at in tables:
        write(at, tree.path_table(order))
    for tree in (plain, joliet):
        for directory in tree.directories:
            write(tree.where(directory)[0], tree.records(directory))
    for node in contents:
        if not node.is_directory:
            write(node.extents[None], node.data)
    return bytes(written)


def _tree_of(files):
    root = _Node("")
    for path, data in files.items():
        *folders, name = path.split("/")
        directory = root
        for folder in folders:
            directory = directory.children.setdefault(folder, _Node(folder, parent=directory))
        directory.children[name] = _Node(name, data, parent=directory)
    return root


def _plain_identifier(node, number):
    name = re.sub(r"[^A-Z0-9_.]", "_", node.name.upper())
    stem, _dot, extension = name.rpartition(".") if not node.is_directory else (name, "", "")
    stem, extension = (stem or extension).replace(".", "_"), extension if stem else ""
    if node.is_directory:
        return (stem[: LONGEST - len(number)] + number).encode()
    extension = extension[:8]
    return f"{stem[: LONGEST - 9 - len(number)]}{number}.{extension};1".encode()


def _joliet_identifier(node, _number):
    if len(node.name) > LONGEST_JOLIET or re.search(r"[\0-\x1f*/:;?\\]", node.name) or not node.name:
        raise ValueError(f"file name {node.name!r}, expected 1 to {LONGEST_JOLIET} characters without *:;?\\")
    return node.name.encode("utf-16-be")


def _descriptor(kind, label, tree, tables, sectors):
    """A primary (1) or Joliet's supplementary (2) volume descriptor (8.4, 8.5)."""
    encode = (lambda text: text.encode("utf-16-be")) if kind == 2 else str.encode
    space = encode(" ")

    def text(value, length):
        padded = (encode(value) + space * length)[:length]
        return padded if len(padded) == length else padded.ljust(length, b"\0")

    now = datetime.datetime.now(datetime.UTC).strftime("%Y%m%d%H%M%S00").encode() + b"\0"
    (_tree, _little, little_at), (_same, _big, big_at) = tables
    descriptor = (
        bytes([kind]) + b"CD001\1\0" + text("", 32) + text(label, 32) + bytes(8)
        + _both("I", sectors) + (b"%/E".ljust(32, b"\0") if kind == 2 else bytes(32))
        + _both("H", 1) + _both("H", 1) + _both("H", SECTOR) + _both("I", len(tree.path_table("<")))
        + struct.pack("<II", little_at, 0) + struct.pack(">II", big_at, 0)
        + tree.record(b"\0", tree.root)
        + text("", 128) + text("OpenStack Nova", 128) + text("", 128) + text("hyperv-driver", 128)
        + text("", 37) + text("", 37) + text("", 37)
        + now + now + b"0" * 16 + b"\0" + now + b"\1"
    )  # fmt: skip
    return descriptor.ljust(SECTOR, b"\0")


def _both(kind, number):
    return struct.pack(f"<{kind}", number) + struct.pack(f">{kind}", number)


def _whole(length):
    """The length in whole sectors; an empty file has none."""
    return -(-length // SECTOR) * SECTOR
