# SPDX-License-Identifier: Apache-2.0
"""The virtual disks of a machine with checkpoints: those that rest, and the differencing disks above them.

A file that ends in avhd or avhdx is Hyper-V's own (documented): it is merged into its parent as soon as
nothing else needs that parent, and deleted once nothing needs it. A parent with two children stays as it is
(inferred: what is written to a parent spoils its children, which is documented for differencing disks).
"""

import contextlib
import ntpath
import typing
import uuid

from lab.hyperv_model import storage, vhd
from lab.hyperv_model.jobs import V2, JobFailure

AUTOMATIC = {"vhd": "avhd", "vhdx": "avhdx", "avhd": "avhd", "avhdx": "avhdx"}


class _Link(typing.NamedTuple):
    path: str
    parent: str


def add_layers(model, machine, disks):
    """Make a differencing disk of each hard disk; all or none.

    :param disks: hard disks, of the machine or of one of its checkpoints
    :returns: list of (disk, path)
    :raises JobFailure: one cannot be made
    """
    made = []
    for disk in disks:
        resting = disk["HostResource"][0]
        made.append((disk, _automatic(resting)))
        try:
            model.check_space()
            vhd.create_differencing(made[-1][1], resting, model.local_path)
        except (OSError, vhd.VirtualDiskError) as error:
            for _disk, layer in made:
                model.local_path(layer).unlink(missing_ok=True)
            raise JobFailure(
                f"Checkpoint operation for '{machine.name}' failed. '{resting}': {storage.reason(error)}"
            ) from None
    return made


def drop(model, disks, paths):
    """Delete the automatic ones of these files that no disk is, or is based on, and their parents likewise.

    :param disks: the hard disks that the machine and its checkpoints have
    """
    with contextlib.suppress(OSError, vhd.VirtualDiskError):  # with a file that cannot be read all stay
        links = _links(model, disks)
        needed = _files(disks) | {storage.fold_path(link.parent) for link in links.values()}
        for path in paths:
            while _is_automatic(path) and storage.fold_path(path) not in needed:
                file = model.local_path(path)
                path = vhd.parent_of(file, path) if file.exists() else ""
                file.unlink(missing_ok=True)


def merge(model, machine, disks):
    """Merge each automatic disk into its parent if that is nobody else's.

    :param disks: as for `drop`
    """
    try:
        links = _links(model, disks)
        while link := _next(links, disks):
            model.check_space()
            vhd.merge(link.path, model.local_path)
            del links[storage.fold_path(link.path)]
            for name, above in links.items():
                if storage.fold_path(above.parent) == storage.fold_path(link.path):
                    vhd.reconnect(above.path, link.parent, model.local_path, merged=True)
                    links[name] = _Link(above.path, link.parent)
            model.local_path(link.path).unlink()
            for disk in disks:
                if storage.fold_path(disk["HostResource"][0]) == storage.fold_path(link.path):
                    disk["HostResource"] = [link.parent]
    except (OSError, vhd.VirtualDiskError) as error:
        # The machine goes on with what it has (documented: event 19100).
        text = f"'{machine.name}' background disk merge failed to complete: {storage.reason(error)}"
        model.log(19100, "Error", text)


def of_settings(model, settings):
    """The hard disks of systems' setting data, such as checkpoints."""
    prefixes = tuple(each["InstanceID"] + "\\" for each in settings)
    return [
        part
        for part in model.store.of(V2, storage.SASD, ResourceSubType=storage.HARD_DISK)
        if part["InstanceID"].startswith(prefixes)
    ]


def _next(links, disks):
    """The link to merge now, or None."""
    files = _files(disks)
    parents = [storage.fold_path(link.parent) for link in links.values()]
    return next(
        (
            link
            for link in links.values()
            if (parent := storage.fold_path(link.parent)) not in files and parents.count(parent) == 1
        ),
        None,
    )


def _links(model, disks):
    """By its folded path, each automatic disk that these are or are based on."""
    found = {}
    for disk in disks:
        path = disk["HostResource"][0]
        while _is_automatic(path) and storage.fold_path(path) not in found:
            link = _Link(path, vhd.parent_of(model.local_path(path), path))
            if link.parent is None:
                break
            found[storage.fold_path(path)] = link
            path = link.parent
    return found


def _files(disks):
    return {storage.fold_path(disk["HostResource"][0]) for disk in disks}


def _is_automatic(path):
    return path.lower().endswith((".avhd", ".avhdx"))


def _automatic(path):
    """Where the differencing disk of a checkpoint is: beside its parent (inferred)."""
    folder, name = ntpath.split(path)
    stem, extension = ntpath.splitext(name)
    extension = "." + AUTOMATIC[extension.lower().removeprefix(".")]
    return ntpath.join(folder, f"{stem.partition('_')[0]}_{str(uuid.uuid4()).upper()}{extension}")
