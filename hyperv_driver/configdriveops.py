# SPDX-License-Identifier: Apache-2.0
"""Config drives: what nova tells a guest about itself, on a DVD that only its virtual machine may read."""

import nova.conf
from nova import exception
from nova.api.metadata import base as instance_metadata
from nova.virt import configdrive

from hyperv_driver import iso9660, paths

CONF = nova.conf.CONF

LABEL = "config-2"
FORMAT = "iso9660"


class ConfigDriveOps:
    def __init__(self, access):
        self._access = access

    def create(self, instance, network_info, injected_files=(), admin_password=None, path=None):
        """Make an instance's config drive, in its own place or at ``path``.

        :returns: its path; None if the instance has none.
        :raises nova.exception.ConfigDriveUnsupportedFormat:
        """
        if not configdrive.required_by(instance):
            return None
        if CONF.config_drive_format != FORMAT:
            raise exception.ConfigDriveUnsupportedFormat(format=CONF.config_drive_format)
        if not CONF.hyperv.config_drive_inject_password:
            admin_password = None
        metadata = instance_metadata.InstanceMetadata(
            instance,
            content=injected_files,
            extra_md={"admin_pass": admin_password} if admin_password else {},
            network_info=network_info,
        )
        files = {
            path.replace("\\", "/"): data.encode() if isinstance(data, str) else data
            for path, data in metadata.metadata_for_config_drive()
        }
        path = path or paths.config_drive(instance.name)
        self._write(path, iso9660.image(LABEL, files))
        return path

    def copy(self, source, path):
        with open(source, "rb") as file:
            self._write(path, file.read())

    def _write(self, path, content):
        with open(path, "wb") as file:
            # Before anything is in it.
            self._access.restrict(path)
            file.write(content)
