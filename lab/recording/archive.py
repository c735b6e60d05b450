# SPDX-License-Identifier: Apache-2.0
"""Recordings as archives: zip files of JSON, as lab/recording describes them."""

import json
import zipfile
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from lab.errors import LabError

FORMAT = 1
# Bytes of one file; the classes of a whole Windows are some ten million.
LARGEST = 200_000_000


@dataclass(frozen=True)
class Recording:
    """What one host did; each attribute is a file of the archive."""

    about: dict
    classes: dict
    calls: list
    commands: list
    winrm: dict


def write(recording: Recording, path: Path) -> None:
    """Write an archive."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, value in asdict(recording).items():
            archive.writestr(f"{name}.json", json.dumps(value))


def read(path: Path) -> Recording:
    """Return the recording in an archive.

    :raises LabError: if it is none, or of another format
    """
    try:
        with zipfile.ZipFile(path) as archive:
            parts = {field.name: _part(archive, field.name) for field in fields(Recording)}
    except (OSError, zipfile.BadZipFile, KeyError, ValueError) as error:
        raise LabError(f"{path} is no recording of a host: {error}") from error
    for field in fields(Recording):
        if not isinstance(parts[field.name], field.type):
            found = type(parts[field.name]).__name__
            raise LabError(f"{path}: {field.name}.json holds a {found}, expected a {field.type.__name__}")
    if parts["about"].get("format") != FORMAT:
        raise LabError(f"{path} has format {parts['about'].get('format')}, expected {FORMAT}: record it anew")
    return Recording(**parts)


def _part(archive: zipfile.ZipFile, name: str) -> object:
    entry = archive.getinfo(f"{name}.json")
    if entry.file_size > LARGEST:
        raise ValueError(f"{name}.json has {entry.file_size} bytes, at most {LARGEST} are read")
    return json.loads(archive.read(entry))
