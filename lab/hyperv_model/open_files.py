# SPDX-License-Identifier: Apache-2.0
"""Which files Hyper-V and the host have open, so that nobody else deletes, renames or overwrites them.

Virtual disks with their parents, and the images in DVD drives; that they are open without FILE_SHARE_DELETE
and FILE_SHARE_WRITE is inferred. What others get then is documented for CreateFile: ERROR_SHARING_VIOLATION.
"""

from lab.hyperv_model import storage
from lab.hyperv_model.providers import serves


def install(model):
    """Nothing of its own is in the repository."""


@serves("ntoskrnl.IoCheckShareAccess")
def open_files(model, path):
    """The files at a path, and below it, that are open; folded as storage.fold_path does."""
    folded = storage.fold_path(path.removeprefix("\\\\?\\"))
    below = folded.rstrip("\\") + "\\"
    return sorted(
        {use.path for use in storage.uses(model) if use.path == folded or use.path.startswith(below)}
    )
