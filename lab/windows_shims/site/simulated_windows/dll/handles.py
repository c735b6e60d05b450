# SPDX-License-Identifier: Apache-2.0
"""Handles of this process: numbers for the objects behind the simulated functions."""

import itertools
import threading

from . import errors

_objects: dict[int, object] = {}
_lock = threading.Lock()
_numbers = itertools.count(0x104, 4)


def add(item) -> int:
    """Return a new handle of `item`, whose close() is called when the handle is closed."""
    with _lock:
        number = next(_numbers)
        _objects[number] = item
    return number


def get(handle: int | None, kind):
    """Return the object of `handle`; Win32Error (invalid handle) unless it is an open one of class `kind`."""
    item = _objects.get(handle)
    if not isinstance(item, kind):
        raise errors.Win32Error(errors.INVALID_HANDLE)
    return item


def close(handle: int | None) -> None:
    """Close `handle`; Win32Error (invalid handle) if it is not open."""
    with _lock:
        item = _objects.pop(handle, None)
    if item is None:
        raise errors.Win32Error(errors.INVALID_HANDLE)
    item.close()
