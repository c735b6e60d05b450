# SPDX-License-Identifier: Apache-2.0
r"""Shares of other computers, once they are mapped: ``\\server\share`` for Hyper-V and for every process.

Processes find a share in the host's run folder (``shares/SERVER/SHARE``, in lower case), while it is mapped.
"""

import ntpath
import pathlib
import shutil

from lab.hyperv_model import storage
from lab.hyperv_model.errors import FAILED, CimError
from lab.hyperv_model.providers import provides

SMB = "root/Microsoft/Windows/SMB"
# winerror.h, as HRESULTs (inferred: WMI tells the system's own codes)
BAD_NETPATH = 0x80070035
LOGON_FAILURE = 0x8007052E
ACCESS_DENIED = 0x80070005


class Mappings:
    r"""The shares that this host has mapped.

    :ivar mapped: storage_network.Share by ``\\server\share``, in lower case
    """

    def __init__(self, model):
        self._model = model
        self.mapped = {}

    def local_path(self, path):
        """The local path of a Windows path below a mapped share; OSError if it is below none."""
        drive, tail = ntpath.splitdrive(path)
        share = self.mapped.get(drive.lower())
        if share is None:
            raise FileNotFoundError(f"{path}: the network path was not found")
        return share.folder.joinpath(*filter(None, tail.split("\\")))

    def add(self, remote_path, user, password):
        share = self._model.storage_network.shares.get(remote_path.lower())
        if share is None:
            raise CimError(BAD_NETPATH, f"The network path was not found: {remote_path}")
        if share.accounts is not None and (user is None or share.accounts.get(user) != password):
            raise CimError(
                LOGON_FAILURE if user else ACCESS_DENIED,
                f"{remote_path} expects another user name or password",
            )
        self.mapped[remote_path.lower()] = share
        if self._model.run_folder:
            link = self._link(remote_path)
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(share.folder)
        self._model.store.add(SMB, "MSFT_SmbMapping", LocalPath="", RemotePath=remote_path, Status=0)

    def remove(self, mapping):
        remote_path = mapping["RemotePath"]
        del self.mapped[remote_path.lower()]
        if self._model.run_folder:
            self._link(remote_path).unlink()
        self._model.store.remove(mapping)

    def user(self, remote_path):
        """A running machine that has a file of the share open, or None."""
        below = remote_path.lower() + "\\"
        return next(
            (
                machine
                for machine in self._model.machines.values()
                if machine.is_active
                and any(path.lower().startswith(below) for path in storage.disk_paths(machine))
            ),
            None,
        )

    def _link(self, remote_path):
        return pathlib.Path(self._model.run_folder, "shares", *remote_path.lower().strip("\\").split("\\"))


def install(model):
    if model.run_folder:
        shutil.rmtree(model.run_folder / "shares", ignore_errors=True)


@provides("MSFT_SmbMapping.Create")
def create_mapping(model, _class, LocalPath, RemotePath, UserName, Password):
    if LocalPath:
        raise CimError(FAILED, f"{LocalPath}: a drive letter for a share is not simulated")
    model.mappings.add(RemotePath, UserName, Password)
    return {}


@provides("MSFT_SmbMapping.Remove")
def remove_mapping(model, mapping, Force):
    """A share that is in use stays, unless forced (inferred: os-win counts on a generic failure then)."""
    user = model.mappings.user(mapping["RemotePath"])
    if user and not Force:
        raise CimError(FAILED, f"Generic failure: {user.name} has files of {mapping['RemotePath']} open")
    model.mappings.remove(mapping)
    return {}
