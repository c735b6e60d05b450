# SPDX-License-Identifier: Apache-2.0
"""os-win's vhdutils."""

import pathlib

from hyperv_driver import images
from hyperv_driver.oswin import exceptions


class FakeVHDUtils:
    """Disks are files with a word in them, described here; images are real files."""

    def __init__(self):
        self.disks = {}
        self.merged = []

    def get_vhd_parent_path(self, vhd_path):
        return self.disks[vhd_path]["parent"]

    def get_vhd_size(self, vhd_path):
        if vhd_path not in self.disks:
            return {"VirtualSize": images.inspect(vhd_path, vhd_path.rpartition(".")[2]).virtual_size}
        return {"VirtualSize": self.disks[vhd_path]["size"]}

    def create_differencing_vhd(self, path, parent_path):
        self._create(path, self.get_vhd_size(parent_path)["VirtualSize"], parent_path)

    def create_dynamic_vhd(self, path, max_internal_size):
        self._create(path, max_internal_size, None)

    def merge_vhd(self, vhd_path, delete_merged_image=True):
        assert not delete_merged_image
        self.merged = [*self.merged, vhd_path]

    def convert_vhd(self, src, dest):
        self._create(dest, self.get_vhd_size(src)["VirtualSize"], None)

    def resize_vhd(self, vhd_path, new_max_size, is_file_max_size=True):
        assert not is_file_max_size
        disk = self.disks.setdefault(vhd_path, {"parent": None})
        if disk["parent"] and vhd_path.endswith(".vhd"):
            raise exceptions.VHDException("Windows cannot resize a differencing VHD")
        disk["size"] = new_max_size

    def _create(self, path, size, parent):
        pathlib.Path(path).write_text("disk")
        self.disks[path] = {"size": size, "parent": parent}
