# SPDX-License-Identifier: Apache-2.0
"""win_copy in its four modes (win_template and win_copy's action plugin drive them), win_zip, win_unzip."""

import base64
import ntpath
import re
import shutil
import tarfile
import time
import zipfile
from pathlib import Path
from typing import Any

from lab.windows_sandbox.ansible.modules.call import ModuleCall, ModuleFailed
from lab.windows_sandbox.ansible.modules.files import checksum, join, make_directory, remove
from lab.windows_sandbox.session import Session


def win_copy(call: ModuleCall) -> dict[str, Any]:
    if call["_copy_mode"] == "query":
        return _query(call)
    if call["src"] is None:
        raise ModuleFailed("Get-AnsibleParam: Missing required argument: src")
    return {"single": _single, "explode": _explode, "remote": _remote}[call["_copy_mode"]](call)


def _query(call: ModuleCall) -> dict[str, Any]:
    """Say which of the files and folders on the controller differ from those here."""
    session, files, directories = call.session, [], []
    for file in call["files"] or []:
        path = join(call["dest"], file["dest"])
        if session.is_directory(path):
            path = join(path, ntpath.basename(file["src"].replace("/", "\\")))
        if session.is_directory(path):
            raise ModuleFailed(f"cannot copy file to dest '{path}': object at path is already a directory")
        if not session.is_file(path) or (call["force"] and checksum(session.local(path)) != file["checksum"]):
            files.append(file)
    for directory in call["directories"] or []:
        path = join(call["dest"], directory["dest"])
        for place, where in (
            (ntpath.dirname(path), "object at parent directory path"),
            (path, "object at path"),
        ):
            if session.is_file(place):
                raise ModuleFailed(f"cannot copy folder to dest '{path}': {where} is already a file")
        if not session.is_directory(path):
            directories.append(directory)
    return {"files": files, "directories": directories, "symlinks": []}


def _source(call: ModuleCall) -> Path:
    if not call.session.is_file(call["src"]):
        raise ModuleFailed(f"Cannot copy src file: '{call['src']}' as it does not exist")
    return call.session.local(call["src"])


def _destination(call: ModuleCall, name: str) -> str:
    """Return where the file goes: below dest if that is a folder or ends like one."""
    session, destination = call.session, call["dest"]
    if destination.endswith(("/", "\\")) or session.is_directory(destination):
        destination = join(destination, name)
    parent = ntpath.dirname(session.path(destination))
    if session.is_file(parent):
        raise ModuleFailed(f"object at destination parent dir '{parent}' is currently a file")
    if not session.is_directory(parent):
        if destination == call["dest"]:
            raise ModuleFailed(f"Destination directory '{parent}' does not exist")
        if not call.check_mode:
            make_directory(session, parent)
    return destination


def _backup(call: ModuleCall, path: str) -> dict[str, Any]:
    if not (call["backup"] and call.session.is_file(path)):
        return {}
    copy = f"{call.session.path(path)}.{time.strftime('%Y%m%d-%H%M%S')}.bak"
    if not call.check_mode:
        shutil.copyfile(call.session.local(path), call.session.writable(copy))
    return {"backup_file": copy}


def _single(call: ModuleCall) -> dict[str, Any]:
    source = _source(call)
    destination = _destination(call, call["_original_basename"] or source.name)
    result = _backup(call, destination)
    shutil.copyfile(source, call.session.writable(destination))
    return {**result, "changed": True}


def _explode(call: ModuleCall) -> dict[str, Any]:
    """Unpack a zip whose entries are named in base64, because Windows once had trouble with other names."""
    with zipfile.ZipFile(_source(call)) as archive:
        for entry in archive.infolist():
            # A multiple of four letters is a file; one letter more is the slash of a folder.
            is_directory = len(entry.filename) % 4 == 1
            name = base64.b64decode(entry.filename.rstrip("/\\")).decode()
            path = join(call["dest"], name.replace("/", "\\"))
            make_directory(call.session, path if is_directory else ntpath.dirname(path))
            if not is_directory:
                _extract(archive, entry, call.session.writable(path))
    return {"changed": True}


def _extract(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, target: Path) -> None:
    with archive.open(entry) as source, open(target, "wb") as file:
        shutil.copyfileobj(source, file)


def _remote(call: ModuleCall) -> dict[str, Any]:
    session, source = call.session, call["src"]
    if not session.exists(source):
        raise ModuleFailed(
            f"Cannot copy src file: '{source}' as it does not exist", src=source, dest=call["dest"]
        )
    name = session.host.filesystem.windows(session.local(source)).rsplit("\\", 1)[1]
    result: dict[str, Any] = {"src": source, "changed": False}
    call.diff["prepared"] = ""
    if session.is_directory(source):
        contents_only = source.endswith(("/", "\\"))
        destination = call["dest"] if contents_only else join(call["dest"], name)
        copy = _copy_children if contents_only else _copy_folder
        result |= {"operation": "folder_copy", "dest": destination}
        copy(call, source, destination, result)
        if call.check_mode and not session.exists(destination):
            return result | {"size": None}
        return result | {"size": session.host.filesystem.size(session.path(destination))}
    destination = _destination(call, name)
    result |= {"operation": "file_copy", "original_basename": name, "dest": destination}
    _copy_file(call, source, destination, result)
    if call["force"]:
        result["checksum"] = checksum(session.local(source))
    return result | {
        "size": session.local(destination).stat().st_size if session.is_file(destination) else None
    }


def _copy_folder(call: ModuleCall, source: str, destination: str, result: dict[str, Any]) -> None:
    session = call.session
    if session.is_file(destination):
        raise ModuleFailed(f"cannot copy folder from '{source}' to '{destination}': dest is already a file")
    if not session.is_directory(destination):
        _make(call, destination)
        result["changed"] = True
    _copy_children(call, source, destination, result)


def _copy_children(call: ModuleCall, source: str, destination: str, result: dict[str, Any]) -> None:
    session = call.session
    for name in session.host.filesystem.children(session.path(source)):
        copy = _copy_folder if session.is_directory(join(source, name)) else _copy_file
        copy(call, join(source, name), join(destination, name), result)


def _copy_file(call: ModuleCall, source: str, destination: str, result: dict[str, Any]) -> None:
    session = call.session
    if session.is_directory(destination):
        raise ModuleFailed(f"cannot copy file from '{source}' to '{destination}': dest is already a folder")
    if session.is_file(destination):
        if not call["force"] or checksum(session.local(source)) == checksum(session.local(destination)):
            return
    elif not session.is_directory(ntpath.dirname(destination)):
        _make(call, ntpath.dirname(destination))
    result |= _backup(call, destination) | {"changed": True}
    if session.is_file(destination):
        call.diff["prepared"] += f"-{destination}\n"
    call.diff["prepared"] += f"+{destination}\n"
    if not call.check_mode:
        shutil.copyfile(session.local(source), session.writable(destination))


def _make(call: ModuleCall, folder: str) -> None:
    call.diff["prepared"] += f"+{folder}\\\n"
    if not call.check_mode:
        make_directory(call.session, folder)


def win_zip(call: ModuleCall) -> dict[str, Any]:
    session, source, target = call.session, call.session.expand(call["src"]), call["dest"]
    contents_only = source.endswith("\\*")
    source = source[:-2] if contents_only else source
    if not session.exists(source):
        raise ModuleFailed(f"The source file or directory '{source}' does not exist.")
    if not target.lower().endswith(".zip"):
        raise ModuleFailed(f"The destination zip file path '{target}' need to be zip file path.")
    if session.exists(target):
        return {"msg": f"The destination zip file '{target}' already exists."}
    if not call.check_mode:
        _compress(session, session.path(source), session.writable(target), contents_only)
    return {"changed": True}


def _compress(session: Session, source: str, target: Path, contents_only: bool) -> None:
    root = source if contents_only else ntpath.dirname(source)
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        if session.is_file(source):
            archive.write(session.local(source), ntpath.basename(source))
            return
        for path in session.host.filesystem.tree(source):
            if session.local(path) != target:
                archive.write(session.local(path), ntpath.relpath(path, root).replace("\\", "/"))


def win_unzip(call: ModuleCall) -> dict[str, Any]:
    session, source, target = call.session, call["src"], call["dest"]
    if call["creates"] and session.exists(call["creates"]):
        return {"skipped": True, "msg": f"The file or directory '{call['creates']}' already exists."}
    if not session.is_file(source):
        raise ModuleFailed(f"File '{source}' does not exist.")
    plain = not (call["recurse"] or call["password"])
    if plain and source.lower().endswith(".zip"):
        unpack = _unzip
    elif plain and call.version >= (3, 3) and _TAR.search(source):
        unpack = _untar
    else:
        raise ModuleFailed(
            "PowerShellCommunityExtensions PowerShell Module (PSCX) is required for "
            + (
                "this archive type, recursive extraction, or password-protected archives."
                if call.version >= (3, 3)
                else "non-'.zip' compressed archive types."
            )
        )
    if not call.check_mode:
        make_directory(session, target)
        unpack(call)
    if call["delete_archive"] and not call.check_mode:
        remove(session, source)
    return {"changed": True, "src": source, "dest": target, "removed": bool(call["delete_archive"])}


# What the tar.exe of Windows Server 2022 is trusted with.
_TAR = re.compile(r"\.(tar|tar\.gz|tgz|tar\.bz2|tbz2|tar\.xz|txz)$", re.IGNORECASE)


def _unzip(call: ModuleCall) -> None:
    try:
        with zipfile.ZipFile(call.session.local(call["src"])) as archive:
            for entry in archive.infolist():
                path = _unpacked(call, entry.filename)
                make_directory(call.session, path if entry.is_dir() else ntpath.dirname(path))
                if not entry.is_dir():
                    _extract(archive, entry, call.session.writable(path))
    except zipfile.BadZipFile as error:
        raise ModuleFailed(f"Error unzipping '{call['src']}' to '{call['dest']}'! {error}") from error


def _untar(call: ModuleCall) -> None:
    try:
        with tarfile.open(call.session.local(call["src"])) as archive:
            for entry in archive:
                if not (entry.isdir() or entry.isfile()):
                    raise ModuleFailed(f"the simulated host unpacks no links: {entry.name} in {call['src']}")
                path = _unpacked(call, entry.name)
                make_directory(call.session, path if entry.isdir() else ntpath.dirname(path))
                if entry.isfile():
                    target = call.session.writable(path)
                    with archive.extractfile(entry) as source, open(target, "wb") as file:
                        shutil.copyfileobj(source, file)
    except (tarfile.TarError, EOFError) as error:
        raise ModuleFailed(
            f"Error extracting '{call['src']}' to '{call['dest']}' using tar.exe (rc=1): {error}"
        ) from error


def _unpacked(call: ModuleCall, name: str) -> str:
    """Return where an archive's entry goes; ModuleFailed if that is not below dest."""
    target = call.session.path(call["dest"])
    path = ntpath.normpath(join(target, name.replace("/", "\\")))
    if not (path + "\\").lower().startswith(target.rstrip("\\").lower() + "\\"):
        raise ModuleFailed(
            f"Error unzipping '{call['src']}' to '{call['dest']}'! Filename contains relative paths which"
            f" would extract outside the destination: {path}"
        )
    return path
