# SPDX-License-Identifier: Apache-2.0
"""What else the driver knows Windows by: os-brick's connectors, pipes, access control lists."""

import os

import nova.conf

GIB = 1024**3


class FakeConnectors:
    """connectors.Connectors, and its one connector: a volume has the number of its LUN, or is a file."""

    protocols = ("iscsi", "smbfs")

    def __init__(self):
        self.connected = []
        self.sizes = {}
        self.failure = None

    def properties(self):
        ip, host = nova.conf.CONF.my_block_storage_ip, nova.conf.CONF.host
        return {"ip": ip, "host": host, "initiator": "iqn.1991-05.com.microsoft:this"}

    def of(self, protocol):
        assert protocol in self.protocols
        return self

    def connect_volume(self, data):
        if self.failure:
            raise self.failure
        if "export" in data:
            self.connected = [*self.connected, data["name"]]
            return {"type": "file", "path": self.get_volume_paths(data)[0]}
        number = data["target_lun"]
        self.connected = sorted({*self.connected, number})
        return {"type": "block", "number": number, "path": rf"\\.\PHYSICALDRIVE{number}"}

    def disconnect_volume(self, data):
        if self.failure:
            raise self.failure
        gone = data.get("name", data.get("target_lun"))
        self.connected = [volume for volume in self.connected if volume != gone]

    def get_volume_paths(self, data):
        if "export" in data:
            return [rf"{data['export']}\{data['name']}".replace("/", "\\")]
        return [rf"\\.\PHYSICALDRIVE{data['target_lun']}"]

    def extend_volume(self, data):
        self.sizes[data["target_lun"]] += GIB


class Fifo:
    """serial_pipe.SerialPipe; what is typed is in `typed`."""

    typed = b""

    def __init__(self, path):
        self._file = open(path, "rb", buffering=0)

    def __enter__(self):
        return self

    def __exit__(self, *_exception):
        self._file.close()

    def read(self):
        return self._file.read(4096)

    def write(self, data):
        Fifo.typed += data


class FakeAccess:
    def __init__(self):
        self.restricted = {}

    def restrict(self, path):
        self.restricted[path] = os.path.getsize(path)
