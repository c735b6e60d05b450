# SPDX-License-Identifier: Apache-2.0
"""What the nodes of a failover cluster know together, as its database replicates it on Windows."""

import contextlib
import fcntl
import json
import pathlib

EMPTY = {"nodes": {}, "groups": {}}


class ClusterDatabase:
    """
    ``nodes``: identifier by node. ``groups``, by name: ``values`` of its MSCluster_ResourceGroup,
    ``resources`` (values of each MSCluster_Resource), ``machine`` (as transfer.told), ``placed`` (whether its
    owner has the machine), ``refused`` (the nodes that could not take it), ``failovers`` (when), ``moving``,
    ``changes`` (how often it came to a node, or stayed when it was to move).

    :param path: the file; None: there is one node only
    """

    def __init__(self, path: pathlib.Path | None):
        self._path = path
        self._text = json.dumps(EMPTY)

    @contextlib.contextmanager
    def change(self):
        """Nobody else's for as long as it is open; what was done to it is dropped if that raises."""
        with self._locked():
            data = json.loads(self._read())
            yield data
            self._write(json.dumps(data))

    def _locked(self):
        if self._path is None:
            return contextlib.nullcontext()
        return _lock(self._path.with_suffix(".lock"))

    def _read(self):
        if self._path and self._path.exists():
            self._text = self._path.read_text()
        return self._text

    def _write(self, text):
        if text == self._text:
            return
        self._text = text
        if self._path:
            part = self._path.with_suffix(".part")
            part.write_text(text)
            part.rename(self._path)


@contextlib.contextmanager
def _lock(path):
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
