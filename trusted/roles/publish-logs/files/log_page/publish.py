# SPDX-License-Identifier: Apache-2.0
"""Copies a build's files to where a web server shows them, and makes a page of each that is text.

A browser runs what it takes for HTML, whoever wrote it. So a file of the build keeps its name only if that
name's ending is one that servers and browsers show as text or save; any other gets ``.txt`` or ``.bin``
behind it. The only HTML is ours.
"""

import dataclasses
import json
import os
import re

from .folder import Entry, Unreadable

HARMLESS = (".cfg", ".conf", ".csv", ".ini", ".json", ".log", ".subunit", ".txt", ".yaml", ".yml")
# The one file of ours beside index.html that is no page: Zuul looks for it under this name.
MANIFEST = "zuul-manifest.json"

# Bytes: of one file, of all; and how much of a long text its page shows of its start and of its end.
MOST_OF_ONE = 100_000_000
MOST_OF_ALL = 500_000_000
START, END = 500_000, 3_500_000

ESCAPE_SEQUENCE = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]")
CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
ALARMING = re.compile(r"\b(ERROR|CRITICAL|FAILED|FAILURE|Traceback|fatal)\b")


@dataclasses.dataclass
class Published:
    """A file of the build and where it went.

    :ivar raw: path of the copy, or None
    :ivar view: path of its page, or None for what is not text
    """

    entry: Entry
    raw: str | None = None
    view: str | None = None
    left_out: str | None = None


def publish(folder, destination, view_template):
    """Copy and show each file of a folder.

    :param folder: Folder
    :param destination: directory that exists and is empty
    :param view_template: Jinja template of a file's page
    :returns: (list of Published, whether the folder had too many files to take all)
    """
    entries, too_many = folder.walk()
    published, total = [], 0
    for entry in entries:
        reason = entry.left_out
        if entry.size > MOST_OF_ONE:
            reason = f"more than {MOST_OF_ONE // 1_000_000} MB"
        elif total + entry.size > MOST_OF_ALL:
            reason = f"with it there would be more than {MOST_OF_ALL // 1_000_000} MB"
        if reason:
            published.append(Published(entry, left_out=reason))
            continue
        try:
            published.append(_publish_one(folder, entry, destination, view_template))
        except Unreadable as error:
            published.append(Published(entry, left_out=str(error)))
        except (FileExistsError, NotADirectoryError, IsADirectoryError):
            # With what is put behind names, the build can make two of them the same.
            published.append(Published(entry, left_out="its name is another's"))
        total += entry.size
    return published, too_many


def _publish_one(folder, entry, destination, view_template):
    with folder.open(entry.path) as file:
        content = file.read(MOST_OF_ONE)
    text = b"\0" not in content[:8000]
    raw = entry.name
    if not raw.endswith(HARMLESS) or raw == MANIFEST:
        raw += ".txt" if text else ".bin"
    result = Published(entry, raw=raw)
    _write(destination, raw, content)
    if text:
        result.view = f"view/{entry.name}.html"
        up = "../" * len(entry.path)
        page = view_template.render(name=entry.name, raw=up + raw, top=up, lines=_lines(content))
        _write(destination, result.view, page.encode("utf-8", "backslashreplace"))
    return result


def _lines(content):
    """Yield (number, text, whether it alarms); without a number for what is left out in the middle."""
    if len(content) <= START + END:
        yield from _numbered(content, 1)
        return
    middle = content.index(b"\n", START) + 1 if b"\n" in content[START:-END] else START
    yield from _numbered(content[:middle], 1)
    yield None, f"… {len(content) - middle - END:,} bytes are in the raw file only …", False
    yield from _numbered(content[-END:], content.count(b"\n", 0, len(content) - END) + 1)


def _numbered(content, first):
    for number, line in enumerate(content.decode("utf-8", "replace").split("\n"), first):
        yield number, plain(line), bool(ALARMING.search(line))


def plain(text):
    """Return text without terminal sequences, and with a visible sign for any other control character."""
    return CONTROL.sub("·", ESCAPE_SEQUENCE.sub("", text.rstrip("\r")))


def _write(destination, name, content):
    path = os.path.join(destination, name)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    # A name that is taken already is a mistake of ours or an attempt of the build's: never write over it.
    with open(path, "xb") as file:
        file.write(content)


def manifest(published):
    """Return the text of the manifest, from which Zuul's own page shows the tree of files."""
    root = {"name": "", "mimetype": "application/directory", "children": []}
    for item in published:
        if item.raw is None:
            continue
        *parents, name = item.raw.split("/")
        node = root
        for parent in parents:
            folders = (child for child in node["children"] if "children" in child and child["name"] == parent)
            inner = next(folders, None)
            if inner is None:
                inner = {"name": parent, "mimetype": "application/directory", "children": []}
                node["children"].append(inner)
            node = inner
        node["children"].append(
            {
                "name": name,
                "mimetype": "text/plain" if item.view else "application/octet-stream",
                "encoding": None,
                "size": item.entry.size,
            }
        )
    return json.dumps({"tree": root["children"]})
